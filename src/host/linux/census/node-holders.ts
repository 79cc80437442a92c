// Who has a function's device node open: a walk over the descriptors of all processes, made only
// where there is a node to look for.

import { statSync } from "node:fs";
import type { Address } from "../../../model/bdf.ts";
import type { CensusFunction } from "../inventory.ts";
import type { LinuxPaths } from "../paths.ts";
import { errnoOf, TreeReader } from "../tree-reader.ts";
import { containerOf } from "./containers.ts";
import { deviceNodes, holdableByVfio, isUioDriver, nodeKeyOf } from "./device-nodes.ts";
import { commandOf, isVmm, type OpenFile, type Process, readOpenFiles } from "./processes.ts";
import { ownerOfProcess, type User } from "./user.ts";

/** Device nodes that many processes hold and that are never ours: not worth a stat. */
const plainNode = /^\/dev\/(?:null|zero|full|u?random|tty|ptmx|pts\/|shm\/|kvm$|net\/tun$)/;

/** In a container's own /dev, by its path here or cut off at its root. Other paths are not looked
 * at: they may be on a file server that does not answer. */
const foreignNode = /(?:^|\/dev)\/(?:vfio\/|infiniband\/|uio[0-9]|nvme[0-9]|ng[0-9])/;

const isCandidate = (target: string): boolean =>
  target.startsWith("/dev/") ? !plainNode.test(target) : foreignNode.test(target);

function keyOf({ path }: OpenFile): string | null {
  try {
    // Through the descriptor, so that the node itself need not be visible to us.
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? null : nodeKeyOf(stat);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null; // closed meanwhile, or not ours to see
  }
}

/** Newer kernels say which device an open vfio device file is (6.17: `vfio-device-syspath`). */
function functionOfDeviceFile(paths: LinuxPaths, pid: number, { path }: OpenFile): string | null {
  const descriptor = path.slice(path.lastIndexOf("/") + 1);
  const text = new TreeReader().textIfThere(`${paths.proc}/${pid}/fdinfo/${descriptor}`, [
    "EACCES",
    "ESRCH",
  ]);
  return /^vfio-device-syspath:\s*\S*\/(\S+)$/m.exec(text ?? "")?.[1] ?? null;
}

/** DPDK keeps its runtime's configuration open: the folder is what `--file-prefix` says. */
function dpdkSign(files: readonly OpenFile[]): string | null {
  for (const { path, target } of files) {
    const prefix = /\/dpdk\/([^/]+)\/config$/.exec(target)?.[1];
    if (prefix !== undefined)
      return `it runs DPDK with file prefix ${prefix}: ${path} -> ${target}`;
  }
  return null;
}

type Holding = { readonly address: Address; readonly file: OpenFile };

/** What a process that holds something is to people: a VM, a container, or itself. */
function usersOf(
  paths: LinuxPaths,
  process: Process,
  {
    holdings,
    files,
  }: { readonly holdings: readonly Holding[]; readonly files: readonly OpenFile[] },
): User[] {
  const container = isVmm(process) ? null : containerOf(paths, process.pid);
  const dpdk = dpdkSign(files);
  const moreEvidence = [
    ...(container === null ? [] : [`${container.words} and runs ${commandOf(process)}`]),
    ...(dpdk === null ? [] : [dpdk]),
  ];
  return holdings.map(({ address, file }) => {
    const owner = ownerOfProcess(process, `${file.path} -> ${file.target}`);
    const named =
      container === null ? owner : { ...owner, kind: "container" as const, name: container.name };
    return { address, owner: moreEvidence.length === 0 ? named : { ...named, moreEvidence } };
  });
}

const unseenOwner = (numHidden: number): User["owner"] => ({
  kind: "unknown",
  name: "unseen-process",
  pid: null,
  evidence: `bound for user space, and ${numHidden} processes cannot be looked into by this user`,
});

export function nodeHolders(
  paths: LinuxPaths,
  functions: readonly CensusFunction[],
  processes: readonly Process[],
): User[] {
  const holdable = holdableByVfio(paths, functions);
  const nodes = deviceNodes(paths, functions, holdable);
  // Whom nobody may look at may hold any of these: unknown is in use.
  const forUserSpace = [...holdable, ...functions.filter(({ driver }) => isUioDriver(driver))];
  if (nodes.size === 0 && forUserSpace.length === 0) return [];
  const byVfio = new Set(holdable.map(({ address }) => address));
  const users: User[] = [];
  let numHidden = 0;
  for (const process of processes) {
    const { files, isHidden } = readOpenFiles(paths.proc, process.pid);
    if (isHidden) numHidden++;
    const holdings = files.flatMap((file): Holding[] => {
      if (file.target === "anon_inode:[vfio-device]") {
        const address = functionOfDeviceFile(paths, process.pid, file);
        return address !== null && byVfio.has(address) ? [{ address, file }] : [];
      }
      const key = isCandidate(file.target) ? keyOf(file) : null;
      return (nodes.get(key ?? "") ?? []).map((address) => ({ address, file }));
    });
    if (holdings.length > 0) users.push(...usersOf(paths, process, { holdings, files }));
  }
  const held = new Set(users.map(({ address }) => address));
  const unseen = numHidden === 0 ? [] : forUserSpace.filter(({ address }) => !held.has(address));
  return [...users, ...unseen.map(({ address }) => ({ address, owner: unseenOwner(numHidden) }))];
}
