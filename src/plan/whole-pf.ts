// A complete device for one VM, as before SR-IOV: the PF itself goes to vfio-pci and is plugged in. Whoever
// uses the PF must have been named, whoever uses a VF of it or of its IOMMU group is told and nothing is done,
// and what it gives up against VFs is said.

import { formatAssignTarget } from "../model/assign-target.ts";
import type { Action, Change } from "../model/action.ts";
import { vfTarget } from "../model/bdf.ts";
import type { Inventory, Pf } from "../model/inventory.ts";
import type { Consent, Plan, PlanProblem } from "../model/plan.ts";
import type { Plug } from "../model/plug.ts";
import { choiceOf } from "./binding.ts";
import { consentWord, disruptionsOf } from "./disruption.ts";
import { inverseOf } from "./pf-diff.ts";

type Raw = Omit<Action, "id">;

type WholeInput = {
  readonly inventory: Inventory;
  readonly pf: Pf;
  readonly plug: Plug;
  readonly consent: Consent;
  /** Of its VFs: who has each leased. */
  readonly leased: readonly { readonly vfIndex: number; readonly holder: string }[];
};

const vfio = "vfio-pci";

/** drivers/vfio/group.c: drivers that leave DMA to the user, or do none. */
const leavesGroupViable = (driver: string): boolean =>
  driver === "pci-stub" || driver === "pcieport" || driver.includes("vfio");

/** A netdev comes back as the driver makes it, not as it was. */
function inverseOfBinding(pf: Pf): Change[] {
  const { address, netdevs } = pf;
  const [netdev] = netdevs;
  const mtu = netdev?.mtu ?? null;
  return [
    { kind: "bind-pf", pf: address, driver: choiceOf(pf) },
    ...(mtu === null ? [] : [{ kind: "set-mtu", pf: address, mtu } as const]),
    ...(netdev?.isUp === true
      ? [{ kind: "set-admin-state", pf: address, isUp: true } as const]
      : []),
  ];
}

function actionOf(change: Change, pf: Pf, because: string): Raw {
  const { address } = pf;
  const inverse = change.kind === "bind-pf" ? inverseOfBinding(pf) : inverseOf(change, pf);
  // VFs are asked for one by one: `vfProblems`.
  const disrupts = disruptionsOf(change, { ...pf, virtualFunctions: [] });
  const action = { change, target: address, adapter: address, because, disrupts, inverse };
  if (change.kind !== "remove-vfs") return action;
  const removes = pf.virtualFunctions.map(({ vfIndex }) => vfTarget(address, vfIndex));
  return { ...action, removes };
}

const numbered = (actions: readonly Raw[]): Action[] =>
  actions.map((action, index) => ({ ...action, id: `a${index + 1}` }));

const noPlan = { warnings: [], unverifiable: [], losses: [] };

/** Everybody who uses a VF, or is to. Their consent would not help: the VF does not come back. */
function vfProblems({ pf, leased }: WholeInput, start: string): PlanProblem[] {
  const { address, virtualFunctions } = pf;
  return virtualFunctions.flatMap(({ vfIndex, owners }) => {
    const where = vfTarget(address, vfIndex);
    const used = owners.map((user) => `${consentWord(user)} uses VF ${vfIndex}: ${user.evidence}`);
    const holders = leased.filter((lease) => lease.vfIndex === vfIndex && owners.length === 0);
    const whys = [...used, ...holders.map(({ holder }) => `VF ${vfIndex} is leased to ${holder}`)];
    const hint = "Have it let go of the VF first, or give this VM a VF, too";
    const rest = { code: "would-disrupt", where, hint, adapter: address };
    return whys.map((why) => ({ ...rest, message: `${start}: ${why}` }));
  });
}

function groupProblems({ inventory, pf }: WholeInput, start: string): PlanProblem[] {
  const { address: where, iommuGroup } = pf;
  const rest = { where, adapter: where };
  if (iommuGroup === null) {
    const hint = "See sriovctl doctor: the IOMMU is off in the firmware or on the command line";
    return [
      { ...rest, code: "group-not-viable", message: `${start}: it has no IOMMU group`, hint },
    ];
  }
  const own = new Set(pf.virtualFunctions.map(({ address }) => address));
  const functions = inventory.physicalFunctions.flatMap((one) => [one, ...one.virtualFunctions]);
  const others = functions.filter(
    ({ address, driver, iommuGroup: group }) =>
      group === iommuGroup &&
      address !== where &&
      !own.has(address) &&
      driver !== null &&
      !leavesGroupViable(driver),
  );
  if (others.length === 0) return [];
  const names = others.map(({ address, driver }) => `${address} (${driver})`).join(", ");
  const message = `${start}: it shares IOMMU group ${iommuGroup} with ${names}, which the host uses`;
  const hint = "All functions of a group go together; see sriovctl doctor on ACS";
  return [{ ...rest, code: "group-not-viable", message, hint }];
}

function userProblems(actions: readonly Raw[], consent: Consent, start: string): PlanProblem[] {
  const problems = new Map<string, PlanProblem>();
  for (const user of actions.flatMap(({ disrupts }) => disrupts)) {
    const word = consentWord(user);
    if (consent.includes(word)) continue;
    problems.set(word, {
      code: "would-disrupt",
      where: user.target,
      message: `${start}: ${word} uses it: ${user.evidence}`,
      hint: `To do it anyway: --allow-disruption ${word}`,
      adapter: user.target,
    });
  }
  return [...problems.values()];
}

/** What a VF would not cost, as sentences. */
export function givenUpWith({
  inventory: { physicalFunctions },
  pf,
}: Pick<WholeInput, "inventory" | "pf">) {
  const { address, adapter, totalVfs, netdevs } = pf;
  const names = netdevs.map(({ name }) => name).join(", ");
  const sisters = physicalFunctions.filter((one) => one.adapter === adapter && one !== pf);
  const shared = sisters.map((one) => one.address).join(", ");
  return [
    `no VFs of ${address} for anybody while it is away, of ${totalVfs ?? 0} that it can have`,
    ...(names === "" ? [] : [`the host loses ${names}, with its addresses, routes and uppers`]),
    "nobody polices MAC, VLAN, spoof check or rate: the guest sets what it likes",
    "the guest can change the card's firmware and settings, which outlive it",
    ...(shared === "" ? [] : [`that is the card of ${shared} too`]),
  ];
}

export function planWhole(input: WholeInput): Plan {
  const { inventory, pf, plug, consent } = input;
  const { address } = pf;
  const to = formatAssignTarget(plug.consumer);
  const start = `Cannot give all of ${address} to ${to}`;
  const isLoaded = inventory.loadedDrivers.some((name) => name.replaceAll("_", "-") === vfio);
  const load: Raw = {
    change: { kind: "load-module", module: vfio },
    target: "host",
    adapter: null,
    because: `${address} goes to driver ${vfio}, which is not loaded`,
    disrupts: [],
    inverse: [],
  };
  const own: Raw[] = [
    ...(pf.numVfs === 0
      ? []
      : [actionOf({ kind: "remove-vfs", pf: address }, pf, `${to} gets the device without VFs`)]),
    actionOf({ kind: "bind-pf", pf: address, driver: vfio }, pf, `${to} drives it itself`),
    actionOf({ kind: "attach-pf", pf: address, plug }, { ...pf, owners: [] }, "asked for"),
  ];
  const changing: PlanProblem[] = pf.isChanging
    ? [
        {
          code: "pf-changing",
          where: address,
          message: `${start}: a change of its VF count is still in flight`,
          hint: "Wait for it, or see sriovctl recover",
          adapter: address,
        },
      ]
    : [];
  const problems = [
    ...changing,
    ...vfProblems(input, start),
    ...groupProblems(input, start),
    ...userProblems(own, consent, start),
  ];
  return { ...noPlan, actions: numbered(isLoaded ? own : [load, ...own]), problems };
}

/** Out of the VM, and on the kernel's driver again. */
export function planWholeBack({
  pf,
  plug,
  consent,
}: Pick<WholeInput, "pf" | "plug" | "consent">): Plan {
  const { address } = pf;
  const to = formatAssignTarget(plug.consumer);
  const detach: Change = { kind: "detach-pf", pf: address, plug };
  const bind: Change = { kind: "bind-pf", pf: address, driver: "kernel" };
  const own = [
    actionOf(detach, pf, "asked for"),
    actionOf(bind, { ...pf, owners: [] }, "the host has it again"),
  ];
  const problems = userProblems(own, consent, `Cannot take ${address} from ${to}`);
  return { ...noPlan, actions: numbered(own), problems };
}
