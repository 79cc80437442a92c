// What a measurement has to say of the machine it ran on: programs and versions, processors, load,
// and whether machine or NIC are real.

import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { cpus, hostname, loadavg, release } from "node:os";
import type { BenchHost } from "../measured-run.ts";
import { findProgram, runTool } from "./tool.ts";

const used =
  "ip iperf3 sockperf ping ethtool taskset qemu-system-x86_64 ldd insmod dpdk-testpmd stdbuf".split(
    " ",
  );

export const foundPrograms = (): ReadonlySet<string> =>
  new Set(used.filter((name) => findProgram(name) !== null));

const versionWords: readonly (readonly [name: string, options: string, pattern: RegExp])[] = [
  ["iperf3", "--version", /^iperf (\S{1,40})/m],
  ["sockperf", "--version", /version #?(\S{1,40})/],
  ["ping", "-V", /(\S{1,40})\s*$/m],
  ["qemu-system-x86_64", "--version", /version (\S{1,40})/],
  ["dpdk-testpmd", "-v --help", /RTE Version: 'DPDK ([^']{1,40})'/],
  ["ip", "-V", /(iproute2\S{1,40})/],
];

export async function toolVersions(): Promise<(readonly [string, string])[]> {
  const programs = foundPrograms();
  const found: (readonly [string, string])[] = [];
  for (const [name, options, pattern] of versionWords) {
    if (!programs.has(name)) continue;
    const { stdout, stderr } = await runTool([name, ...options.split(" ")], {
      timeoutMs: 30_000,
    });
    const version = pattern.exec(`${stdout}${stderr}`)?.[1]?.replace(/,$/, "");
    found.push([name, version ?? "of unknown version"]);
  }
  return found;
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}

export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** null: none is set. */
export function driverOverrideOf(address: string): string | null {
  const text = readOr(`/sys/bus/pci/devices/${address}/driver_override`, "").trim();
  return text === "" || text === "(null)" ? null : text;
}

/** As the kernel lists them: `0-3,8`. */
export const onlineProcessors = (): string =>
  readOr("/sys/devices/system/cpu/online", `0-${cpus().length - 1}`).trim();

function numaNodes(): number {
  try {
    const names = readdirSync("/sys/devices/system/node");
    return names.filter((name) => /^node\d+$/.test(name)).length;
  } catch {
    return 1;
  }
}

/** A guest's clock, interrupts and NICs are somebody's software. */
function machineEmulation(): string[] {
  if (!/^flags\s*:.*\bhypervisor\b/m.test(readOr("/proc/cpuinfo", ""))) return [];
  const dmi = (name: string): string => readOr(`/sys/class/dmi/id/${name}`, "").trim();
  const model = [dmi("sys_vendor"), dmi("product_name")].filter(Boolean).join(" ").slice(0, 100);
  return [`This machine is a guest itself${model === "" ? "" : ` (${model})`}`];
}

export const loadNow = (): number => loadavg()[0] ?? 0;

/** Of the host before the first round; `pfEmulation` says which PFs are no hardware. */
export function surroundings(
  pfEmulation: readonly string[],
): Omit<BenchHost, "idleProcessorsBusy" | "loadAfter"> {
  const processors = cpus();
  return {
    name: hostname(),
    kernelRelease: release(),
    processorModel: (processors[0]?.model ?? "unknown processor").trim().slice(0, 200),
    processors: processors.length,
    numaNodes: numaNodes(),
    emulation: [...machineEmulation(), ...pfEmulation],
    loadBefore: loadNow(),
  };
}
