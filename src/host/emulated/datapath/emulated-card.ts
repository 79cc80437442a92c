// A card of an emulated machine with its VFs in the hands of guests: everything that a run needs is
// made of the machine's state as it is: who holds which VF, MACs, VLANs and link from its inventory,
// BARs from its registers. VFs that nobody has get a test guest on a copy.

import { SriovError } from "../../../model/errors.ts";
import type { Address } from "../../../model/bdf.ts";
import { switchStateOf, type SwitchState } from "../../../eswitch/switch-state.ts";
import { fullInventory } from "../../host.ts";
import { cardOf } from "../cards.ts";
import { factsOf } from "../host-facts.ts";
import { inventoryOf } from "../inventory.ts";
import { addressOfVf, findPf, groupMembers, machineOf, type Machine } from "../machine.ts";
import { holderOf, type PfState } from "../state.ts";
import { devicePages, GuestDriver } from "./guest-driver.ts";
import { GuestMemory } from "./guest-memory.ts";
import { Iommu } from "./iommu.ts";
import { Mmio, type Bars } from "./mmio.ts";
import { Nic, packetBufferBytes } from "./nic.ts";
import { letterYes, letter, PfDriver, setMacLetter } from "./pf-driver.ts";
import { Ram } from "./ram.ts";

/** How the guests' drivers set themselves up. */
type RingShape = { readonly ringLength: number; readonly bufferBytes: number };

type Device = { readonly port: number; readonly vfIndex: number; readonly guest: string };

export type EmulatedCard = {
  readonly nic: Nic;
  readonly mmio: Mmio;
  readonly ram: Ram;
  readonly iommu: Iommu;
  /** What the guests and the administrator have made of it. */
  readonly state: () => SwitchState;
  /** By port; null: nobody drives it. The last one is the PF's. */
  readonly drivers: readonly (GuestDriver | null)[];
  readonly devices: readonly Device[];
};

/** A copy, in which things may happen that the machine must not see. */
export const copyOf = (machine: Machine): Machine => machineOf(structuredClone(machine.state));

/** Why vfio would give this VF to no guest of its own; null: it would. */
function noGuestReason(machine: Machine, pf: PfState, vfIndex: number): string | null {
  const group = pf.vfs[vfIndex]?.group;
  if (group === undefined) return "there is no IOMMU, so vfio-pci takes no VF";
  const own = addressOfVf(machine, pf, vfIndex);
  const ports = new Set(machine.state.core.ports.map(({ address }) => address));
  const other = groupMembers(machine, group).find((each) => each !== own && !ports.has(each));
  return other === undefined ? null : `${other} is in its IOMMU group ${group} too`;
}

/** Gives VFs that nobody has to guests `test-N`. Returns those that nobody can have, with why. */
export function addTestGuests(
  machine: Machine,
  pfAddress: Address,
  wanted: readonly number[],
): ReadonlyMap<number, string> {
  const pf = findPf(machine, pfAddress);
  const refused = new Map<number, string>();
  for (const vfIndex of wanted) {
    const vf = pf?.vfs[vfIndex];
    if (!pf || !vf) continue;
    const address = addressOfVf(machine, pf, vfIndex);
    if (holderOf(machine.state, address) !== null) continue;
    const reason = noGuestReason(machine, pf, vfIndex);
    if (reason !== null) {
      refused.set(vfIndex, reason);
      continue;
    }
    vf.driver = "vfio-pci";
    delete vf.netdev;
    const guest = { name: `test-${vfIndex}`, pid: 0, holds: [address] };
    machine.state.core.guests.push(guest);
  }
  return refused;
}

function stateOf(machine: Machine, pf: Address): SwitchState {
  const inventory = inventoryOf(machine, { ...fullInventory, only: [pf] });
  const [found] = inventory.physicalFunctions;
  const state = found === undefined ? null : switchStateOf(found, factsOf(machine, inventory));
  if (state !== null) return state;
  const message = `Cannot send through ${pf}: it is no network function and has no switch`;
  throw new SriovError("usage", message, { operation: "send traffic", target: pf });
}

function barsOf(pf: PfState): { pf: Bars; vf: Bars } {
  const { barBytes } = cardOf(pf.card);
  const [first, ...others] = pf.vfBarBases;
  const third = others.find(({ bar }) => bar.index === 3);
  const sliceOf = (row: typeof first) => ({
    base: row?.base ?? 0,
    sizeBytes: row?.bar.sizeBytes ?? 0,
  });
  return {
    pf: { registers: { base: pf.barBase, sizeBytes: barBytes }, msix: null },
    vf: { registers: sliceOf(first), msix: third === undefined ? null : sliceOf(third) },
  };
}

/** Who has which VF of the card, by port. */
function devicesOf(machine: Machine, pf: PfState, { vfs }: SwitchState): Device[] {
  return vfs.flatMap(({ vfIndex }, port) => {
    const guest = holderOf(machine.state, addressOfVf(machine, pf, vfIndex));
    return guest === null ? [] : [{ port, vfIndex, guest: guest.name }];
  });
}

/** As a guest's firmware leaves it when it has put a MAC of its own into it. */
const madeUpMac = (vfIndex: number): string =>
  `02:00:5e:00:${[vfIndex >> 8, vfIndex].map((byte) => (byte & 0xff).toString(16).padStart(2, "0")).join(":")}`;

/** The host's own name among those who have memory. */
const hostName = "";

export function openCard(
  machine: Machine,
  pfAddress: Address,
  shape: RingShape & { readonly onWire?: (frame: Uint8Array) => void },
): EmulatedCard {
  const pf = findPf(machine, pfAddress);
  if (pf === null) throw new Error(`There is no PF ${pfAddress}`);
  const pfDriver = new PfDriver(stateOf(machine, pfAddress));
  const { vfs } = pfDriver.state;
  const devices = devicesOf(machine, pf, pfDriver.state);
  const all = [...devices, { port: vfs.length, guest: hostName }];
  const pages = devicePages(shape.ringLength, shape.bufferBytes);
  const ram = new Ram(all.length * pages, packetBufferBytes);
  const iommu = new Iommu(vfs.length + 1, null);
  const { onWire } = shape;
  const parts = { driver: pfDriver, ram, packetBuffer: ram.end, iommu };
  const nic = new Nic(onWire === undefined ? parts : { ...parts, onWire });
  const mmio = new Mmio(nic, barsOf(pf));
  mmio.areVfsMapped = pf.vfEnable;
  const drivers: (GuestDriver | null)[] = Array.from({ length: vfs.length + 1 }, () => null);
  const guests = Map.groupBy(all, ({ guest }) => guest);
  for (const own of guests.values()) {
    const memory = new GuestMemory(ram, iommu, own.length * pages);
    own.forEach(({ port }, nth) => {
      const { ringLength, bufferBytes } = shape;
      const place = { mmio, port, memory, firstPage: nth * pages };
      drivers[port] = new GuestDriver({ ...place, ringLength, bufferBytes });
      iommu.attach(port, memory.domain);
    });
  }
  const card: EmulatedCard = {
    nic,
    mmio,
    ram,
    iommu,
    state: () => pfDriver.state,
    drivers,
    devices,
  };
  for (const { port } of all) startDriver(card, port);
  return card;
}

/** Bus mastering on, MSI-X on, rings up; a VF without a MAC registers one of its own. */
function startDriver({ nic, drivers, state }: EmulatedCard, port: number): void {
  const driver = drivers[port];
  if (!driver) return;
  nic.functions.canMaster[port] = 1;
  nic.functions.msix.setOpen(port, true);
  driver.start();
  if (port === nic.pf) return;
  driver.ask([letter.reset]);
  nic.run();
  const [kind = 0, high = 0, low = 0] = driver.answer();
  const isNamed = (kind & letterYes) !== 0 && (high !== 0 || low !== 0);
  const vf = state().vfs[port];
  if (isNamed || vf === undefined) return;
  driver.ask(setMacLetter(madeUpMac(vf.vfIndex)));
  nic.run();
}

/** Guests' own MAC as it now is; null: it has none. */
export const macOfPort = ({ state, nic }: EmulatedCard, port: number): string | null =>
  port === nic.pf ? state().pfPort.mac : (state().vfs[port]?.mac ?? null);
