// Loads a kernel module by modprobe, which knows aliases, options and dependencies. Loading runs
// the module's own code and may take long, so it has a deadline like any other request.

import { spawn } from "node:child_process";
import { SriovError } from "../../model/errors.ts";
import type { RequestOutcome } from "../host.ts";

const failure = (module: string, because: string): SriovError =>
  new SriovError("kernel-refused", `Cannot load module ${module}: ${because}`, {
    operation: "load module",
    target: module,
    hint: "Check that the module belongs to the running kernel",
  });

const moduleName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
/** file2alias.c do_pci_entry(), with a value in every field, as in `modalias`. */
const pciAlias =
  /^pci:v[0-9A-F]{8}d[0-9A-F]{8}sv[0-9A-F]{8}sd[0-9A-F]{8}bc[0-9A-F]{2}sc[0-9A-F]{2}i[0-9A-F]{2}$/;

export const isLoadable = (name: string): boolean => moduleName.test(name) || pciAlias.test(name);

/** Throws SriovError with modprobe's own words when the module does not load. */
export function loadModule(module: string, deadlineMs: number): Promise<RequestOutcome> {
  if (!isLoadable(module)) {
    return Promise.reject(failure(module, "it is no module name"));
  }
  return new Promise((resolve, reject) => {
    const child = spawn("modprobe", ["--", module], {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    let words = "";
    const timer = setTimeout(() => {
      child.stderr.destroy();
      child.unref();
      resolve({ status: "stuck", pid: child.pid ?? null });
    }, deadlineMs);
    child.stderr.setEncoding("utf8").on("data", (text: string) => (words += text));
    child.on("error", () => {
      clearTimeout(timer);
      reject(failure(module, "modprobe cannot be started"));
    });
    child.on("close", (exitCode) => {
      clearTimeout(timer);
      if (exitCode === 0) resolve({ status: "done" });
      else reject(failure(module, words.trim() || `modprobe ended with ${exitCode}`));
    });
  });
}
