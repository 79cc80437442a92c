// Cards by name: what their registers say, whatever driver runs them. Identifiers and counts are
// those of the real cards as far as Linux names them; where a card leaves a choice to its firmware
// (number of VFs, First VF Offset), the row says one.
// Long because: it is a table, one row a card.

import type { VfPlacement } from "../../pci/routing-id.ts";

export type VfBar = {
  readonly index: number;
  /** Of one VF; the aperture is this times TotalVFs. */
  readonly sizeBytes: number;
  readonly is64Bit: boolean;
};

export type Card = {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly subsystemVendorId: number;
  readonly subsystemDeviceId: number;
  readonly classCode: number;
  readonly revision: number;
  /** Kernel driver that matches the PF, and the one that matches its VFs. */
  readonly driver: string;
  readonly vfDriver: string | null;
  readonly vfDeviceId: number;
  /** TotalVFs of the capability. */
  readonly totalVfs: number;
  /** By function number of the PF; below a port without ARI forwarding VFs start a bus on. */
  readonly placements: readonly VfPlacement[];
  readonly placementsWithoutAri: readonly VfPlacement[];
  readonly vfBars: readonly VfBar[];
  readonly barBytes: number;
  readonly msixCount: number;
  readonly vfMsixCount: number;
  /** Vectors that can be dealt out over VFs; 0 where the card cannot. */
  readonly vfTotalMsix: number;
  readonly hasAcs: boolean;
  /** The kernel's quirk table calls its functions isolated although there is no ACS. */
  readonly isIsolatedByQuirk: boolean;
  readonly linkSpeedMbps: number;
  readonly pcieSpeed: string;
  readonly pcieWidth: number;
};

const KiB = 1024;
const MiB = 1024 * KiB;

const cards = {
  /** As QEMU emulates it: no serial number, VFs on their PF's bus whatever ARI says. */
  "intel-82576": {
    vendorId: 0x8086,
    deviceId: 0x10c9,
    subsystemVendorId: 0x1af4,
    subsystemDeviceId: 0x1100,
    classCode: 0x020000,
    revision: 1,
    driver: "igb",
    vfDriver: "igbvf",
    vfDeviceId: 0x10ca,
    totalVfs: 8,
    placements: [
      { firstVfOffset: 0x80, vfStride: 2 },
      { firstVfOffset: 0x80, vfStride: 2 },
    ],
    placementsWithoutAri: [
      { firstVfOffset: 0x80, vfStride: 2 },
      { firstVfOffset: 0x80, vfStride: 2 },
    ],
    vfBars: [
      { index: 0, sizeBytes: 16 * KiB, is64Bit: true },
      { index: 3, sizeBytes: 16 * KiB, is64Bit: true },
    ],
    barBytes: 512 * KiB,
    msixCount: 10,
    vfMsixCount: 3,
    vfTotalMsix: 0,
    hasAcs: false,
    isIsolatedByQuirk: true,
    linkSpeedMbps: 1000,
    pcieSpeed: "2.5 GT/s PCIe",
    pcieWidth: 1,
  },
  "intel-i350": {
    vendorId: 0x8086,
    deviceId: 0x1521,
    subsystemVendorId: 0x8086,
    subsystemDeviceId: 0x0001,
    classCode: 0x020000,
    revision: 1,
    driver: "igb",
    vfDriver: "igbvf",
    vfDeviceId: 0x1520,
    totalVfs: 8,
    placements: [{ firstVfOffset: 0x180, vfStride: 4 }],
    placementsWithoutAri: [{ firstVfOffset: 0x180, vfStride: 4 }],
    vfBars: [
      { index: 0, sizeBytes: 16 * KiB, is64Bit: true },
      { index: 3, sizeBytes: 16 * KiB, is64Bit: true },
    ],
    barBytes: 1 * MiB,
    msixCount: 10,
    vfMsixCount: 3,
    vfTotalMsix: 0,
    hasAcs: false,
    isIsolatedByQuirk: true,
    linkSpeedMbps: 1000,
    pcieSpeed: "5.0 GT/s PCIe",
    pcieWidth: 4,
  },
  "intel-82599": {
    vendorId: 0x8086,
    deviceId: 0x10fb,
    subsystemVendorId: 0x8086,
    subsystemDeviceId: 0x000c,
    classCode: 0x020000,
    revision: 1,
    driver: "ixgbe",
    vfDriver: "ixgbevf",
    vfDeviceId: 0x10ed,
    totalVfs: 64,
    placements: [
      { firstVfOffset: 0x80, vfStride: 2 },
      { firstVfOffset: 0x80, vfStride: 2 },
    ],
    placementsWithoutAri: [
      { firstVfOffset: 0x180, vfStride: 2 },
      { firstVfOffset: 0x180, vfStride: 2 },
    ],
    vfBars: [
      { index: 0, sizeBytes: 16 * KiB, is64Bit: true },
      { index: 3, sizeBytes: 16 * KiB, is64Bit: true },
    ],
    barBytes: 1 * MiB,
    msixCount: 64,
    vfMsixCount: 3,
    vfTotalMsix: 0,
    hasAcs: false,
    isIsolatedByQuirk: true,
    linkSpeedMbps: 10_000,
    pcieSpeed: "5.0 GT/s PCIe",
    pcieWidth: 8,
  },
  "intel-xl710": {
    vendorId: 0x8086,
    deviceId: 0x1583,
    subsystemVendorId: 0x8086,
    subsystemDeviceId: 0x0002,
    classCode: 0x020000,
    revision: 2,
    driver: "i40e",
    vfDriver: "iavf",
    vfDeviceId: 0x154c,
    totalVfs: 64,
    placements: [{ firstVfOffset: 16, vfStride: 1 }],
    placementsWithoutAri: [{ firstVfOffset: 0x100, vfStride: 1 }],
    vfBars: [
      { index: 0, sizeBytes: 64 * KiB, is64Bit: true },
      { index: 3, sizeBytes: 16 * KiB, is64Bit: true },
    ],
    barBytes: 16 * MiB,
    msixCount: 129,
    vfMsixCount: 5,
    vfTotalMsix: 0,
    hasAcs: true,
    isIsolatedByQuirk: false,
    linkSpeedMbps: 40_000,
    pcieSpeed: "8.0 GT/s PCIe",
    pcieWidth: 8,
  },
  /** Two ports of 25 GbE that share 256 VFs. */
  "intel-e810-2x25": {
    vendorId: 0x8086,
    deviceId: 0x159b,
    subsystemVendorId: 0x8086,
    subsystemDeviceId: 0x0003,
    classCode: 0x020000,
    revision: 2,
    driver: "ice",
    vfDriver: "iavf",
    vfDeviceId: 0x1889,
    totalVfs: 128,
    placements: [
      { firstVfOffset: 8, vfStride: 1 },
      { firstVfOffset: 135, vfStride: 1 },
    ],
    placementsWithoutAri: [
      { firstVfOffset: 0x100, vfStride: 1 },
      { firstVfOffset: 0x17f, vfStride: 1 },
    ],
    vfBars: [
      { index: 0, sizeBytes: 128 * KiB, is64Bit: true },
      { index: 3, sizeBytes: 16 * KiB, is64Bit: true },
    ],
    barBytes: 32 * MiB,
    msixCount: 512,
    vfMsixCount: 5,
    vfTotalMsix: 640,
    hasAcs: true,
    isIsolatedByQuirk: false,
    linkSpeedMbps: 25_000,
    pcieSpeed: "16.0 GT/s PCIe",
    pcieWidth: 8,
  },
  /** One port of 100 GbE that has all 256 VFs. */
  "intel-e810-100": {
    vendorId: 0x8086,
    deviceId: 0x1592,
    subsystemVendorId: 0x8086,
    subsystemDeviceId: 0x0005,
    classCode: 0x020000,
    revision: 2,
    driver: "ice",
    vfDriver: "iavf",
    vfDeviceId: 0x1889,
    totalVfs: 256,
    placements: [{ firstVfOffset: 8, vfStride: 1 }],
    placementsWithoutAri: [{ firstVfOffset: 0x100, vfStride: 1 }],
    vfBars: [
      { index: 0, sizeBytes: 128 * KiB, is64Bit: true },
      { index: 3, sizeBytes: 16 * KiB, is64Bit: true },
    ],
    barBytes: 32 * MiB,
    msixCount: 1024,
    vfMsixCount: 5,
    vfTotalMsix: 1280,
    hasAcs: true,
    isIsolatedByQuirk: false,
    linkSpeedMbps: 100_000,
    pcieSpeed: "16.0 GT/s PCIe",
    pcieWidth: 16,
  },
  /** Firmware setting NUM_OF_VFS is 127 here, and VFs start at function 192: 64 of them fit on the
   * PF's own bus, the others are on the next. */
  "mellanox-connectx6": {
    vendorId: 0x15b3,
    deviceId: 0x101d,
    subsystemVendorId: 0x15b3,
    subsystemDeviceId: 0x0040,
    classCode: 0x020000,
    revision: 0,
    driver: "mlx5_core",
    vfDriver: "mlx5_core",
    vfDeviceId: 0x101e,
    totalVfs: 127,
    placements: [{ firstVfOffset: 192, vfStride: 1 }],
    placementsWithoutAri: [{ firstVfOffset: 0x100, vfStride: 1 }],
    vfBars: [{ index: 0, sizeBytes: 1 * MiB, is64Bit: true }],
    barBytes: 32 * MiB,
    msixCount: 128,
    vfMsixCount: 12,
    vfTotalMsix: 2048,
    hasAcs: true,
    isIsolatedByQuirk: false,
    linkSpeedMbps: 100_000,
    pcieSpeed: "16.0 GT/s PCIe",
    pcieWidth: 16,
  },
  /** As QEMU emulates it: 127 VFs on the PF's bus. */
  "qemu-nvme": {
    vendorId: 0x1b36,
    deviceId: 0x0010,
    subsystemVendorId: 0x1af4,
    subsystemDeviceId: 0x1100,
    classCode: 0x010802,
    revision: 2,
    driver: "nvme",
    vfDriver: "nvme",
    vfDeviceId: 0x0010,
    totalVfs: 127,
    placements: [{ firstVfOffset: 1, vfStride: 1 }],
    placementsWithoutAri: [{ firstVfOffset: 1, vfStride: 1 }],
    vfBars: [{ index: 0, sizeBytes: 16 * KiB, is64Bit: true }],
    barBytes: 64 * KiB,
    msixCount: 128,
    vfMsixCount: 128,
    vfTotalMsix: 0,
    hasAcs: false,
    isIsolatedByQuirk: false,
    linkSpeedMbps: 0,
    pcieSpeed: "2.5 GT/s PCIe",
    pcieWidth: 1,
  },
  "samsung-nvme": {
    vendorId: 0x144d,
    deviceId: 0xa824,
    subsystemVendorId: 0x144d,
    subsystemDeviceId: 0xa801,
    classCode: 0x010802,
    revision: 0,
    driver: "nvme",
    vfDriver: "nvme",
    vfDeviceId: 0xa824,
    totalVfs: 32,
    placements: [{ firstVfOffset: 1, vfStride: 1 }],
    placementsWithoutAri: [{ firstVfOffset: 0x100, vfStride: 1 }],
    vfBars: [{ index: 0, sizeBytes: 32 * KiB, is64Bit: true }],
    barBytes: 64 * KiB,
    msixCount: 130,
    vfMsixCount: 9,
    vfTotalMsix: 0,
    hasAcs: false,
    isIsolatedByQuirk: false,
    linkSpeedMbps: 0,
    pcieSpeed: "16.0 GT/s PCIe",
    pcieWidth: 4,
  },
  /** No such card: as many VFs as nearly fill the routing IDs of a domain. */
  "limit-accelerator": {
    vendorId: 0x1d0f,
    deviceId: 0x0053,
    subsystemVendorId: 0x1d0f,
    subsystemDeviceId: 0x0053,
    classCode: 0x120000,
    revision: 0,
    driver: "pci-pf-stub",
    vfDriver: null,
    vfDeviceId: 0x0054,
    totalVfs: 65_000,
    placements: [{ firstVfOffset: 1, vfStride: 1 }],
    placementsWithoutAri: [{ firstVfOffset: 0x100, vfStride: 1 }],
    vfBars: [{ index: 0, sizeBytes: 4 * KiB, is64Bit: true }],
    barBytes: 64 * KiB,
    msixCount: 8,
    vfMsixCount: 1,
    vfTotalMsix: 0,
    hasAcs: false,
    isIsolatedByQuirk: false,
    linkSpeedMbps: 0,
    pcieSpeed: "32.0 GT/s PCIe",
    pcieWidth: 16,
  },
} as const satisfies Record<string, Card>;

export type CardName = keyof typeof cards;

export const cardOf = (name: CardName): Card => cards[name];
