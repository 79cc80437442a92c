// The sysfs write behind each request: one file, one write() call, because the kernel takes the
// whole value from a single call. Nothing is checked first: the kernel decides, and its errno is
// the answer.

import { closeSync, constants, openSync, writeSync } from "node:fs";
import type { Address } from "../../model/bdf.ts";
import type { HostRequest } from "../host.ts";
import { functionFile, type LinuxPaths } from "./paths.ts";
import { errnoOf, TreeReader } from "./tree-reader.ts";

/** Requests that are one write to sysfs. All of them can wait for a lock that a stuck writer
 * holds, `setDriversAutoprobe` excepted (drivers/pci/iov.c sriov_drivers_autoprobe_store()). */
export type SysfsRequest = Extract<
  HostRequest,
  {
    verb:
      | "setNumVfs"
      | "setDriversAutoprobe"
      | "setDriverOverride"
      | "unbind"
      | "probe"
      | "setMsixCount"
      | "reset";
  }
>;

type SysfsWrite = { readonly path: string; readonly text: string };

export type WriteResult =
  | { readonly isDone: true }
  /** `step` tells a file that is not there from a kernel that refuses. */
  | { readonly isDone: false; readonly step: "open" | "write"; readonly errno: string };

export function writeOf(paths: LinuxPaths, request: SysfsRequest): SysfsWrite {
  const file = (address: Address, name: string): string => functionFile(paths, address, name);
  switch (request.verb) {
    case "setNumVfs":
      return { path: file(request.pf, "sriov_numvfs"), text: String(request.numVfs) };
    case "setDriversAutoprobe":
      return { path: file(request.pf, "sriov_drivers_autoprobe"), text: request.isOn ? "1" : "0" };
    case "setDriverOverride":
      // A lone newline clears it (drivers/base/driver.c driver_set_override()).
      return { path: file(request.address, "driver_override"), text: request.driver ?? "\n" };
    case "unbind":
      return { path: file(request.address, "driver/unbind"), text: request.address };
    case "probe":
      return { path: paths.pciDriversProbe, text: request.address };
    case "setMsixCount":
      return {
        path: file(request.address, "sriov_vf_msix_count"),
        text: String(request.msixCount),
      };
    case "reset":
      return { path: file(request.address, "reset"), text: "1" };
  }
}

export function writeSysfs({ path, text }: SysfsWrite): WriteResult {
  let step: "open" | "write" = "open";
  try {
    const fd = openSync(path, constants.O_WRONLY);
    try {
      step = "write";
      writeSync(fd, text);
    } finally {
      closeSync(fd);
    }
    return { isDone: true };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === null) throw error;
    return { isDone: false, step, errno };
  }
}

/** The PF that a request touches: its own, or the one above the VF that it names. */
export function pfOf(paths: LinuxPaths, request: SysfsRequest): Address {
  if ("pf" in request) return request.pf;
  const target = new TreeReader().link(functionFile(paths, request.address, "physfn"));
  return target === null ? request.address : target.slice(target.lastIndexOf("/") + 1);
}
