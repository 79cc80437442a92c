// Our decode against the lspci that is installed here, on the project's dumps and on functions
// drawn at random and encoded by us. Skips with a reason without lspci; with CI set it fails.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { formatBdf } from "../src/model/bdf.ts";
import { encodeFunction } from "../src/pci/encode-function.ts";
import { functionDescriptions } from "../src/pci/function-description.arbitrary.ts";
import { parseDump } from "../src/pci/dump.ts";
import type { Depth } from "./lspci-agreement.ts";
import { lspciDifferences } from "./lspci-agreement.ts";
import { parseLspciText } from "./lspci-text.ts";
import { temporaryDirectory } from "./run-program.ts";

const { stdout, error } = spawnSync("lspci", ["--version"], { encoding: "utf8" });
const version = error === undefined ? (/version (\S+)/.exec(stdout)?.[1] ?? "unknown") : null;
const isRequired = (process.env["CI"] ?? "") !== "";
const skip =
  version === null && !isRequired ? "lspci is not installed: apt-get install pciutils" : false;

/** Sentences are those of one version; places and SR-IOV fields are in all. */
const depth: Depth = version === "3.9.0" ? "sentences" : "places";

function lspciOf(dump: string): string {
  return execFileSync("lspci", ["-F", dump, "-vvv"], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
    // Without kernel modules on this machine it complains of libkmod and goes on.
    stdio: ["ignore", "pipe", "ignore"],
  });
}

function checkAgainstLspci(dump: string): void {
  const { functions } = parseDump(readFileSync(dump), null);
  assert.deepEqual(lspciDifferences(functions, parseLspciText(lspciOf(dump)), depth), []);
}

test("the installed lspci reads the project's dumps as we do", { skip }, () => {
  assert(version !== null, "lspci is not installed: apt-get install pciutils");
  const directory = join(import.meta.dirname, "machines");
  for (const machine of globSync("*.txt", { cwd: directory })) {
    checkAgainstLspci(join(directory, machine));
  }
});

/** Config space as `lspci -xxxx` prints it. */
function dumpText(routingId: number, bytes: Uint8Array): string {
  const lines = [`${formatBdf({ domain: 0, routingId })} Class`];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = Array.from(bytes.subarray(at, at + 16), (byte) => byte.toString(16));
    const digits = row.map((byte) => byte.padStart(2, "0")).join(" ");
    lines.push(`${at.toString(16).padStart(2, "0")}: ${digits}`);
  }
  return `${lines.join("\n")}\n`;
}

test("the installed lspci reads what we encode as we do", { skip }, (context) => {
  assert(version !== null, "lspci is not installed: apt-get install pciutils");
  const drawn = fc.sample(functionDescriptions, { numRuns: 64, seed: 20_261 });
  const texts = drawn.map((description, index) =>
    dumpText(0x0100 + 8 * index, encodeFunction(description).bytes),
  );
  const dump = join(temporaryDirectory(context), "drawn.txt");
  writeFileSync(dump, texts.join("\n"));
  checkAgainstLspci(dump);
});
