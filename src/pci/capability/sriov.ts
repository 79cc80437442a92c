// SR-IOV extended capability (ID 0x0010): how many VFs a PF can have, how many are on, where
// their routing IDs and BARs are. First VF Offset and VF Stride are those in force for the present
// NumVFs. Everything is a plain register list; the arithmetic is in routing-id.ts.
//
// Authority: PCIe Base, "SR-IOV Extended Capability"; Linux include/uapi/linux/pci_regs.h
// PCI_SRIOV_*.

import type { BaseAddressDescription, BaseAddresses } from "../base-address.ts";
import { decodeBaseAddresses, encodeBaseAddress } from "../base-address.ts";
import type { RegisterWriter } from "../config-space.ts";
import { decodeFields, encodeFields, fieldMask } from "../register-fields.ts";
import type { Registers } from "../registers.ts";
import type { CapabilityDecoder, Report } from "./capability-decoder.ts";

/** Register offsets from the capability's header. */
export const sriovRegister = {
  capabilities: 0x04,
  control: 0x08,
  status: 0x0a,
  initialVfs: 0x0c,
  totalVfs: 0x0e,
  numVfs: 0x10,
  functionDependencyLink: 0x12,
  firstVfOffset: 0x14,
  vfStride: 0x16,
  vfDeviceId: 0x1a,
  supportedPageSizes: 0x1c,
  systemPageSize: 0x20,
  vfBar0: 0x24,
  vfMigrationStateArrayOffset: 0x3c,
} as const;

const sriovLengthBytes = 0x40;

const capabilities = {
  vfMigrationCapable: 0,
  ariCapableHierarchyPreserved: 1,
  vf10BitTagRequester: 2,
  vf14BitTagRequester: 3,
  vfMigrationInterruptMessage: [31, 21],
} as const;

/** Bits of the control register. */
export const sriovControl = {
  vfEnable: 0,
  vfMigrationEnable: 1,
  vfMigrationInterruptEnable: 2,
  vfMse: 3,
  ariCapableHierarchy: 4,
  vf10BitTagRequesterEnable: 5,
  vf14BitTagRequesterEnable: 6,
} as const;

const status = { vfMigrationStatus: 0 } as const;

type VfBar = {
  readonly index: number;
  /** Base of VF 0's region; VF n's is n sizes further. */
  readonly address: bigint;
  readonly width: 20 | 32 | 64;
  readonly prefetchable: boolean;
};

export type Sriov = {
  readonly kind: "sriov";
  /** Whole registers, as read. */
  readonly capabilities: number;
  readonly control: number;
  readonly status: number;
  readonly vfMigrationCapable: boolean;
  readonly ariCapableHierarchyPreserved: boolean;
  /** VF 10-Bit Tag Requester Supported. */
  readonly vf10BitTagRequester: boolean;
  readonly vf14BitTagRequester: boolean;
  readonly vfMigrationInterruptMessage: number;
  readonly vfEnable: boolean;
  readonly vfMigrationEnable: boolean;
  readonly vfMigrationInterruptEnable: boolean;
  /** VF Memory Space Enable. */
  readonly vfMse: boolean;
  readonly ariCapableHierarchy: boolean;
  readonly vf10BitTagRequesterEnable: boolean;
  readonly vf14BitTagRequesterEnable: boolean;
  readonly vfMigrationStatus: boolean;
  readonly initialVfs: number;
  readonly totalVfs: number;
  readonly numVfs: number;
  /** Function number of the next PF of the same dependency list. */
  readonly functionDependencyLink: number;
  readonly firstVfOffset: number;
  readonly vfStride: number;
  readonly vfDeviceId: number;
  /** Bit n: pages of 2^(n+12) bytes. */
  readonly supportedPageSizes: number;
  readonly systemPageSize: number;
  readonly vfBars: readonly VfBar[];
  /** As read: BIR in bits 2:0, byte offset above. */
  readonly vfMigrationStateArrayOffset: number;
};

function reportVfBars({ bars, cutOff, reservedType }: BaseAddresses, report: Report): void {
  const at = (index: number): number => sriovRegister.vfBar0 + 4 * index;
  for (const index of cutOff) {
    const message = `VF BAR ${index} is 64 bits wide: no register is left for its upper half`;
    report("bar-cut-off", at(index), message);
  }
  for (const index of reservedType) {
    report("bar-reserved-type", at(index), `VF BAR ${index} has the reserved type 11`);
  }
  for (const { index } of bars.filter(({ kind }) => kind === "io")) {
    report("vf-bar-io", at(index), `VF BAR ${index} is an I/O BAR: VFs have memory BARs only`);
  }
}

/** Counts that contradict each other: Linux iov.c sriov_init() and sriov_enable() refuse these. */
function reportCounts(registers: Registers, report: Report): void {
  const at = sriovRegister;
  const [initialVfs, totalVfs] = [registers.u16(at.initialVfs), registers.u16(at.totalVfs)];
  const numVfs = registers.u16(at.numVfs);
  const { vfEnable } = decodeFields(sriovControl, registers.u16(at.control));
  const { vfMigrationCapable } = decodeFields(capabilities, registers.u32(at.capabilities));
  if (initialVfs > totalVfs || (initialVfs !== totalVfs && !vfMigrationCapable)) {
    const message = `InitialVFs is ${initialVfs}: TotalVFs is ${totalVfs}, and VFs do not migrate`;
    report("sriov-initial-vfs", at.initialVfs, message);
  }
  if (!vfEnable) return;
  if (numVfs > totalVfs) {
    report("sriov-num-vfs", at.numVfs, `NumVFs is ${numVfs}: TotalVFs is ${totalVfs}`);
  }
  if (numVfs > 0 && registers.u16(at.firstVfOffset) === 0) {
    const message = "First VF Offset is 0 with VFs on: the PF itself is at that routing ID";
    report("sriov-placement", at.firstVfOffset, message);
  }
  if (numVfs > 1 && registers.u16(at.vfStride) === 0) {
    report("sriov-placement", at.vfStride, "VF Stride is 0: all VFs share one routing ID");
  }
}

export const sriov: CapabilityDecoder<Sriov> = {
  lengthOf: () => sriovLengthBytes,
  decode(registers, _context, report) {
    const at = sriovRegister;
    const bars = decodeBaseAddresses(registers, at.vfBar0, 6);
    reportVfBars(bars, report);
    reportCounts(registers, report);
    const vfBars = bars.bars
      .filter(({ kind }) => kind === "memory")
      .map(({ index, address, width, prefetchable }) => ({ index, address, width, prefetchable }));
    return {
      kind: "sriov",
      capabilities: registers.u32(at.capabilities),
      control: registers.u16(at.control),
      status: registers.u16(at.status),
      ...decodeFields(capabilities, registers.u32(at.capabilities)),
      ...decodeFields(sriovControl, registers.u16(at.control)),
      ...decodeFields(status, registers.u16(at.status)),
      initialVfs: registers.u16(at.initialVfs),
      totalVfs: registers.u16(at.totalVfs),
      numVfs: registers.u16(at.numVfs),
      functionDependencyLink: registers.u8(at.functionDependencyLink),
      firstVfOffset: registers.u16(at.firstVfOffset),
      vfStride: registers.u16(at.vfStride),
      vfDeviceId: registers.u16(at.vfDeviceId),
      supportedPageSizes: registers.u32(at.supportedPageSizes),
      systemPageSize: registers.u32(at.systemPageSize),
      vfBars,
      vfMigrationStateArrayOffset: registers.u32(at.vfMigrationStateArrayOffset),
    };
  },
};

export type SriovDescription = {
  readonly kind: "sriov";
  readonly totalVfs: number;
  /** As in force for NumVFs 0. */
  readonly firstVfOffset: number;
  readonly vfStride: number;
  readonly vfDeviceId: number;
  /** Sizes are of one VF. */
  readonly vfBars: readonly BaseAddressDescription[];
  /** Function number; default 0. */
  readonly functionDependencyLink?: number;
  readonly ariCapableHierarchyPreserved?: boolean;
  readonly vf10BitTagRequester?: boolean;
  /** Default 0x553: 4K, 8K, 64K, 256K, 1M and 4M, which every PF must support. */
  readonly supportedPageSizes?: number;
  /** Whether ARI Capable Hierarchy can be set: in the lowest-numbered PF of a device only. */
  readonly isLowestPf?: boolean;
};

/** NumVFs and System Page Size are laid down as writable: that they are read-only while VF
 * Enable is set is up to whoever executes the writes. */
export function encodeSriov(writer: RegisterWriter, description: SriovDescription): void {
  const at = sriovRegister;
  const { totalVfs, supportedPageSizes = 0x553 } = description;
  const { ariCapableHierarchyPreserved = false, vf10BitTagRequester = false } = description;
  const flags = { ariCapableHierarchyPreserved, vf10BitTagRequester };
  writer.u32(at.capabilities, encodeFields(capabilities, flags));
  const settable = ["vfEnable", "vfMse"] as const;
  const forLowest = description.isLowestPf === false ? [] : (["ariCapableHierarchy"] as const);
  const forTags = vf10BitTagRequester ? (["vf10BitTagRequesterEnable"] as const) : [];
  writer.u16(at.control, 0, fieldMask(sriovControl, [...settable, ...forLowest, ...forTags]));
  writer.u16(at.status, 0);
  writer.u16(at.initialVfs, totalVfs);
  writer.u16(at.totalVfs, totalVfs);
  writer.u16(at.numVfs, 0, 0xffff);
  writer.u8(at.functionDependencyLink, description.functionDependencyLink ?? 0);
  writer.u16(at.firstVfOffset, description.firstVfOffset);
  writer.u16(at.vfStride, description.vfStride);
  writer.u16(at.vfDeviceId, description.vfDeviceId);
  writer.u32(at.supportedPageSizes, supportedPageSizes);
  writer.u32(at.systemPageSize, 1, supportedPageSizes);
  for (const bar of description.vfBars) encodeBaseAddress(writer, at.vfBar0, bar);
}
