// How long the inventory of host/linux takes on 8 PFs of 128 VFs in a tree of its own: warm, against
// a C reader with the same system calls and against one `lspci -Dnnk` process; and how many system
// calls a VF costs. Rounds are interleaved, CPU time, the best of each side counts.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Inventory } from "../src/model/inventory.ts";
import { LinuxHost } from "../src/host/linux/linux-host.ts";
import { nicHost, writeFakeSysfs } from "../test/fake-sysfs.ts";
import { printRows, type BenchRow } from "./row.ts";

const numPfs = 8;
const vfsPerPf = 128;
const numVfs = numPfs * vfsPerPf;
const rounds = 15;
/** Inventories that each side makes in a round. */
const inventoriesPerRound = 6;

function output(command: string, words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, words, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`${command} ${words.join(" ")}: ${stderr}`);
  return stdout;
}

const hasCommand = (name: string): boolean => spawnSync(name, ["--version"]).error === undefined;

/** FNV-1a over one record a VF, as inventory-reader.c makes it. */
function hashOf({ physicalFunctions }: Inventory): string {
  let hash = 14695981039346656037n;
  for (const { virtualFunctions } of physicalFunctions) {
    for (const { address, driver, iommuGroup, netdevs } of virtualFunctions) {
      const [netdev] = netdevs;
      const fields = [address, driver, iommuGroup, netdev?.name];
      for (const byte of Buffer.from(`${fields.join(" ")}\n`)) {
        hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 1099511628211n);
      }
    }
  }
  return hash.toString(16).padStart(16, "0");
}

const optionsOf = (netdevAttributes: boolean) => ({
  census: false,
  netdevAttributes,
  detailOf: [],
  only: null,
});

const openHost = (root: string): LinuxHost =>
  new LinuxHost({ root, runDirectory: join(root, "run") });

type Figures = {
  readonly oursMs: number;
  readonly cMs: number;
  readonly lspciMs: number;
  readonly isSame: boolean;
};

async function measure(root: string, reader: string, netdevAttributes: boolean): Promise<Figures> {
  const host = openHost(root);
  const options = optionsOf(netdevAttributes);
  const lspci = ["lspci", "-O", `sysfs.path=${root}/sys/bus/pci`, "-Dnnk"];
  const hashes = new Set([hashOf(await host.inventory(options))]);
  let [oursMs, cMs, lspciMs] = [Infinity, Infinity, Infinity];
  for (let round = 0; round < rounds; round++) {
    for (let inventory = 0; inventory < inventoriesPerRound; inventory++) {
      const before = process.cpuUsage();
      await host.inventory(options);
      const { user, system } = process.cpuUsage(before);
      oursMs = Math.min(oursMs, (user + system) / 1000);
    }
    const words = ["read", root, String(inventoriesPerRound), netdevAttributes ? "1" : "0"];
    const [us = "", hash = ""] = output(reader, words).trim().split(" ");
    cMs = Math.min(cMs, Number(us) / 1000);
    hashes.add(hash);
    lspciMs = Math.min(lspciMs, Number(output(reader, ["run", ...lspci])) / 1000);
  }
  await host.close();
  return { oursMs, cMs, lspciMs, isSame: hashes.size === 1 };
}

type SystemCalls = { readonly perVf: number; readonly vfConfigReads: number };

const tracedCalls = (command: readonly string[], file: string): string[] => {
  output("strace", ["-f", "-qq", "-o", file, ...command]);
  return readFileSync(file, "utf8").split("\n");
};

/** System calls of one inventory: those of three in a process less those of one, halved. */
function countSystemCalls(root: string, folder: string, netdevAttributes: boolean): SystemCalls {
  const lines = [1, 3].map((times) => {
    const words = [import.meta.filename, "--read", root, String(times), String(netdevAttributes)];
    return tracedCalls([process.execPath, ...words], join(folder, "strace"));
  });
  const [once, thrice] = lines.map((each) => countCalls(each, root));
  const vfConfig = new RegExp(`${vfFolder}/config"`);
  return {
    perVf: ((thrice ?? 0) - (once ?? 0)) / 2 / numVfs,
    vfConfigReads: (lines[0] ?? []).filter((line) => vfConfig.test(line)).length,
  };
}

/** VFs of nicHost() are at device 02 and above of their bus. */
const vfFolder = "0000:[1-2][0-9a-f]:(?:0[2-9a-f]|1[0-9a-f])\\.[0-7]";

/** Calls that serve files: by name, and by the descriptors that were opened that way. */
function countCalls(lines: readonly string[], root: string): number {
  const serving = new Set<string>();
  let count = 0;
  for (const line of lines) {
    const opened = /open(?:at)?\(.*"([^"]*)".* = (\d+)$/.exec(line);
    if (opened?.[1]?.startsWith(root) === true) serving.add(opened[2] ?? "");
    const descriptor = /^\d+ +\w+\((\d+)/.exec(line)?.[1];
    const isOurs =
      line.includes(`"${root}`) || (descriptor !== undefined && serving.has(descriptor));
    if (!isOurs) continue;
    count++;
    if (/^\d+ +close\(/.test(line) && descriptor !== undefined) serving.delete(descriptor);
  }
  return count;
}

/** The child of countSystemCalls(). */
async function readTimes(root: string, times: number, netdevAttributes: boolean): Promise<void> {
  const host = openHost(root);
  for (let time = 0; time < times; time++) await host.inventory(optionsOf(netdevAttributes));
  await host.close();
}

function ratioRow(what: string, pair: readonly [number, number], goal: string, limit: number) {
  const [ours, other] = pair;
  const ratio = ours / other;
  const measured = `${ratio.toFixed(2)} (${ours.toFixed(1)} / ${other.toFixed(1)} ms)`;
  return { what, measured, goal, isMet: ratio <= limit };
}

async function rowsOf(root: string, folder: string): Promise<BenchRow[]> {
  const reader = join(folder, "inventory-reader");
  output("cc", ["-O2", "-o", reader, join(import.meta.dirname, "inventory-reader.c")]);
  const size = `${numPfs} PFs x ${vfsPerPf} VFs`;
  const rows: BenchRow[] = [];
  for (const [netdevs, callsMax] of [
    [true, 8],
    [false, 2],
  ] as const) {
    const words = netdevs ? "with netdev attributes" : "without";
    const { oursMs, cMs, lspciMs, isSame } = await measure(root, reader, netdevs);
    if (!isSame) throw new Error("The C reader and the inventory do not find the same VFs");
    const what = `warm inventory, ${size}, ${words}`;
    rows.push(ratioRow(`${what} / C reader`, [oursMs, cMs], "<= 1.6", 1.6));
    rows.push(ratioRow(`${what} / lspci -Dnnk`, [oursMs, lspciMs], "<= 0.35", 0.35));
    const calls = countSystemCalls(root, folder, netdevs);
    rows.push({
      what: `system calls a VF, ${words}`,
      measured: calls.perVf.toFixed(2),
      goal: `<= ${callsMax}`,
      isMet: calls.perVf <= callsMax,
    });
    rows.push({
      what: `reads of a VF's config, ${words}`,
      measured: String(calls.vfConfigReads),
      goal: "0",
      isMet: calls.vfConfigReads === 0,
    });
  }
  return rows;
}

const [mode, ...words] = process.argv.slice(2);
if (mode === "--read") {
  const [root = "/", times, netdevs] = words;
  await readTimes(root, Number(times), netdevs === "true");
} else {
  const missing = ["cc", "lspci", "strace"].filter((name) => !hasCommand(name));
  if (missing.length > 0) {
    const measured = `not here: ${missing.join(", ")} missing`;
    printRows([{ what: "warm inventory", measured, goal: "<= 1.6 x C", isMet: null }]);
  } else {
    const folder = mkdtempSync(join(tmpdir(), "sriovctl-bench-"));
    try {
      const root = join(folder, "host");
      writeFakeSysfs(root, nicHost(numPfs, vfsPerPf));
      printRows(await rowsOf(root, folder));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
