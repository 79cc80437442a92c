// Waits, for a bounded time, until the PFs of a spec can be worked on: found by their keys, with
// their driver, and with the netdev that a NIC's driver makes. Only reads, so whoever else changes
// the host is not in the way, and nobody needs the lock.

import { fullInventory, type Host } from "../host/host.ts";
import type { Address } from "../model/bdf.ts";
import type { Inventory, Pf } from "../model/inventory.ts";
import type { AdapterSpec, Spec } from "../model/spec.ts";
import { isBoundAs } from "../plan/binding.ts";
import { matchPfs } from "../plan/match.ts";

const pollMs = 500;

const isNic = ({ classCode }: Pf): boolean => classCode >>> 16 === 0x02;

/** Some drivers make the netdev in a second step (mlx5's auxiliary devices). */
const isReady = (pf: Pf): boolean =>
  pf.driver !== null && (!isNic(pf) || pf.netdevs.length > 0 || !isBoundAs("kernel", pf.driver));

/** A PF may yet come, and a key may be readable only once its driver is there. */
const mayCome = new Set(["pf-not-found", "pf-keys-disagree"]);

function isWhole(spec: Spec, inventory: Inventory): boolean {
  const { matched, problems } = matchPfs(spec, inventory);
  return matched.every(({ pf }) => isReady(pf)) && !problems.some(({ code }) => mayCome.has(code));
}

type AwaitedAdapters = {
  readonly adapters: readonly AdapterSpec[];
  readonly isWhole: boolean;
};

/** Those of one PF, or all. */
function adaptersOf(spec: Spec, inventory: Inventory, pf: Address | null): readonly AdapterSpec[] {
  if (pf === null) return spec.adapters;
  const { matched } = matchPfs(spec, inventory);
  const here = matched.filter((match) => match.pf.address === pf);
  return [...new Set(here.map(({ adapter }) => adapter))];
}

/**
 * The adapters of `spec` once their PFs are there, or when the time is over. With `pf`, only the
 * adapter that it is on: none where no spec is about it.
 */
export async function awaitPfs(
  host: Host,
  spec: Spec,
  { pf, timeoutMs }: { readonly pf: Address | null; readonly timeoutMs: number },
): Promise<AwaitedAdapters> {
  const startedAt = host.now();
  for (;;) {
    const inventory = await host.inventory({ ...fullInventory, census: false });
    const adapters = adaptersOf(spec, inventory, pf);
    const own = inventory.physicalFunctions.find(({ address }) => address === pf);
    const isSettled = pf === null || own === undefined || isReady(own);
    const whole = isWhole({ ...spec, adapters }, inventory);
    if (isSettled && whole) return { adapters, isWhole: true };
    if (host.now() - startedAt >= timeoutMs) return { adapters, isWhole: false };
    await host.sleep(pollMs);
  }
}
