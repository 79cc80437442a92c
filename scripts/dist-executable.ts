// The single executable: Node's own binary with the bundle, V8's compiled code and the examples in a
// note section (Node's "single executable application"). Everything is read from the mapped
// executable: nothing is unpacked, so it runs without a folder that it may write to.

import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exampleNames } from "../src/cli/commands/demo.ts";
import { moduleEnd, moduleStart } from "./build.ts";

/** What scripts/build.ts's starter does, from assets instead of files. */
const starter = `"use strict";
const { getRawAsset } = require("node:sea");
const { Script } = require("node:vm");
const bundle = Buffer.from(getRawAsset("sriovctl.cjs")).latin1Slice();
let cachedData;
try {
  cachedData = Buffer.from(getRawAsset("sriovctl.v8"));
} catch {
  // Built on another architecture: slower to start, but the same program.
}
const script = new Script("${moduleStart}" + bundle + "${moduleEnd}", { filename: "sriovctl.cjs", cachedData });
script.runInThisContext()(exports, require, module, "sriovctl.cjs", __dirname);
`;

// Offsets in the header of a 64-bit ELF file and in its program headers (elf(5)).
const elf = { phoff: 32, shoff: 40, phentsize: 54, phnum: 56, shnum: 60, shstrndx: 62 } as const;
const programHeader = { offset: 8, fileSize: 32 } as const;

/**
 * An executable without what the kernel and the dynamic linker do not load: symbols and debug
 * information stand behind the segments in the file. As strip(1), which not every machine has.
 */
export function stripElf(bytes: Uint8Array): Buffer {
  const file = Buffer.from(bytes);
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) {
    throw new Error("Cannot strip: this is no 64-bit little-endian ELF file");
  }
  const start = Number(file.readBigUInt64LE(elf.phoff));
  const size = file.readUInt16LE(elf.phentsize);
  const count = file.readUInt16LE(elf.phnum);
  let end = start + size * count;
  for (let index = 0; index < count; index++) {
    const at = start + index * size;
    const offset = Number(file.readBigUInt64LE(at + programHeader.offset));
    end = Math.max(end, offset + Number(file.readBigUInt64LE(at + programHeader.fileSize)));
  }
  if (end > file.length) {
    throw new Error(`Cannot strip: segments end at ${end}, the file at ${file.length}`);
  }
  file.writeBigUInt64LE(0n, elf.shoff);
  file.writeUInt16LE(0, elf.shnum);
  file.writeUInt16LE(0, elf.shstrndx);
  return file.subarray(0, end);
}

type ExecutableFacts = {
  /** Where `buildPackage()` left the package. */
  readonly folder: string;
  /** Node's own executable, of the same version as the one that runs this. */
  readonly node: Uint8Array;
  /** As `process.arch`. */
  readonly arch: string;
};

/** Writes the executable to `output`. */
export function buildExecutable(facts: ExecutableFacts, output: string): void {
  const { folder, arch } = facts;
  const work = `${output}.build`;
  mkdirSync(work, { recursive: true });
  const node = join(work, "node");
  writeFileSync(node, stripElf(facts.node), { mode: 0o755 });
  writeFileSync(join(work, "main.cjs"), starter);
  const examples = exampleNames.map((name) => `examples/${name}`);
  // V8 of another architecture takes no compiled code of this one.
  const compiled = arch === process.arch ? ["sriovctl.v8"] : [];
  const assets = ["sriovctl.cjs", ...compiled, ...examples];
  const config = {
    // Its path stands in the executable, which shall be the same wherever it is built.
    main: "main.cjs",
    executable: node,
    output,
    disableExperimentalSEAWarning: true,
    // A root tool takes no options of Node from the environment (NODE_OPTIONS).
    execArgvExtension: "none",
    assets: Object.fromEntries(assets.map((name) => [name, join(folder, name)])),
  };
  writeFileSync(join(work, "sea.json"), JSON.stringify(config));
  rmSync(output, { force: true });
  const { status, stderr } = spawnSync(process.execPath, ["--build-sea", join(work, "sea.json")], {
    encoding: "utf8",
    cwd: work,
    env: { PATH: process.env["PATH"] },
  });
  if (status !== 0) throw new Error(`Cannot build the executable: ${stderr}`);
  rmSync(work, { recursive: true });
}
