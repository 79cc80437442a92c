// `decode` as people and programs meet it: the promised JSON, exit codes, files that are not
// dumps. What the decode itself says is tested in pci/ and on device dumps in test/.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runProgram, temporaryDirectory } from "../../test/run-program.ts";
import { parseBdf } from "../model/bdf.ts";
import { parseDump } from "../pci/dump.ts";
import { decodeFunction } from "../pci/decode-function.ts";
import { findExtendedCapability } from "../pci/function-config.ts";
import { enabledVfAddresses } from "./decode-json.ts";
import { sriovLines, vfRanges } from "./decode-sriov-text.ts";

const machines = join(import.meta.dirname, "..", "..", "test", "machines");
const igb = join(machines, "igb-7-vfs.txt");

type Entry = Record<string, unknown> & {
  readonly extendedCapabilities: readonly Record<string, unknown>[];
};

async function decodeJson(...files: readonly string[]): Promise<Entry[]> {
  const { stdout } = await runProgram(["decode", "--json", ...files]);
  return JSON.parse(stdout) as Entry[];
}

test("--json is one array over all files, with the same fields in every entry", async () => {
  const entries = await decodeJson(igb, join(machines, "platform.txt"));
  assert.equal(entries.length, 3 + 5);
  const fields =
    "file address length vendor device revision headerType class capabilities extendedCapabilities problems";
  for (const entry of entries) assert.deepEqual(Object.keys(entry).join(" "), fields);
  assert.partialDeepStrictEqual(entries[0], {
    file: igb,
    address: "0000:01:00.0",
    length: 4096,
    vendor: 0x8086,
    device: 0x10c9,
    revision: 1,
    headerType: 0,
    class: 0x020000,
  });
});

test("--json says all of SR-IOV, with the addresses of the VFs that are on", async () => {
  const [pf] = await decodeJson(igb);
  const sriov = pf?.extendedCapabilities.find(({ id }) => id === 0x10);
  assert.deepEqual(sriov, {
    id: 16,
    version: 1,
    name: "Single Root I/O Virtualization (SR-IOV)",
    offset: 0x160,
    capabilities: 0,
    control: 0x19,
    status: 0,
    vfEnable: true,
    vfMse: true,
    ariCapableHierarchy: true,
    ariCapableHierarchyPreserved: false,
    vf10BitTagRequester: false,
    vfMigrationCapable: false,
    initialVfs: 8,
    totalVfs: 8,
    numVfs: 7,
    functionDependencyLink: 0,
    firstVfOffset: 0x80,
    vfStride: 2,
    vfDeviceId: 0x10ca,
    supportedPageSizes: 0x553,
    systemPageSize: 1,
    vfBars: [
      { index: 0, address: 0xfe800000, width: 64, prefetchable: true },
      { index: 3, address: 0xfe820000, width: 64, prefetchable: true },
    ],
    vfMigrationStateArrayOffset: 0,
    vfAddresses: [0, 2, 4, 6, 8, 10, 12].map(
      (step) => `0000:01:${(0x10 + (step >> 3)).toString(16)}.${step & 7}`,
    ),
  });
});

const pfBytes = (): Uint8Array =>
  parseDump(readFileSync(igb), null).functions[0]?.bytes ?? new Uint8Array();

test("a binary config takes its address from its folder, else it is null", async (context) => {
  const directory = temporaryDirectory(context);
  const folder = join(directory, "0000:81:00.0");
  mkdirSync(folder);
  const paths = [join(folder, "config"), join(directory, "config")];
  for (const path of paths) writeFileSync(path, pfBytes());
  const [known, unknown] = await decodeJson(...paths);
  const addressesOf = (entry: Entry | undefined): unknown =>
    entry?.extendedCapabilities.find(({ id }) => id === 0x10)?.["vfAddresses"];
  assert.equal(known?.["address"], "0000:81:00.0");
  assert.equal((addressesOf(known) as string[])[0], "0000:81:10.0");
  assert.equal(unknown?.["address"], null);
  assert.equal(addressesOf(unknown), null);
});

test("SR-IOV that is cut off keeps its place, its fields unknown", async (context) => {
  const path = join(temporaryDirectory(context), "config");
  writeFileSync(path, pfBytes().subarray(0, 0x180));
  const [pf] = await decodeJson(path);
  const sriov = pf?.extendedCapabilities.find(({ id }) => id === 0x10);
  assert.partialDeepStrictEqual(sriov, { offset: 0x160, totalVfs: null, vfBars: null });
  assert.match(JSON.stringify(pf?.["problems"]), /"code":"truncated","where":"0x160"/);
});

test("64-bit addresses are JSON numbers with all their digits", async (context) => {
  const path = join(temporaryDirectory(context), "config");
  const bytes = pfBytes();
  bytes.fill(0xff, 0x188, 0x18c);
  writeFileSync(path, bytes);
  const { stdout } = await runProgram(["decode", "--json", path]);
  assert.match(stdout, /"address": 18446744073684385792,/);
});

test("a file that is no dump is a problem and exit code 2; the others are decoded", async (context) => {
  const prose = join(temporaryDirectory(context), "prose");
  writeFileSync(prose, "no bytes here\n");
  const argv = ["decode", "/nonexistent", prose, machines, igb];
  const { exitCode, stdout, stderr } = await runProgram(argv);
  assert.equal(exitCode, 2);
  assert.match(stderr, /^error: Cannot read \/nonexistent: no such file$/m);
  assert.match(stderr, /^error: Cannot read .*machines: it is a folder$/m);
  assert.match(stderr, /^error: .*prose: The file holds no config bytes/m);
  assert.match(stdout, /7 of 8 VFs on/);
  const codes = (await decodeJson("/nonexistent", prose)).map(({ problems }) =>
    (problems as { code: string }[]).map(({ code }) => code),
  );
  assert.deepEqual(codes, [["file-unreadable"], ["dump-empty"]]);
  assert.equal((await runProgram(["decode", igb])).exitCode, 0);
  assert.equal((await runProgram(["decode"])).exitCode, 2);
});

test("VFs over several buses are shown as one range a bus, those past bus ff as missing", () => {
  const sriov = findExtendedCapability(decodeFunction(pfBytes()), "sriov");
  const pf = parseBdf("0000:fe:00.0");
  assert(sriov !== null && pf !== null);
  const many = { ...sriov, totalVfs: 600, numVfs: 600, firstVfOffset: 0x80, vfStride: 1 };
  assert.deepEqual(vfRanges(pf, many, 600), [
    { firstIndex: 0, lastIndex: 127 },
    { firstIndex: 128, lastIndex: 383 },
  ]);
  assert.deepEqual(sriovLines(pf, many).slice(1, 4), [
    "VF 0-127: 0000:fe:10.0 to 0000:fe:1f.7",
    "VF 128-383: 0000:ff:00.0 to 0000:ff:1f.7",
    "from VF 384 on: past bus ff",
  ]);
  assert.equal(enabledVfAddresses(pf, many)?.length, 384);
  const off = { ...sriov, vfEnable: false, vfMse: false };
  assert.match(sriovLines(pf, off)[0] ?? "", /^VFs off, 8 possible/);
  assert.equal(
    sriovLines(pf, off)[1],
    "if on, VF 0-7: 0000:fe:10.0 to 0000:fe:11.6, in steps of 2",
  );
  assert.deepEqual(enabledVfAddresses(pf, off), []);
});
