// A machine that is as a host is: what an inventory and the facts beside it say, as state, so that a
// plan can be rehearsed on it. It takes over what the host has (groups, BARs, bindings, policy,
// users) instead of working it out again; what nobody could read is a doubt that is told.

import type { Address } from "../../model/bdf.ts";
import { slotOf } from "../../model/bdf.ts";
import type { HostFacts, PciFunctionFacts } from "../../model/host-facts.ts";
import type { Bridge, Inventory, Netdev, Pf, Vf } from "../../model/inventory.ts";
import { decodeFunction } from "../../pci/decode-function.ts";
import { findCapability } from "../../pci/function-config.ts";
import { acsMissing, acsRegistersOf } from "../../pci/isolation.ts";
import type { Machine } from "./machine.ts";
import { machineOf } from "./machine.ts";
import { pfDriverOf } from "./drivers.ts";
import type { NetdevProfile, PortKind } from "./profile.ts";
import type {
  GuestState,
  MachineState,
  NetdevState,
  PfState,
  PortState,
  VfState,
} from "./state.ts";
import { stateFormat } from "./state.ts";
import { twinCard, vfBarPlaces, vfModules } from "./twin-card.ts";

type Twin = {
  readonly machine: Machine;
  /** PFs whose driver's habits are not known: what happens to them cannot be foretold. */
  readonly strangers: readonly { readonly pf: Address; readonly driver: string | null }[];
  /** What could not be read, in words. */
  readonly doubts: readonly string[];
};

type Sources = {
  readonly inventory: Inventory;
  readonly functions: ReadonlyMap<Address, PciFunctionFacts>;
  readonly doubts: string[];
};

/** Both of the same moment; the inventory is a full one, in detail of the PFs that matter. */
export function twinOf(inventory: Inventory, facts: HostFacts): Twin {
  const functions = new Map(facts.functions.map((each) => [each.address, each]));
  const sources: Sources = { inventory, functions, doubts: [] };
  const pfs = inventory.physicalFunctions.map((pf) => pfState(pf, sources));
  const state: MachineState = { core: coreState(sources), pfs };
  const strangers = inventory.physicalFunctions
    .filter(({ driver }) => pfDriverOf(driver) === null)
    .map(({ address: pf, driver }) => ({ pf, driver }));
  return { machine: machineOf(state), strangers, doubts: sources.doubts };
}

function coreState(sources: Sources): MachineState["core"] {
  const { host, physicalFunctions, bridges, loadedDrivers } = sources.inventory;
  const netdevs = physicalFunctions.flatMap(({ netdevs, virtualFunctions }) => [
    ...netdevs,
    ...virtualFunctions.flatMap((vf) => vf.netdevs),
  ]);
  const groups = [...physicalFunctions, ...bridges].map(({ iommuGroup }) => iommuGroup);
  return {
    format: stateFormat,
    name: "twin",
    about: `a twin of ${host.name}`,
    kernelRelease: host.kernelRelease ?? "unknown",
    machineId: host.machineId ?? "",
    bootId: host.bootId ?? "",
    // The slower of the two: kernels do not say which one they have.
    lockModel: "global",
    hasIommu: groups.some((group) => group !== null),
    naming: "systemd",
    loadedDrivers: [...loadedDrivers],
    loadableModules: ["vfio-pci", ...vfModules],
    dynamicIds: [],
    clockMs: 0,
    nextOperationId: 1,
    nextIfindex: 1 + Math.max(1, ...netdevs.map(({ ifindex }) => ifindex ?? 0)),
    macSeed: 1,
    ports: bridges.flatMap((bridge) => portState(bridge, sources)),
    guests: guestsOf(physicalFunctions),
    operations: [],
    locks: {},
    faults: [],
    log: [],
    uevents: [],
  };
}

/** The port above each function of a path, from the function up. */
function portAbove(inventory: Inventory, address: Address): Address | null {
  for (const { path } of inventory.physicalFunctions) {
    const at = path.indexOf(address);
    if (at !== -1) return path[at + 1] ?? null;
  }
  return null;
}

const portKinds: Readonly<Record<number, PortKind>> = {
  4: "root-port",
  5: "upstream-port",
  6: "downstream-port",
};

/** Only ports that PFs stand below matter. */
function portState(bridge: Bridge, { inventory, functions, doubts }: Sources): PortState[] {
  const { address, secondaryBus, subordinateBus, iommuGroup } = bridge;
  if (!inventory.physicalFunctions.some(({ path }) => path.includes(address))) return [];
  const below = portAbove(inventory, address);
  const config = decodeFunction(functions.get(address)?.config ?? new Uint8Array());
  const pcie = findCapability(config, "pcie");
  if (pcie === null) {
    doubts.push(`port ${address}: its config space was not read; taken as one with ARI and ACS`);
  }
  const acs = acsRegistersOf(config);
  return [
    {
      address,
      kind: portKinds[pcie?.portType ?? -1] ?? (below === null ? "root-port" : "downstream-port"),
      below,
      secondaryBus: secondaryBus ?? 0,
      subordinateBus: subordinateBus ?? 0xff,
      hasAcs: pcie === null || (acs !== null && acsMissing(acs) === 0),
      forwardsAri: pcie?.device2?.control.ariForwarding ?? true,
      group: iommuGroup,
      windowBase: 0,
      windowBytes: 0,
    },
  ];
}

function pfState(pf: Pf, { inventory, functions, doubts }: Sources): PfState {
  const slot = slotOf(pf.address);
  const siblings = inventory.physicalFunctions.filter(({ address }) => slotOf(address) === slot);
  const [netdev] = pf.netdevs;
  const facts = functions.get(pf.address) ?? null;
  const places = vfBarPlaces(facts);
  if (places === null) {
    doubts.push(`PF ${pf.address}: the memory of its VFs was not read; taken as enough`);
  }
  return {
    address: pf.address,
    below: pf.path[0] ?? null,
    card: twinCard(pf, places ?? []),
    serial: pf.serial,
    numaNode: pf.numaNode,
    isMultifunction: siblings.length > 1,
    group: pf.iommuGroup,
    driver: pf.driver,
    override: pf.driverOverride,
    isPresent: true,
    vfEnable: pf.numVfs > 0,
    numVfsRegister: pf.numVfs,
    ariHierarchy: true,
    barBase: 0,
    vfBarBases: places === null ? [] : places.map(({ bar, base }) => ({ bar, base })),
    autoprobe: pf.driversAutoprobe ?? true,
    eswitchMode: pf.eswitchMode,
    port: netdev === undefined ? null : socketOf(pf, netdev),
    netdev: netdev === undefined ? null : netdevState(netdev),
    vfs: vfStates(pf),
    users: pf.owners,
  };
}

const socketOf = ({ permanentMac }: Pf, netdev: Netdev): NetdevProfile => ({
  name: netdev.name,
  mac: permanentMac ?? netdev.mac ?? "00:00:00:00:00:00",
  isUp: netdev.isUp === true,
  // A netdev that is down does not know.
  hasCable: netdev.isUp === true ? netdev.hasLink !== false : true,
  ...(netdev.mtu === null ? {} : { mtu: netdev.mtu }),
  ...(netdev.portName === null ? {} : { portName: netdev.portName }),
});

const netdevState = ({ altNames, ...netdev }: Netdev): NetdevState => ({
  name: netdev.name,
  ...(altNames === undefined ? {} : { altNames: [...altNames] }),
  ifindex: netdev.ifindex ?? 0,
  mac: netdev.mac ?? "00:00:00:00:00:00",
  permanentMac: netdev.permanentMac ?? netdev.mac ?? "00:00:00:00:00:00",
  mtu: netdev.mtu ?? 1500,
  isUp: netdev.isUp === true,
  linkUpAtMs: 0,
});

function vfStates({ virtualFunctions }: Pf): (VfState | null)[] {
  const states: (VfState | null)[] = [];
  for (const vf of virtualFunctions) {
    while (states.length < vf.vfIndex) states.push(null);
    states[vf.vfIndex] = vfState(vf);
  }
  return states;
}

function vfState(vf: Vf): VfState {
  const [netdev] = vf.netdevs;
  return {
    users: vf.owners,
    ...(vf.iommuGroup === null ? {} : { group: vf.iommuGroup }),
    ...(vf.driver === null ? {} : { driver: vf.driver }),
    ...(vf.driverOverride === null ? {} : { override: vf.driverOverride }),
    ...(netdev === undefined ? {} : { netdev: netdevState(netdev) }),
    ...(vf.policy === null ? {} : { policy: vf.policy }),
    ...(vf.msixCount === null ? {} : { msixCount: vf.msixCount }),
  };
}

/** Whoever holds a VF through vfio makes its removal wait, whatever kind of user it is. */
function guestsOf(pfs: readonly Pf[]): GuestState[] {
  const guests = new Map<string, GuestState>();
  for (const { virtualFunctions } of pfs) {
    for (const { address, driver, owners } of virtualFunctions) {
      const [holder] = driver === "vfio-pci" ? owners : [];
      if (holder === undefined) continue;
      const { name, pid } = holder;
      const guest = guests.get(`${name} ${pid}`) ?? { name, pid: pid ?? 0, holds: [] };
      guest.holds.push(address);
      guests.set(`${name} ${pid}`, guest);
    }
  }
  return [...guests.values()];
}
