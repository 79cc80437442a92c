// Cards by name: what their registers say, whatever driver runs them. Identifiers and counts are
// those of the real cards as far as Linux names them; where a card leaves a choice to its firmware
// (number of VFs, First VF Offset), the row says one.

import { assert } from "../../model/assert.ts";
import type { Card, CardRow } from "./card.ts";
import { cardFrom } from "./card.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

const ethernet = 0x020000;
const nvme = 0x010802;
const accelerator = 0x120000;

/** What the cards of one driver have in common. */
const igb = {
  classCode: ethernet,
  revision: 1,
  driver: "igb",
  vfDriver: "igbvf",
  totalVfs: 8,
  vfBarBytes: { 0: 16 * KiB, 3: 16 * KiB },
  msixCount: 10,
  vfMsixCount: 3,
  isolation: "quirk",
  linkSpeedMbps: 1000,
} as const;

const ice = {
  classCode: ethernet,
  revision: 2,
  driver: "ice",
  vfDriver: "iavf",
  vfDeviceId: 0x1889,
  vfStride: 1,
  vfBarBytes: { 0: 128 * KiB, 3: 16 * KiB },
  barBytes: 32 * MiB,
  vfMsixCount: 5,
  isolation: "acs",
} as const;

const drive = {
  classCode: nvme,
  driver: "nvme",
  vfDriver: "nvme",
  vfStride: 1,
  firstVfOffsets: [1],
  barBytes: 64 * KiB,
  isolation: null,
} as const;

const rows = {
  /** As QEMU emulates it: no serial number, VFs on their PF's bus whatever ARI says. */
  "intel-82576": {
    ...igb,
    id: [0x8086, 0x10c9],
    subsystem: [0x1af4, 0x1100],
    vfDeviceId: 0x10ca,
    vfStride: 2,
    firstVfOffsets: [0x80, 0x80],
    offsetsWithoutAri: [0x80, 0x80],
    barBytes: 512 * KiB,
    pcie: ["2.5", 1],
  },
  "intel-i350": {
    ...igb,
    id: [0x8086, 0x1521],
    subsystem: [0x8086, 0x0001],
    vfDeviceId: 0x1520,
    vfStride: 4,
    firstVfOffsets: [0x180],
    offsetsWithoutAri: [0x180],
    barBytes: 1 * MiB,
    pcie: ["5.0", 4],
  },
  "intel-82599": {
    id: [0x8086, 0x10fb],
    subsystem: [0x8086, 0x000c],
    classCode: ethernet,
    revision: 1,
    driver: "ixgbe",
    vfDriver: "ixgbevf",
    vfDeviceId: 0x10ed,
    totalVfs: 64,
    vfStride: 2,
    firstVfOffsets: [0x80, 0x80],
    offsetsWithoutAri: [0x180, 0x180],
    vfBarBytes: { 0: 16 * KiB, 3: 16 * KiB },
    barBytes: 1 * MiB,
    msixCount: 64,
    vfMsixCount: 3,
    isolation: "quirk",
    linkSpeedMbps: 10_000,
    pcie: ["5.0", 8],
  },
  "intel-xl710": {
    id: [0x8086, 0x1583],
    subsystem: [0x8086, 0x0002],
    classCode: ethernet,
    revision: 2,
    driver: "i40e",
    vfDriver: "iavf",
    vfDeviceId: 0x154c,
    totalVfs: 64,
    vfStride: 1,
    firstVfOffsets: [16],
    offsetsWithoutAri: [0x100],
    vfBarBytes: { 0: 64 * KiB, 3: 16 * KiB },
    barBytes: 16 * MiB,
    msixCount: 129,
    vfMsixCount: 5,
    isolation: "acs",
    linkSpeedMbps: 40_000,
    pcie: ["8.0", 8],
  },
  /** Two ports of 25 GbE that share 256 VFs. */
  "intel-e810-2x25": {
    ...ice,
    id: [0x8086, 0x159b],
    subsystem: [0x8086, 0x0003],
    totalVfs: 128,
    firstVfOffsets: [8, 135],
    offsetsWithoutAri: [0x100, 0x17f],
    msixCount: 512,
    vfTotalMsix: 640,
    linkSpeedMbps: 25_000,
    pcie: ["16.0", 8],
  },
  /** One port of 100 GbE that has all 256 VFs. */
  "intel-e810-100": {
    ...ice,
    id: [0x8086, 0x1592],
    subsystem: [0x8086, 0x0005],
    totalVfs: 256,
    firstVfOffsets: [8],
    offsetsWithoutAri: [0x100],
    msixCount: 1024,
    vfTotalMsix: 1280,
    linkSpeedMbps: 100_000,
    pcie: ["16.0", 16],
  },
  /** Firmware setting NUM_OF_VFS is 127 here, and VFs start at function 192: 64 of them fit on the
   * PF's own bus, the others are on the next. */
  "mellanox-connectx6": {
    id: [0x15b3, 0x101d],
    subsystem: [0x15b3, 0x0040],
    classCode: ethernet,
    revision: 0,
    driver: "mlx5_core",
    vfDriver: "mlx5_core",
    vfDeviceId: 0x101e,
    totalVfs: 127,
    vfStride: 1,
    firstVfOffsets: [192],
    offsetsWithoutAri: [0x100],
    vfBarBytes: { 0: 1 * MiB },
    barBytes: 32 * MiB,
    msixCount: 128,
    vfMsixCount: 12,
    vfTotalMsix: 2048,
    isolation: "acs",
    linkSpeedMbps: 100_000,
    pcie: ["16.0", 16],
  },
  /** As QEMU emulates it: 127 VFs on the PF's bus. */
  "qemu-nvme": {
    ...drive,
    id: [0x1b36, 0x0010],
    subsystem: [0x1af4, 0x1100],
    revision: 2,
    vfDeviceId: 0x0010,
    totalVfs: 127,
    offsetsWithoutAri: [1],
    vfBarBytes: { 0: 16 * KiB },
    msixCount: 128,
    vfMsixCount: 128,
    pcie: ["2.5", 1],
  },
  "samsung-nvme": {
    ...drive,
    id: [0x144d, 0xa824],
    subsystem: [0x144d, 0xa801],
    revision: 0,
    vfDeviceId: 0xa824,
    totalVfs: 32,
    offsetsWithoutAri: [0x100],
    vfBarBytes: { 0: 32 * KiB },
    msixCount: 130,
    vfMsixCount: 9,
    pcie: ["16.0", 4],
  },
  /** No such card: as many VFs as nearly fill the routing IDs of a domain. */
  "limit-accelerator": {
    id: [0x1d0f, 0x0053],
    subsystem: [0x1d0f, 0x0053],
    classCode: accelerator,
    revision: 0,
    driver: "pci-pf-stub",
    vfDriver: null,
    vfDeviceId: 0x0054,
    totalVfs: 65_000,
    vfStride: 1,
    firstVfOffsets: [1],
    offsetsWithoutAri: [0x100],
    vfBarBytes: { 0: 4 * KiB },
    barBytes: 64 * KiB,
    msixCount: 8,
    vfMsixCount: 1,
    isolation: null,
    pcie: ["32.0", 16],
  },
} as const satisfies Record<string, CardRow>;

export type CardName = keyof typeof rows;

const cards = new Map(Object.entries(rows).map(([name, row]) => [name, cardFrom(row)]));

/** A card of the table by its name, or one that was read from a host (twin.ts). */
export type CardRef = CardName | Card;

export function cardOf(ref: CardRef): Card {
  if (typeof ref !== "string") return ref;
  const card = cards.get(ref);
  assert(card !== undefined, `${ref} is a card`);
  return card;
}
