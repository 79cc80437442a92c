// What the doctor looks at beside the inventory: platform, IOMMU, the functions around a PF with
// their config space, the kernel's log, what is installed. Each source is optional: null means
// "not known", `gaps` says why, and no rule guesses without it.

import type { Address } from "./bdf.ts";
import type { FirmwareVfs } from "./inventory.ts";

export type KernelFacts = {
  /** Words of /proc/cmdline. */
  readonly commandLine: readonly string[] | null;
  /** `uname -m`: `x86_64`, `aarch64`. */
  readonly architecture: string | null;
  /** /sys/kernel/security/lockdown. */
  readonly lockdown: "none" | "integrity" | "confidentiality" | null;
  /** EFI variable SecureBoot; false where the machine was not booted by EFI. */
  readonly isSecureBoot: boolean | null;
};

export type IommuFacts = {
  /** Names under /sys/class/iommu: `dmar0`, `ivhd0`, `smmu3.0x...`. */
  readonly instances: readonly string[] | null;
  /** Of DMAR, IVRS and IORT, the ACPI tables that firmware offers. */
  readonly acpiTables: readonly string[] | null;
  /** Parameters as the modules report them: vfio_iommu_type1 or iommufd `allow_unsafe_interrupts`. */
  readonly allowsUnsafeInterrupts: boolean | null;
  /** vfio `enable_unsafe_noiommu_mode`. */
  readonly isNoIommuMode: boolean | null;
  /** What delivers an interrupt of a PF or of a port above, as the kernel names it: `IR-PCI-MSIX-...`
   * where interrupts are remapped. null: none has an interrupt that tells; absent: not asked. */
  readonly interruptChip?: { readonly irq: number; readonly chip: string } | null;
};

export type IommuGroupFacts = {
  readonly number: number;
  /** `DMA`, `DMA-FQ`, `identity`, `blocked`, `unmanaged`. */
  readonly type: string | null;
  /** `vfio-noiommu` for a group that isolates nothing. */
  readonly name: string | null;
  readonly members: readonly Address[];
};

/** One line of a function's `resource` file. `start` and `end` are 0n where nothing is assigned. */
export type ResourceWindow = {
  readonly start: bigint;
  readonly end: bigint;
  /** include/linux/ioport.h, IORESOURCE_*. */
  readonly flags: bigint;
};

/** A function that is a PF, stands above one, or shares an IOMMU group with one or its VFs. */
export type PciFunctionFacts = {
  readonly address: Address;
  readonly vendorId: number | null;
  readonly deviceId: number | null;
  readonly classCode: number | null;
  readonly driver: string | null;
  readonly iommuGroup: number | null;
  /** 64 to 4096 bytes, as many as the reader may see: a 64-byte read says nothing about capabilities. */
  readonly config: Uint8Array | null;
  /** BARs 0-5, ROM, then for a PF its VF BARs, for a bridge its windows, in the kernel's order. */
  readonly resources: readonly ResourceWindow[] | null;
};

/** A network PF's driver and switches, as ethtool, devlink and the bridge report them. */
export type NicFacts = {
  readonly pf: Address;
  readonly netdev: string;
  readonly driverVersion: string | null;
  readonly firmwareVersion: string | null;
  /** ethtool private flags: `vf-true-promisc-support`. */
  readonly privateFlags: Readonly<Record<string, boolean>> | null;
  /** Receive and transmit pause frames. */
  readonly pause: { readonly rx: boolean; readonly tx: boolean } | null;
  /** MACs in the PF's own filter (`bridge fdb show dev PF self`). */
  readonly selfFdb: readonly string[] | null;
  /** Whether frames between the PF's functions turn round in the card (`bridge link`, hwmode);
   * null: not told, absent: not asked. */
  readonly switchMode?: "veb" | "vepa" | null;
  /** The bridge that the PF is a port of, with the MACs that it has learnt behind its other ports;
   * null: none, absent: not asked. */
  readonly bridge?: {
    readonly name: string;
    readonly guests: readonly { readonly mac: string; readonly port: string }[] | null;
  } | null;
  /** VFs that firmware gives now and after the next boot, where a tool can tell. */
  readonly firmwareVfs: FirmwareVfs | null;
};

export type KernelLog = {
  /** Lines without time stamp and level, oldest first. */
  readonly lines: readonly string[];
  /** False where the ring buffer has lost this boot's beginning: absence proves nothing. */
  readonly isWhole: boolean;
};

export type SoftwareVersions = Readonly<
  Record<"libvirt" | "qemu" | "iproute2" | "systemd" | "mstflint", string | null>
>;

export type MemoryFacts = {
  /** Pages per page size in bytes. */
  readonly hugepages: readonly {
    readonly sizeBytes: number;
    readonly total: number;
    readonly free: number;
  }[];
  readonly totalBytes: number | null;
};

/** A process of a VM that has a function of this host. */
export type GuestFacts = {
  readonly pid: number;
  readonly name: string;
  /** Memory that it has locked: all of a VM with VFs, for their DMA. */
  readonly lockedBytes: number | null;
  /** RLIMIT_MEMLOCK; `unlimited` is what libvirt gives such a VM's process at times. */
  readonly lockLimitBytes: number | "unlimited" | null;
  /** NUMA nodes on which its processors may run; null: not known, absent: not asked. */
  readonly nodes?: readonly number[] | null;
};

/** A VFIO node, which opens a group (`/dev/vfio/41`) or one function (`/dev/vfio/devices/vfio3`). */
export type VfioNodeFacts = {
  readonly path: string;
  /** File mode without its type: 0o600. */
  readonly mode: number;
  /** User and group, by number: `0:108`. */
  readonly owner: string;
};

/** A network function that is made for SR-IOV, and for which the kernel offers none. */
export type CardWithoutSriov = {
  readonly address: Address;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly driver: string | null;
  readonly netdev: string | null;
};

/** A source that could not be read: `/sys/firmware/acpi/tables`, EACCES. */
export type FactGap = { readonly source: string; readonly why: string };

export type HostFacts = {
  /** `ID` and `ID_LIKE` of /etc/os-release, nearest first: decides the fix's commands. */
  readonly distribution: readonly string[] | null;
  readonly kernel: KernelFacts;
  readonly iommu: IommuFacts;
  readonly iommuGroups: readonly IommuGroupFacts[] | null;
  readonly functions: readonly PciFunctionFacts[];
  readonly nics: readonly NicFacts[];
  readonly kernelLog: KernelLog | null;
  /** Parameters of loaded modules that matter here: `vfio_pci.enable_sriov` -> `Y`. */
  readonly moduleParameters: Readonly<Record<string, string>>;
  readonly software: SoftwareVersions;
  readonly memory: MemoryFacts | null;
  /** Absent: not looked at. */
  readonly guests?: readonly GuestFacts[];
  /** NUMA nodes that have processors; null: not known, absent: not asked. */
  readonly numaNodes?: readonly number[] | null;
  /** null: not known, absent: not asked. */
  readonly vfioNodes?: readonly VfioNodeFacts[] | null;
  /** Absent: not looked for. */
  readonly cardsWithoutSriov?: readonly CardWithoutSriov[];
  readonly gaps: readonly FactGap[];
};
