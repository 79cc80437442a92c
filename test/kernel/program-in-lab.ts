// The program as people install it (the bundle of scripts/build.ts), run in the lab: one JSON
// document, exit code and duration of each command. The bundle, because a checkout's hundreds of
// files take many seconds to open in software emulation.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildPackage } from "../../scripts/build.ts";
import { type Lab, bootLab } from "./lab.ts";
import type { LabTopology } from "./topology.ts";

/** A JSON document whose shape the test knows. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

type CommandRun = {
  readonly exitCode: number;
  readonly json: Json;
  readonly stderr: string;
  readonly durationMs: number;
};

export type ProgramLab = {
  readonly lab: Lab;
  /** The shell words that start the program, for scripts. */
  readonly command: string;
  /** Writes a spec and returns its path in the lab. */
  spec(name: string, text: string): string;
  /** Runs `sriovctl --json ...`; `expected` is the exit code. */
  sriovctl(expected: number, words: string): Promise<CommandRun>;
  /** JSON that a script prints. */
  read(script: string): Promise<Json>;
};

/** A command of the suite may wait for kernel writes; all of them end long before this. */
const timeoutMs = 240_000;

/** Boots a lab that has the program, and modules loaded as on a machine with udev. */
export async function bootProgramLab(
  modules: readonly string[],
  topology?: LabTopology,
): Promise<ProgramLab> {
  const dist = dirname(await buildPackage());
  // A copy: another build of this checkout must not take it away from a running suite.
  const command = "node /opt/sriovctl/cli.cjs";
  const lab = await bootLab(topology === undefined ? {} : { topology });
  await lab.check(
    `mkdir -p /opt && cp -r ${dist} /opt/sriovctl &&
    for m in ${modules.join(" ")}; do modprobe $m; done`,
    { timeoutMs },
  );
  return {
    lab,
    command,
    spec: (name, text) => {
      writeFileSync(join(lab.resultsDirectory, name), `apiVersion: sriovctl/v1\n${text}`);
      return `/results/${name}`;
    },
    sriovctl: async (expected, words) => {
      const startedAt = performance.now();
      const run = await lab.run(`exec ${command} --json ${words}`, { timeoutMs });
      const durationMs = Math.round(performance.now() - startedAt);
      console.log(`${durationMs} ms: sriovctl ${words}`);
      const { stdout, stderr, exitCode } = run;
      assert.equal(exitCode, expected, `sriovctl ${words}\n${stdout}${stderr}`);
      return { exitCode, json: JSON.parse(stdout), stderr, durationMs };
    },
    read: async (script) => JSON.parse(await lab.check(script, { timeoutMs })),
  };
}
