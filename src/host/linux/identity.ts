// Which machine and which boot this is, and the kernel's release.

import type { HostIdentity } from "../../model/inventory.ts";
import type { LinuxPaths } from "./paths.ts";
import { type FileSource, TreeReader } from "./tree-reader.ts";

export function readIdentity(paths: LinuxPaths, name: string, files: FileSource): HostIdentity {
  const reader = new TreeReader(files);
  const text = (path: string): string | null => reader.textIfThere(path, ["EACCES"]) || null;
  return {
    name,
    isWritable: paths.isLive,
    machineId: text(paths.machineId),
    bootId: text(paths.bootId),
    kernelRelease: text(paths.kernelRelease),
  };
}
