// Reads `config` files. The kernel makes such a read wait while it changes the function (100 ms of
// an enable, 1 s of a disable, a reset until the device answers: drivers/pci/access.c
// pci_wait_cfg()), so a PF's is read beside the main thread and given up after a deadline.

import { close, closeSync, constants, fstatSync, openSync, read, readSync } from "node:fs";
import type { ReadRegister } from "./config-facts.ts";
import { hasSriovCapability } from "./config-facts.ts";
import { errnoOf } from "./tree-reader.ts";

export const configBytesMax = 4096;

export type ConfigRead =
  | { readonly status: "read"; readonly bytes: Uint8Array }
  /** Not answered in time: somebody is changing the function. */
  | { readonly status: "late" }
  | { readonly status: "failed"; readonly errno: string };

const openFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** A config file of a captured tree. */
export function readPlainFile(path: string): ConfigRead {
  try {
    const fd = openSync(path, openFlags);
    try {
      const bytes = new Uint8Array(configBytesMax);
      return { status: "read", bytes: bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0)) };
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return { status: "failed", errno: errnoOf(error) ?? "unknown error" };
  }
}

/** One config file; the read itself happens on a thread of the pool. */
function startRead(path: string, done: (outcome: ConfigRead) => void): void {
  let fd: number;
  try {
    fd = openSync(path, openFlags);
  } catch (error) {
    done({ status: "failed", errno: errnoOf(error) ?? "unknown error" });
    return;
  }
  const bytes = new Uint8Array(configBytesMax);
  read(fd, bytes, 0, configBytesMax, 0, (error, length) => {
    close(fd, () => {});
    if (error !== null) done({ status: "failed", errno: errnoOf(error) ?? "unknown error" });
    else done({ status: "read", bytes: bytes.subarray(0, length) });
  });
}

/** Config space of each path, in order, all read at the same time. */
export function readConfigs(
  paths: readonly string[],
  deadlineMs: number,
): Promise<readonly ConfigRead[]> {
  const outcomes: ConfigRead[] = paths.map(() => ({ status: "late" }));
  if (paths.length === 0) return Promise.resolve(outcomes);
  return new Promise((resolve) => {
    let waitingFor = paths.length;
    // On a starved machine the timer is looked at before reads that came back long ago are: theirs is
    // the next turn, and who is late then is late.
    const timer = setTimeout(() => setImmediate(() => resolve([...outcomes])), deadlineMs);
    paths.forEach((path, index) => {
      startRead(path, (outcome) => {
        outcomes[index] = outcome;
        waitingFor--;
        if (waitingFor > 0) return;
        clearTimeout(timer);
        resolve(outcomes);
      });
    });
  });
}

/** Whether a function that the kernel offers no VFs for has the SR-IOV capability all the same.
 * Reads four bytes per capability; false when its config space cannot be read that far. */
export function hidesSriov(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, openFlags);
  } catch {
    return false; // unreadable is "not known to hide": the function is no PF then
  }
  try {
    // sysfs gives a function without extended config space 256 bytes.
    if (fstatSync(fd).size <= 0x100) return false;
    const word = new Uint8Array(4);
    const view = new DataView(word.buffer);
    const readRegister: ReadRegister = (offset) =>
      readSync(fd, word, 0, 4, offset) === 4 ? view.getUint32(0, true) : null;
    return hasSriovCapability(readRegister);
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}
