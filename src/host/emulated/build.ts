// From a profile to a machine that has just booted: windows and VF BARs given out, ARI and ACS
// switched on, drivers bound, groups formed in the order in which Linux finds functions, then the
// VFs and guests that the profile says are there already.

import { createHash, randomUUID } from "node:crypto";
import { compareAddresses, slotOf } from "../../model/bdf.ts";
import { assert } from "../../model/assert.ts";
import { cardOf } from "./cards.ts";
import type { Machine } from "./machine.ts";
import { addressOfVf, findPf, joinGroup, machineOf } from "./machine.ts";
import type { FunctionProfile, Profile } from "./profile.ts";
import type { MachineState, PfState, PortState } from "./state.ts";
import { stateFormat } from "./state.ts";
import { createVf, finishPfProbe, finishVfProbe, isLoaded } from "./vf-life.ts";

/** Where 64-bit windows start: above any memory. */
const firstWindowBase = 0x3800_0000_0000;

export function buildMachine(profile: Profile): Machine {
  const machine = machineOf(bareState(profile));
  placeBars(machine.state);
  formGroups(machine);
  for (const plan of profile.functions) {
    if (plan.isBound === false) continue;
    const pf = findPf(machine, plan.address);
    if (pf !== null) finishPfProbe(machine, pf, cardOf(plan.card).driver);
  }
  // Booting took longer than a carrier.
  for (const { netdev } of machine.state.pfs) if (netdev !== null) netdev.linkUpAtMs = 0;
  for (const plan of profile.functions) createFirstVfs(machine, plan);
  for (const guest of profile.guests) {
    const holds = guest.holds.map(({ pf: address, vfIndex }) => {
      const pf = findPf(machine, address);
      assert(pf?.vfs[vfIndex]?.driver === "vfio-pci", `VF ${vfIndex} of ${address} is for guests`);
      return addressOfVf(machine, pf, vfIndex);
    });
    const { name, pid, keepsDevices, standIns } = guest;
    const keeps = keepsDevices === true ? { keepsDevices } : {};
    const own = standIns === undefined ? {} : { standIns: [...standIns] };
    machine.state.core.guests.push({ name, pid, holds, ...keeps, ...own });
  }
  return machine;
}

function bareState(profile: Profile): MachineState {
  const { name, about, kernelRelease, lockModel, hasIommu, naming, cpusPerNode } = profile;
  return {
    core: {
      format: stateFormat,
      name,
      about,
      kernelRelease,
      machineId: createHash("sha256").update(`emulated:${name}`).digest("hex").slice(0, 32),
      bootId: randomUUID(),
      lockModel,
      hasIommu,
      naming,
      ...(cpusPerNode === undefined ? {} : { cpusPerNode }),
      loadedDrivers: [...profile.loadedDrivers],
      loadableModules: [...profile.loadableModules],
      dynamicIds: [],
      clockMs: 0,
      nextOperationId: 1,
      nextIfindex: 2,
      macSeed: 1,
      ports: profile.ports.map((port) => ({ ...port, group: null, windowBase: 0 })),
      guests: [],
      namespaces: [...(profile.namespaces ?? [])],
      operations: [],
      locks: {},
      faults: [],
      log: [],
      uevents: [],
    },
    pfs: profile.functions
      .toSorted((left, right) => compareAddresses(left.address, right.address))
      .map((plan) => barePf(plan, profile)),
  };
}

function barePf(plan: FunctionProfile, { functions }: Profile): PfState {
  const slot = slotOf(plan.address);
  return {
    address: plan.address,
    below: plan.below,
    card: plan.card,
    serial: plan.serial,
    numaNode: plan.numaNode,
    isMultifunction: functions.filter(({ address }) => slotOf(address) === slot).length > 1,
    group: null,
    driver: null,
    override: null,
    isPresent: true,
    vfEnable: false,
    numVfsRegister: 0,
    ariHierarchy: false,
    barBase: 0,
    vfBarBases: cardOf(plan.card).vfBars.map((bar) => ({ bar: { ...bar }, base: null })),
    autoprobe: true,
    eswitchMode: null,
    port: plan.netdev,
    netdev: null,
    vfs: [],
  };
}

const alignUp = (value: number, alignment: number): number =>
  Math.ceil(value / alignment) * alignment;

/**
 * Gives addresses to BARs from the window of the root port above: what PFs need first, then VF
 * BARs (Linux drivers/pci/setup-bus.c calls them optional), which stay without where nothing is
 * left.
 */
function placeBars({ core, pfs }: MachineState): void {
  const rootOf = (address: string | null): PortState | null => {
    const port = core.ports.find((each) => each.address === address) ?? null;
    return port === null || port.below === null ? port : rootOf(port.below);
  };
  let base = firstWindowBase;
  const windows: { port: PortState | null; next: number; end: number }[] = [];
  for (const port of [...core.ports.filter(({ below }) => below === null), null]) {
    const bytes = port?.windowBytes ?? integratedWindowBytes;
    if (port !== null) port.windowBase = base;
    windows.push({ port, next: base, end: base + bytes });
    base += alignUp(bytes, 0x1000_0000);
  }
  for (const port of core.ports) {
    if (port.below !== null) port.windowBase = rootOf(port.address)?.windowBase ?? 0;
  }
  const windowOf = (pf: PfState) => windows.find(({ port }) => port === rootOf(pf.below));
  const take = (pf: PfState, bytes: number, alignment: number): number | null => {
    const window = windowOf(pf);
    if (window === undefined) return null;
    const start = alignUp(window.next, alignment);
    if (start + bytes > window.end) return null;
    window.next = start + bytes;
    return start;
  };
  for (const pf of pfs) {
    const { barBytes } = cardOf(pf.card);
    pf.barBase = take(pf, barBytes, barBytes) ?? 0;
  }
  for (const pf of pfs) {
    const { totalVfs } = cardOf(pf.card);
    for (const place of pf.vfBarBases) {
      place.base = take(pf, place.bar.sizeBytes * totalVfs, place.bar.sizeBytes);
    }
  }
}

/** What the host bridge leaves for functions on a root bus. */
const integratedWindowBytes = 0x1000_0000;

/** Linux finds all functions of a bus, then goes below its bridges, depth first. */
function formGroups(machine: Machine): void {
  const { core, pfs } = machine.state;
  const visit = (below: string | null): void => {
    const ports = core.ports.filter((port) => port.below === below);
    const functions = pfs.filter((pf) => pf.below === below);
    const all = [...ports, ...functions].toSorted((left, right) =>
      compareAddresses(left.address, right.address),
    );
    for (const member of all) joinGroup(machine, member);
    for (const port of ports.toSorted((a, b) => compareAddresses(a.address, b.address))) {
      visit(port.address);
    }
  };
  visit(null);
}

function createFirstVfs(machine: Machine, plan: FunctionProfile): void {
  const pf = findPf(machine, plan.address);
  if (pf === null || plan.numVfs === undefined) return;
  pf.numVfsRegister = plan.numVfs;
  pf.vfEnable = true;
  for (let vfIndex = 0; vfIndex < plan.numVfs; vfIndex++) {
    createVf(machine, pf, vfIndex);
    const vf = pf.vfs[vfIndex];
    const policy = plan.vfPolicies?.[vfIndex];
    if (vf && policy !== undefined) vf.policy = { ...policy };
    const driver = plan.vfDrivers?.[vfIndex];
    if (driver === undefined) continue;
    assert(isLoaded(machine, driver), `${driver} of VF ${vfIndex} of ${plan.address} is loaded`);
    if (vf && driver === "vfio-pci") vf.override = driver;
    finishVfProbe(machine, pf, { vfIndex, driver, fails: false, hasNoNetdev: false });
  }
}
