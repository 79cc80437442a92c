// What one seed of the simulation means: a machine with VFs and guests on it, a spec, consent for
// some of those whom it would hit, and faults. Only what a driver can take is asked for, most of
// the time: refusals at plan time are the planner's tests, here the plan has to run.

import { cardOf, type CardName } from "../../src/host/emulated/cards.ts";
import type { Fault, FaultEffect } from "../../src/host/emulated/faults.ts";
import type { HostRequest } from "../../src/host/host.ts";
import { formatBdf, parseBdf, vfTarget, type Address } from "../../src/model/bdf.ts";
import { pfAddress, type MachinePlan, type PfPlan } from "./machines.ts";
import type { Random } from "./random.ts";
import type { PfKeys, SpecKeys, VfKeys } from "./specs.ts";

export type Scenario = {
  readonly machine: MachinePlan;
  /** Requests that make the machine's past: policy and autoprobe that somebody set. */
  readonly past: readonly HostRequest[];
  readonly spec: SpecKeys;
  /** VFs in their events are named as targets (`BDF/vfN`), because who opens which is decided
   * before the machine is there. */
  readonly faults: readonly Fault[];
  /** PF and index of a VF that the guest `idle` opens when the plan was checked and before its
   * first action. */
  readonly lateGuest: readonly [number, number] | null;
  /** Consent to everything that planning asks consent for. */
  readonly consents: boolean;
  readonly keepGoing: boolean;
};

type CardHabits = {
  readonly card: CardName;
  readonly vfDriver: string | null;
  readonly policies: readonly ((random: Random) => VfKeys)[];
};

const mac = (random: Random): VfKeys => ({
  mac: `02:00:00:00:${random.below(90) + 10}:${random.below(90) + 10}`,
});
const vlan = (random: Random): VfKeys => ({
  vlan: random.pick<string | number>(["none", 1 + random.below(4094)]),
});
const vlanWithQos = (random: Random): VfKeys => ({
  vlan: { id: 1 + random.below(4094), qos: random.below(8) },
});
const spoofCheck = (random: Random): VfKeys => ({ spoofCheck: random.chance(0.5) });
const trust = (random: Random): VfKeys => ({ trust: random.chance(0.5) });
const linkState = (random: Random): VfKeys => ({
  linkState: random.pick(["auto", "enable", "disable"]),
});
const rate = (random: Random): VfKeys => ({ rate: { max: `${50 * (1 + random.below(8))}Mbit` } });
const minRate = (random: Random): VfKeys => ({
  rate: { min: `${50 * (1 + random.below(4))}Mbit`, max: `${300 + 50 * random.below(8)}Mbit` },
});
const autoMac = (): VfKeys => ({ mac: "auto" });

const everywhere = [mac, autoMac, vlan, vlanWithQos, spoofCheck, trust];

const nvme: CardHabits = { card: "qemu-nvme", vfDriver: null, policies: [] };

const cards: readonly [CardHabits, ...CardHabits[]] = [
  { card: "intel-82576", vfDriver: "igbvf", policies: [...everywhere, rate] },
  { card: "intel-82599", vfDriver: "ixgbevf", policies: [...everywhere, rate] },
  { card: "intel-xl710", vfDriver: "iavf", policies: [...everywhere, linkState, rate] },
  { card: "intel-e810-2x25", vfDriver: "iavf", policies: [...everywhere, linkState, minRate] },
  { card: "mellanox-connectx6", vfDriver: "mlx5_core", policies: [...everywhere, linkState] },
  nvme,
];

const mostVfs = 4;

function pfPlan(random: Random, { card, vfDriver }: CardHabits): PfPlan {
  const numVfs = random.below(mostVfs + 1);
  const vfDrivers: Record<number, string> = {};
  for (let vfIndex = 0; vfIndex < numVfs; vfIndex++) {
    const driver = random.pick(["vfio-pci", vfDriver ?? "vfio-pci", null]);
    if (driver !== null) vfDrivers[vfIndex] = driver;
  }
  return {
    card,
    numVfs,
    vfDrivers,
    isUp: random.chance(0.9),
    hasNetdev: card !== nvme.card,
    ...(random.chance(0.1) ? { upper: "br0" } : {}),
  };
}

/** Guests that hold VFs which are on vfio-pci, at most one VF each. */
function guestsOf(random: Random, pfs: readonly PfPlan[]) {
  const held = pfs.flatMap(({ vfDrivers = {} }, pf) =>
    Object.entries(vfDrivers)
      .filter(([, driver]) => driver === "vfio-pci" && random.chance(0.25))
      .map(([vfIndex]) => [pf, Number(vfIndex)] as const),
  );
  const idle = { name: "idle", holds: [] };
  return [idle, ...held.map((vf, index) => ({ name: `vm${index}`, holds: [vf] }))];
}

function vfKeys(random: Random, { vfDriver, policies }: CardHabits): VfKeys {
  const kernel = vfDriver === null ? "none" : "kernel";
  const driver = random.pick<VfKeys>([
    {},
    { driver: "vfio-pci" },
    { driver: kernel },
    { driver: "none" },
  ]);
  const chosen = policies.filter(() => random.chance(0.25)).map((policy) => policy(random));
  return Object.assign({}, driver, ...chosen);
}

function pfKeys(random: Random, plan: PfPlan, habits: CardHabits): PfKeys | null {
  if (random.chance(0.1)) return null;
  const leavesCount = random.chance(0.3);
  const numVfs = leavesCount ? (plan.numVfs ?? 0) : random.below(mostVfs + 1);
  const vfs: Record<string, VfKeys> = {};
  for (let vfIndex = 0; vfIndex < numVfs; vfIndex++) {
    const keys = random.chance(0.6) ? vfKeys(random, habits) : {};
    if (Object.keys(keys).length > 0) vfs[vfIndex] = keys;
  }
  const isSwitched = habits.card === "intel-e810-2x25" && random.chance(0.1);
  return {
    ...(leavesCount ? {} : { numVfs }),
    ...(plan.hasNetdev === true && random.chance(0.9) ? { adminState: "up" } : {}),
    ...(plan.hasNetdev === true && random.chance(0.2) ? { mtu: random.pick([1500, 9000]) } : {}),
    ...(isSwitched ? { eswitchMode: "switchdev", vfs: {} } : { vfs }),
  };
}

type Verb = Fault["on"]["verb"];

const errnos = ["EBUSY", "EINVAL", "EOPNOTSUPP", "EPERM", "ENOMEM", "EIO"] as const;

function faultOf(random: Random, numPfs: number): Fault {
  const target = pfAddress(random.below(numPfs));
  const anyVfs = [random.below(mostVfs)];
  const skip = random.below(4);
  const on = (verb: Verb): Fault["on"] => ({ verb, skip });
  const refuse: FaultEffect = { kind: "refuse", errno: random.pick(errnos) };
  const verbs = ["setNumVfs", "setVf", "probe", "unbind", "setDriverOverride"] as const;
  const opens: FaultEffect = {
    kind: "event",
    event: { event: "guest-opens", guest: "idle", vf: vfTarget(target, random.below(mostVfs)) },
  };
  const shortly: FaultEffect = { kind: "short-count", numVfs: random.below(mostVfs) };
  return random.pick<Fault>([
    { on: on(random.pick(verbs)), effect: refuse },
    { on: on(random.pick(verbs)), effect: refuse },
    { on: { verb: "setNumVfs", target, skip }, effect: refuse },
    { on: { verb: "setNumVfs", target, skip: random.below(2) }, effect: shortly },
    { on: on("setNumVfs"), effect: { kind: "no-netdev", vfIndexes: anyVfs } },
    { on: on("probe"), effect: { kind: "probe-fails", vfIndexes: anyVfs } },
    { on: on("setNumVfs"), effect: { kind: "slow-probe", vfIndexes: anyVfs, delayMs: 5_000 } },
    { on: on(random.pick(verbs)), effect: opens },
    { on: { verb: "setNumVfs", target }, effect: { kind: "hang" } },
    { on: on("setMtu"), effect: refuse },
    { on: on("setDriversAutoprobe"), effect: refuse },
    {
      on: on("setVf"),
      effect: { kind: "event", event: { event: "netdev-renamed", pf: target, name: "other0" } },
    },
  ]);
}

/** A VF that a guest may open at any moment, if there is one. */
function openable(random: Random, pfs: readonly PfPlan[]): readonly [number, number] | null {
  const [first, ...rest] = pfs.flatMap(({ vfDrivers = {} }, pf) =>
    Object.entries(vfDrivers)
      .filter(([, driver]) => driver === "vfio-pci")
      .map(([vfIndex]) => [pf, Number(vfIndex)] as const),
  );
  return first === undefined ? null : random.pick([first, ...rest]);
}

/** On another bus than the PF's, or without ARI, VFs are elsewhere: not on these machines. */
function vfAddress(pfIndex: number, card: CardName, vfIndex: number): Address {
  const [{ firstVfOffset, vfStride } = { firstVfOffset: 0, vfStride: 0 }] = cardOf(card).placements;
  const pf = parseBdf(pfAddress(pfIndex)) ?? { domain: 0, routingId: 0 };
  return formatBdf({ ...pf, routingId: pf.routingId + firstVfOffset + vfIndex * vfStride });
}

function pastOf(random: Random, pfs: readonly PfPlan[]): HostRequest[] {
  return pfs.flatMap(({ card, numVfs = 0, hasNetdev, isUp, vfDrivers = {} }, index) => {
    const pf = pfAddress(index);
    const requests: HostRequest[] = [];
    if (random.chance(0.1)) requests.push({ verb: "setDriversAutoprobe", pf, isOn: false });
    if (hasNetdev !== true || isUp !== true) return requests;
    for (let vfIndex = 0; vfIndex < numVfs; vfIndex++) {
      const isIdle = vfDrivers[vfIndex] === undefined && random.chance(0.5);
      const address = vfAddress(index, card, vfIndex);
      if (isIdle) requests.push({ verb: "unbind", address });
      if (isIdle && cardOf(card).vfTotalMsix > 0) {
        requests.push({ verb: "setMsixCount", address, msixCount: 2 + random.below(30) });
      }
      if (!random.chance(0.4)) continue;
      const attribute = random.pick<Extract<HostRequest, { verb: "setVf" }>["attribute"]>([
        { name: "vlan", vlan: { id: 100 + vfIndex, qos: 0, protocol: "802.1q" } },
        { name: "mac", mac: `02:11:00:00:00:0${vfIndex}` },
        { name: "trust", isOn: true },
      ]);
      requests.push({ verb: "setVf", pf, vfIndex, attribute });
    }
    return requests;
  });
}

export function scenarioOf(random: Random): Scenario {
  const habits = Array.from({ length: 1 + random.below(3) }, () => random.pick(cards));
  const pfs = habits.map((habit) => pfPlan(random, habit));
  const isVfioUsed = pfs.some(({ vfDrivers = {} }) =>
    Object.values(vfDrivers).includes("vfio-pci"),
  );
  const faults = random.chance(0.5) ? [] : [faultOf(random, pfs.length)];
  if (random.chance(0.2)) faults.push(faultOf(random, pfs.length));
  // The kernel's driver takes no VF of an NVMe device: they are offline.
  const kernel = habits.includes(nvme) ? "none" : "kernel";
  return {
    machine: {
      pfs,
      guests: guestsOf(random, pfs),
      isVfioLoaded: isVfioUsed || random.chance(0.5),
      lockModel: random.pick(["per-pf", "global"]),
    },
    past: pastOf(random, pfs),
    spec: {
      ...(random.chance(0.5) ? {} : { unassigned: random.pick([kernel, "vfio-pci"]) }),
      pfs: pfs.map((pf, index) => pfKeys(random, pf, habits[index] ?? nvme)),
    },
    faults,
    lateGuest: random.chance(0.15) ? openable(random, pfs) : null,
    consents: random.chance(0.4),
    keepGoing: random.chance(0.2),
  };
}
