// What the project's QEMU lab has, function by function at the same addresses, so that what the one
// shows can be asked of the other: igb below root ports with and without ACS, below a switch, on the
// root bus and as a card of two ports, and an nvme with 127 VFs.

import type { FunctionProfile, PortProfile, Profile } from "../profile.ts";

const MiB = 2 ** 20;

const rootPort = (slot: number, bus: number, hasAcs = true): PortProfile => ({
  address: `0000:00:${slot.toString(16).padStart(2, "0")}.0`,
  kind: "root-port",
  below: null,
  secondaryBus: bus,
  subordinateBus: bus,
  hasAcs,
  forwardsAri: true,
  windowBytes: 64 * MiB,
});

let ports = 0;

const igb = (address: string, below: string | null, macEnd: string): FunctionProfile => ({
  address,
  below,
  card: "intel-82576",
  serial: null,
  numaNode: null,
  netdev: {
    // Nothing renames netdevs in the lab, and nobody brings them up.
    name: `eth${ports++}`,
    mac: `52:54:00:aa:00:${macEnd}`,
    isUp: false,
    hasCable: true,
  },
});

const downstream = (address: string, bus: number): PortProfile => ({
  ...rootPort(0, bus, false),
  address,
  kind: "downstream-port",
  below: "0000:05:00.0",
});

export const igbLab: Profile = {
  name: "igb-lab",
  about: "the QEMU lab: seven igb ports in five places, an nvme with 127 VFs",
  kernelRelease: "6.12.95-emulated",
  lockModel: "global",
  hasIommu: true,
  naming: "kernel",
  loadedDrivers: ["pcieport", "igb", "igbvf", "nvme"],
  loadableModules: ["vfio-pci", "pci-stub", "pci-pf-stub"],
  ports: [
    rootPort(0x09, 0x01),
    rootPort(0x0a, 0x02),
    rootPort(0x0b, 0x03),
    rootPort(0x0c, 0x04, false),
    { ...rootPort(0x0d, 0x05), subordinateBus: 0x08 },
    {
      ...rootPort(0, 0x06, false),
      address: "0000:05:00.0",
      kind: "upstream-port",
      below: "0000:00:0d.0",
      subordinateBus: 0x08,
      forwardsAri: false,
    },
    downstream("0000:06:00.0", 0x07),
    downstream("0000:06:01.0", 0x08),
    rootPort(0x0f, 0x09),
    rootPort(0x10, 0x0a),
  ],
  functions: [
    igb("0000:00:06.0", null, "50"),
    igb("0000:01:00.0", "0000:00:09.0", "00"),
    igb("0000:02:00.0", "0000:00:0a.0", "10"),
    {
      address: "0000:03:00.0",
      below: "0000:00:0b.0",
      card: "qemu-nvme",
      serial: null,
      numaNode: null,
      netdev: null,
    },
    igb("0000:04:00.0", "0000:00:0c.0", "20"),
    igb("0000:07:00.0", "0000:06:00.0", "30"),
    igb("0000:08:00.0", "0000:06:01.0", "40"),
    igb("0000:09:00.0", "0000:00:0f.0", "60"),
    igb("0000:09:00.1", "0000:00:0f.0", "61"),
  ],
  guests: [],
};
