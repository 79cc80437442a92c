// A card of its own for tests: any state of a switch or a plain one, a guest with memory of its own on
// every VF, the host on the PF, and what went to the wire.

import { switchTraitsOf } from "../../../eswitch/driver-switch.ts";
import type { SwitchState, VfPort } from "../../../eswitch/switch-state.ts";
import { type FrameEnd, frameEnds } from "./frame-ends.ts";
import { devicePages, GuestDriver } from "./guest-driver.ts";
import { GuestMemory } from "./guest-memory.ts";
import { Iommu } from "./iommu.ts";
import { Mmio } from "./mmio.ts";
import { Nic, packetBufferBytes } from "./nic.ts";
import { PfDriver } from "./pf-driver.ts";
import { Ram } from "./ram.ts";
import { frameBytes } from "./traffic.ts";

const space = {
  pf: { registers: { base: 0x1_0000_0000, sizeBytes: 1 << 16 }, msix: null },
  vf: {
    registers: { base: 0x2_0000_0000, sizeBytes: 1 << 14 },
    msix: { base: 0x3_0000_0000, sizeBytes: 1 << 14 },
  },
} as const;

type Shape = { readonly ringLength: number; readonly bufferBytes: number };

export function cardWith(state: SwitchState, shape: Shape = { ringLength: 16, bufferBytes: 2048 }) {
  const pfDriver = new PfDriver(state);
  const functions = state.vfs.length + 1;
  const pages = devicePages(shape.ringLength, shape.bufferBytes);
  const ram = new Ram(functions * pages, packetBufferBytes);
  const iommu = new Iommu(functions, null);
  const wire: Uint8Array[] = [];
  const onWire = (frame: Uint8Array): void => {
    wire.push(frame);
  };
  const nic = new Nic({ driver: pfDriver, ram, packetBuffer: ram.end, iommu, onWire });
  const mmio = new Mmio(nic, space);
  const drivers = Array.from({ length: functions }, (_, port) => {
    const memory = new GuestMemory(ram, iommu, pages);
    iommu.attach(port, memory.domain);
    const driver = new GuestDriver({ mmio, port, memory, firstPage: 0, ...shape });
    nic.functions.canMaster[port] = 1;
    nic.functions.msix.setOpen(port, true);
    driver.start();
    return driver;
  });
  const driverOf = (port: number): GuestDriver => {
    const driver = drivers[port];
    if (driver === undefined) throw new Error(`There is no port ${port}`);
    return driver;
  };
  return { nic, mmio, iommu, ram, wire, pfDriver, driverOf, functions };
}

export const macOf = (vfIndex: number): string => `52:54:00:00:00:0${vfIndex}`;
const up = { certainty: "yes", why: "as set" } as const;

export const vf = (vfIndex: number, part: Partial<VfPort> = {}): VfPort => ({
  vfIndex,
  address: `0000:3b:02.${vfIndex}`,
  mac: macOf(vfIndex),
  mayHaveMac: false,
  hasReportedMac: true,
  sendMac: macOf(vfIndex),
  vlan: { id: 0, qos: 0, protocol: "802.1q" },
  spoofCheck: true,
  trust: false,
  link: up,
  owners: [],
  driver: "vfio-pci",
  netdev: null,
  ...part,
});

export const stateOf = (vfs: readonly VfPort[]): SwitchState => ({
  pf: "0000:3b:00.0",
  name: "ens1f0",
  mode: "legacy",
  traits: switchTraitsOf("ice", 0x159b),
  isVeb: { value: true, why: "as set" },
  pfPort: {
    mac: "b4:96:91:00:00:10",
    filter: [],
    filterCapacity: null,
    bridge: null,
    guests: null,
    link: up,
  },
  vfs,
  uplink: up,
  mtu: 1500,
});

export const frameTo = (to: number, source = macOf(0)): Uint8Array =>
  frameBytes({ destination: macOf(to), source, tag: null, sizeBytes: 64 });

type Card = ReturnType<typeof cardWith>;

export function send({ nic, driverOf }: Card, from: number, frame: Uint8Array): void {
  driverOf(from).post(frame);
  driverOf(from).kick();
  nic.run();
}

export const endsOf = ({ nic }: Card): Partial<Record<FrameEnd, number>> =>
  Object.fromEntries(
    frameEnds.flatMap((end, at) => ((nic.ends[at] ?? 0) === 0 ? [] : [[end, nic.ends[at]]])),
  );
