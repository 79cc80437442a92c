// What the next boot would bring: the plan of the spec for this host as a boot leaves it. A boot takes
// every VF, its policy and what was set on its PF, and nobody uses anything yet when the specs are
// applied early. What speaks against it then (a PF that is gone, more VFs than fit) can be seen today.

import type { Action } from "../model/action.ts";
import type { Address } from "../model/bdf.ts";
import type { Inventory, Pf } from "../model/inventory.ts";
import type { PlanProblem } from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import { matchPfs } from "./match.ts";
import { plan } from "./plan.ts";

type BootedPf = {
  /** Its label in the spec. */
  readonly name: string;
  readonly address: Address;
  readonly numVfs: number;
  /** VFs by what they end on: `none`, `kernel` or a driver's name. */
  readonly drivers: readonly { readonly driver: string; readonly numVfs: number }[];
  /** Whether the kernel's driver sees the VFs before their policy and binding. */
  readonly isProbed: boolean;
};

export type BootPrediction = {
  readonly physicalFunctions: readonly BootedPf[];
  /** Each keeps its adapter, or everything where `adapter` is null, as the boot left it. */
  readonly problems: readonly PlanProblem[];
};

const bootedPf = (pf: Pf): Pf => ({
  ...pf,
  numVfs: 0,
  totalVfs: pf.firmwareVfs?.nextBoot ?? pf.totalVfs,
  isChanging: false,
  virtualFunctions: [],
  owners: [],
  driversAutoprobe: pf.driversAutoprobe === null ? null : true,
  eswitchMode: pf.eswitchMode === null ? null : "legacy",
});

const bootedInventory = (inventory: Inventory): Inventory => ({
  ...inventory,
  physicalFunctions: inventory.physicalFunctions.map(bootedPf),
});

function driversOf(
  actions: readonly Action[],
  { numVfs, isProbed }: Pick<BootedPf, "numVfs" | "isProbed">,
): BootedPf["drivers"] {
  const counts = new Map<string, number>();
  const bound = new Set<number>();
  for (const { change } of actions) {
    if (change.kind !== "bind-driver" || bound.has(change.vfIndex)) continue;
    bound.add(change.vfIndex);
    const { driver } = change;
    const words = typeof driver === "string" ? driver : driver.name;
    counts.set(words, (counts.get(words) ?? 0) + 1);
  }
  const rest = isProbed ? "kernel" : "none";
  const numRest = numVfs - bound.size;
  if (numRest > 0) counts.set(rest, (counts.get(rest) ?? 0) + numRest);
  return [...counts].map(([driver, count]) => ({ driver, numVfs: count }));
}

export function predictBoot(spec: Spec, inventory: Inventory): BootPrediction {
  const booted = bootedInventory(inventory);
  const { actions, problems } = plan({ spec, inventory: booted, consent: [] });
  const byPf = Map.groupBy(actions, ({ change }) => ("pf" in change ? change.pf : null));
  const physicalFunctions = matchPfs(spec, booted).matched.map(
    ({ pf, spec: { name } }): BootedPf => {
      const own = byPf.get(pf.address) ?? [];
      const creation = own.find(({ change }) => change.kind === "create-vfs");
      const numVfs = creation?.change.kind === "create-vfs" ? creation.change.numVfs : 0;
      const isSwitchedOff = own.some(
        ({ change }) => change.kind === "set-autoprobe" && !change.isOn,
      );
      const { address } = pf;
      const isProbed = numVfs > 0 && !isSwitchedOff;
      const drivers = driversOf(own, { numVfs, isProbed });
      return { name, address, numVfs, drivers, isProbed };
    },
  );
  return { physicalFunctions, problems };
}
