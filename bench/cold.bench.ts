// What a cold `sriovctl list --json` of the published bundle costs: on a tree of 8 PFs of 128 VFs
// against one `lspci -Dnnk` of the same tree, and on 2 PFs of 16 VFs against an empty Node 26.
// Interleaved rounds, CPU time of the child processes as the kernel accounts it.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildPackage } from "../scripts/build.ts";
import { nicHost, writeFakeSysfs } from "../test/fake-sysfs.ts";
import { compareCpuMs } from "./child-cpu.ts";
import { printRows, type BenchRow } from "./row.ts";

function row(what: string, peer: string, limit: number, pair: readonly [number, number]): BenchRow {
  const [ours, theirs] = pair;
  const ratio = ours / theirs;
  const measured = `${ratio.toFixed(2)} x (${ours.toFixed(0)} ms, ${peer} ${theirs.toFixed(0)} ms)`;
  return { what, measured, goal: `<= ${limit.toFixed(1)} x ${peer}`, isMet: ratio <= limit };
}

const cli = await buildPackage();
const folder = mkdtempSync("/dev/shm/sriovctl-bench-");
try {
  const [large, small] = [join(folder, "large"), join(folder, "small")];
  writeFakeSysfs(large, nicHost(8, 128));
  writeFakeSysfs(small, nicHost(2, 16));
  const list = (root: string): string[] => [
    process.execPath,
    cli,
    "--host",
    `linux:${root}`,
    "list",
    "--json",
  ];
  const lspci = ["lspci", "-O", `sysfs.path=${join(large, "sys/bus/pci")}`, "-Dnnk"];
  const empty = [process.execPath, "-e", "0"];
  printRows([
    row("cold list, 8 PFs x 128 VFs", "lspci -Dnnk", 1, compareCpuMs(list(large), lspci)),
    row("cold list, 2 PFs x 16 VFs", "empty Node", 2, compareCpuMs(list(small), empty)),
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
