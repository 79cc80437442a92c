// What a card says of itself, and the row that it is written as: a row holds what tells cards apart,
// cardFrom() adds what follows from it.

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

type SameInRow =
  | "classCode"
  | "revision"
  | "driver"
  | "vfDriver"
  | "vfDeviceId"
  | "totalVfs"
  | "barBytes"
  | "msixCount"
  | "vfMsixCount";

export type CardRow = Pick<Card, SameInRow> & {
  /** Vendor and device. */
  readonly id: readonly [number, number];
  readonly subsystem: readonly [number, number];
  readonly vfStride: number;
  /** By function number. */
  readonly firstVfOffsets: readonly number[];
  readonly offsetsWithoutAri: readonly number[];
  /** Bytes of a VF in each VF BAR; all are 64 bits wide. */
  readonly vfBarBytes: Readonly<Record<number, number>>;
  /** Absent where vectors cannot be dealt out. */
  readonly vfTotalMsix?: number;
  /** What keeps its functions apart: ACS, the kernel's quirk table, or nothing. */
  readonly isolation: "acs" | "quirk" | null;
  /** Absent for a card that is no NIC. */
  readonly linkSpeedMbps?: number;
  /** GT/s and lanes. */
  readonly pcie: readonly [string, number];
};

export function cardFrom(row: CardRow): Card {
  const { id, subsystem, firstVfOffsets, offsetsWithoutAri, vfStride, ...same } = row;
  const { vfBarBytes, vfTotalMsix = 0, isolation, linkSpeedMbps = 0, pcie, ...rest } = same;
  const placementsAt = (offsets: readonly number[]): readonly VfPlacement[] =>
    offsets.map((firstVfOffset) => ({ firstVfOffset, vfStride }));
  return {
    ...rest,
    vendorId: id[0],
    deviceId: id[1],
    subsystemVendorId: subsystem[0],
    subsystemDeviceId: subsystem[1],
    placements: placementsAt(firstVfOffsets),
    placementsWithoutAri: placementsAt(offsetsWithoutAri),
    vfBars: Object.entries(vfBarBytes).map(([index, sizeBytes]) => ({
      index: Number(index),
      sizeBytes,
      is64Bit: true,
    })),
    vfTotalMsix,
    hasAcs: isolation === "acs",
    isIsolatedByQuirk: isolation === "quirk",
    linkSpeedMbps,
    pcieSpeed: `${pcie[0]} GT/s PCIe`,
    pcieWidth: pcie[1],
  };
}
