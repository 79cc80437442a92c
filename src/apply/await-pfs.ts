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

/** So long nothing may have moved before a PF that is not there is given up. */
const quietMs = 5000;

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

/**
 * A PF without its driver, or the netdev of a NIC's, may be one that the spec names: by a label or a MAC
 * that nobody can read yet.
 */
const isComing = (spec: Spec, inventory: Inventory): boolean => {
  const named = new Set(matchPfs(spec, inventory).matched.map(({ pf }) => pf));
  return inventory.physicalFunctions.some((pf) => !isReady(pf) && (isNic(pf) || named.has(pf)));
};

/** What changes while drivers load and cards come. */
const movingParts = ({ physicalFunctions }: Inventory): string =>
  JSON.stringify(
    physicalFunctions.map(({ address, driver, netdevs }) => [
      address,
      driver,
      netdevs.map(({ name }) => name),
    ]),
  );

/** Those of one PF, or all. */
function adaptersOf(spec: Spec, inventory: Inventory, pf: Address | null): readonly AdapterSpec[] {
  if (pf === null) return spec.adapters;
  const { matched } = matchPfs(spec, inventory);
  const here = matched.filter((match) => match.pf.address === pf);
  return [...new Set(here.map(({ adapter }) => adapter))];
}

export type AwaitOptions = {
  readonly pf: Address | null;
  readonly timeoutMs: number;
  /** Whether nobody is at work on new devices: what is not there then may never come. */
  readonly isIdle: () => boolean;
};

/**
 * The adapters of `spec` once their PFs are there, or when the time is over, or when for a while
 * nobody was at work on devices and no PF changed. With `pf`, only the adapter that it is on: none
 * where no spec is about it.
 */
export async function awaitPfs(
  host: Host,
  spec: Spec,
  { pf, timeoutMs, isIdle }: AwaitOptions,
): Promise<AwaitedAdapters> {
  const startedAt = host.now();
  let seen = "";
  let quietSince = startedAt;
  for (;;) {
    // Asked before the inventory: what is at work in between shows in the next one.
    const wasIdle = isIdle();
    const inventory = await host.inventory({ ...fullInventory, census: false });
    const adapters = adaptersOf(spec, inventory, pf);
    const own = inventory.physicalFunctions.find(({ address }) => address === pf);
    const isSettled = pf === null || own === undefined || isReady(own);
    const whole = isWhole({ ...spec, adapters }, inventory);
    if (isSettled && whole) return { adapters, isWhole: true };
    const now = host.now();
    const parts = movingParts(inventory);
    if (!wasIdle || parts !== seen || isComing(spec, inventory)) quietSince = now;
    seen = parts;
    const isOver = now - startedAt >= timeoutMs || now - quietSince >= quietMs;
    if (isOver) return { adapters, isWhole: false };
    await host.sleep(pollMs);
  }
}
