// What stands in the way of a VF outside the VM: the IOMMU group and its node, and how much memory
// QEMU's process may lock, as all of the guest's memory is pinned while it has a VF. Only what is
// certain is a problem: what cannot be read is left for QEMU to find out.

import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { Address } from "../../model/bdf.ts";
import type { PlugProblem } from "../consumer.ts";

/** Where the running system is: "" but in tests. */
type SystemRoot = string;

type QemuProcess = {
  readonly pid: number;
  readonly uid: number;
  readonly gids: readonly number[];
  /** Linux include/uapi/linux/capability.h. */
  readonly capabilities: bigint;
  readonly lockedBytes: number;
  /** Huge pages too. */
  readonly residentBytes: number;
  /** Infinity: no limit. */
  readonly lockableBytes: number;
};

const capDacOverride = 1n << 1n;
const capIpcLock = 1n << 14n;

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** proc_pid_limits(5): `Max locked memory  8388608  8388608  bytes`. */
function lockableBytesOf(limits: string): number | null {
  const soft = /^Max locked memory\s+(\d+|unlimited)\s/m.exec(limits)?.[1];
  if (soft === undefined) return null;
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
}

/** The process that has this thread; null where /proc does not tell, as for another namespace's. */
export function readQemuProcess(root: SystemRoot, thread: number): QemuProcess | null {
  const status = textOf(`${root}/proc/${thread}/status`) ?? "";
  const lockableBytes = lockableBytesOf(textOf(`${root}/proc/${thread}/limits`) ?? "");
  const field = (name: string): string | null =>
    new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1]?.trim() ?? null;
  const [tgid, uids, gids] = [field("Tgid"), field("Uid"), field("Gid")];
  const capabilities = /^[0-9a-f]{1,16}$/.exec(field("CapEff") ?? "")?.[0];
  if (tgid === null || uids === null || gids === null) return null;
  if (capabilities === undefined || lockableBytes === null) return null;
  // A number of another PID namespace is another process here, or none.
  const command = textOf(`${root}/proc/${tgid}/cmdline`)?.split("\0")[0] ?? "";
  if (!/qemu|kvm/.test(basename(command))) return null;
  const [, uid = "", effectiveUid = uid] = /^(\d+)\s+(\d+)/.exec(uids) ?? [];
  const [, gid = "", effectiveGid = gid] = /^(\d+)\s+(\d+)/.exec(gids) ?? [];
  const kib = (name: string): number => Number(/^(\d+) kB$/.exec(field(name) ?? "")?.[1] ?? 0);
  const groups = (field("Groups") ?? "").split(/\s+/).filter((word) => word !== "");
  return {
    pid: Number(tgid),
    uid: Number(effectiveUid),
    gids: [Number(effectiveGid), ...groups.map(Number)],
    capabilities: BigInt(`0x${capabilities}`),
    lockedBytes: kib("VmLck") * 1024,
    residentBytes: (kib("VmRSS") + kib("HugetlbPages")) * 1024,
    lockableBytes,
  };
}

const mib = (bytes: number): string => `${Math.ceil(bytes / (1024 * 1024))} MiB`;

/** drivers/vfio/vfio_iommu_type1.c vfio_lock_acct(): ENOMEM beyond RLIMIT_MEMLOCK. */
export function lockProblem(process: QemuProcess, memoryBytes: number): PlugProblem | null {
  const { lockableBytes, lockedBytes, capabilities, pid } = process;
  if ((capabilities & capIpcLock) !== 0n || lockableBytes >= memoryBytes) return null;
  // Its first VF pinned the memory already.
  if (lockedBytes >= memoryBytes) return null;
  return {
    message: `QEMU's process ${pid} may lock ${mib(lockableBytes)} of memory, wanted ${mib(memoryBytes)}: a VF pins all of the guest's`,
    hint: `Raise it while the VM runs: prlimit --pid ${pid} --memlock=${2 * memoryBytes}`,
  };
}

/** null where sysfs does not tell. */
function iommuGroupOf(root: SystemRoot, vf: Address): string | null {
  try {
    return basename(readlinkSync(`${root}/sys/bus/pci/devices/${vf}/iommu_group`));
  } catch {
    return null;
  }
}

function driverOf(root: SystemRoot, address: string): string | null {
  try {
    return basename(readlinkSync(`${root}/sys/bus/pci/devices/${address}/driver`));
  } catch {
    return null;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** drivers/vfio: those manage DMA themselves or do none, and leave a group viable. */
const leavesGroupViable = (driver: string): boolean => /^(?:pcieport|pci-stub)$|vfio/.test(driver);

/** Others of the VF's group that a host driver has: the group cannot be handed to anybody. */
export function groupProblem(root: SystemRoot, vf: Address): PlugProblem | null {
  const group = iommuGroupOf(root, vf);
  if (group === null) {
    const hint = "See sriovctl doctor: the IOMMU is off, or the VF is gone";
    return { message: `VF ${vf} has no IOMMU group: it cannot be given to a VM`, hint };
  }
  const members = namesIn(`${root}/sys/kernel/iommu_groups/${group}/devices`);
  const inTheWay = members.flatMap((address) => {
    const driver = address === vf ? null : driverOf(root, address);
    return driver === null || leavesGroupViable(driver) ? [] : [`${address} (${driver})`];
  });
  if (inTheWay.length === 0) return null;
  return {
    message: `IOMMU group ${group} of VF ${vf} is not viable: ${inTheWay.slice(0, 8).join(", ")} is with a host driver`,
    hint: "All functions of a group go together: bind the others to vfio-pci, or see sriovctl doctor on ACS",
  };
}

/** Of the group's node once it is there: it comes with the VF's vfio driver. */
export function nodeProblem(
  root: SystemRoot,
  vf: Address,
  { uid, gids, capabilities, pid }: QemuProcess,
): PlugProblem | null {
  const group = iommuGroupOf(root, vf);
  const path = `/dev/vfio/${group}`;
  try {
    const node = statSync(`${root}${path}`);
    // credentials(7): the owner's bits decide for the owner, then the group's, then the others'.
    const shift = node.uid === uid ? 6 : gids.includes(node.gid) ? 3 : 0;
    const mayOpen = ((node.mode >> shift) & 0o6) === 0o6;
    if (mayOpen || (capabilities & capDacOverride) !== 0n) return null;
    return {
      message: `QEMU's process ${pid} runs as user ${uid} and may not open ${path}`,
      hint: `Give the group to that user: chown ${uid} ${path}`,
    };
  } catch {
    return null;
  }
}

/** Whether the kernel has iommufd and gives devices to it: CONFIG_IOMMUFD, CONFIG_VFIO_DEVICE_CDEV. */
export const hasIommufd = (root: SystemRoot): boolean =>
  existsSync(`${root}/dev/iommu`) && existsSync(`${root}/dev/vfio/devices`);
