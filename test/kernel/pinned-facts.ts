// Tables of kernel facts: each row is one effect and what the kernel answers. `pin` runs a table in
// the lab, in order and in one program, and compares the whole of it, so that a difference shows
// with the rows around it.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "./lab.ts";
import type { Step } from "./probe.ts";

export type Row = { readonly step: Step; readonly expected: string };

const devices = "/sys/bus/pci/devices";

/** Short names: "01:00.0/x" is a PCI device's file, "@igb/x" a PCI driver's, "/x" any. */
function absolute(path: string): string {
  if (path.startsWith("/")) return path;
  if (path.startsWith("@")) return `/sys/bus/pci/drivers/${path.slice(1)}`;
  return `${devices}/0000:${path}`;
}

export const write = (path: string, value: string, expected = "ok"): Row => ({
  step: { verb: "write", path: absolute(path), value },
  expected,
});

export const read = (path: string, expected: string): Row => ({
  step: { verb: "read", path: absolute(path) },
  expected,
});

export const link = (path: string, expected: string): Row => ({
  step: { verb: "link", path: absolute(path) },
  expected,
});

/** `[path, pattern]`: names in the folder that match. */
export const list = ([path, pattern]: readonly [string, string], expected: string): Row => ({
  step: { verb: "list", path: absolute(path), pattern },
  expected,
});

export const mode = (path: string, expected: string): Row => ({
  step: { verb: "mode", path: absolute(path) },
  expected,
});

export const hold = (path: string, expected: string): Row => ({
  step: { verb: "hold", path: absolute(path) },
  expected,
});

/** A command line split at spaces. */
export const run = (commandLine: string, expected = "ok"): Row => ({
  step: { verb: "run", argv: commandLine.split(" ") },
  expected,
});

function rowText({ verb, ...rest }: Step, outcome: string): string {
  return `${verb} ${Object.values(rest).flat().map(String).join(" ")} -> ${outcome}`;
}

/** Outcomes of the steps, in order. */
async function probe(lab: Lab, steps: readonly Step[]): Promise<string[]> {
  const name = `steps-${Date.now()}.json`;
  writeFileSync(join(lab.resultsDirectory, name), JSON.stringify(steps));
  const program = join(import.meta.dirname, "probe.ts");
  const stdout = await lab.check(["node", program, `/results/${name}`], { timeoutMs: 180_000 });
  return JSON.parse(stdout);
}

export async function pin(lab: Lab, rows: readonly Row[]): Promise<void> {
  const outcomes = await probe(
    lab,
    rows.map(({ step }) => step),
  );
  assert.deepEqual(
    rows.map(({ step }, index) => rowText(step, outcomes[index] ?? "(no outcome)")),
    rows.map(({ step, expected }) => rowText(step, expected)),
  );
}
