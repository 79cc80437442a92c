// What people download and wait for: sizes of the released files, and a cold start of the single
// executable against an empty Node 26 and lspci, on a tree of 2 PFs of 16 VFs and on this machine.
// Interleaved rounds, CPU time of the child processes as the kernel accounts it.

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { buildRelease, type Release } from "../scripts/dist.ts";
import { nicHost, writeFakeSysfs } from "../test/fake-sysfs.ts";
import { compareCpuMs } from "./child-cpu.ts";
import { printRows, type BenchRow } from "./row.ts";

const sizeRow = (what: string, bytes: number): BenchRow => {
  return { what, measured: `${(bytes / 2 ** 20).toFixed(1)} MiB`, goal: "-", isMet: null };
};

function sizeRows({ executable, archive, npmPackage, debian, debianFiles }: Release): BenchRow[] {
  const installed = debianFiles.reduce((sum, { content }) => sum + content.length, 0);
  return [
    ...(debian === null ? [] : [sizeRow("Debian package", statSync(debian).size)]),
    sizeRow("what it installs", installed),
    sizeRow("single executable", statSync(executable).size),
    sizeRow("tar.gz", statSync(archive).size),
    sizeRow("npm package, without Node", statSync(npmPackage).size),
  ];
}

function startRow(what: string, peer: string, ours: readonly string[], theirs: readonly string[]) {
  const [our, their] = compareCpuMs(ours, theirs);
  const measured = `${(our / their).toFixed(2)} x (${our.toFixed(0)} ms, ${peer} ${their.toFixed(0)} ms)`;
  return { what, measured, goal: "-", isMet: null };
}

const release = await buildRelease();
const folder = mkdtempSync("/dev/shm/sriovctl-bench-");
try {
  writeFakeSysfs(folder, nicHost(2, 16));
  const { executable } = release;
  const list = [executable, "--host", `linux:${folder}`, "list", "--json"];
  const lspci = ["lspci", "-O", `sysfs.path=${join(folder, "sys/bus/pci")}`, "-Dnnk"];
  const empty = [process.execPath, "-e", "0"];
  printRows([
    ...sizeRows(release),
    startRow("--version of the executable", "empty Node", [executable, "--version"], empty),
    startRow("list, 2 PFs x 16 VFs", "empty Node", list, empty),
    startRow("list, 2 PFs x 16 VFs", "lspci -Dnnk", list, lspci),
    startRow("list of this machine", "empty Node", [executable, "list", "--json"], empty),
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
