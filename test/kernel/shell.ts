// The kernel lab for people: `start` boots one for this checkout, `run` runs commands in it, `stop`
// ends it; `-- COMMAND` alone boots a lab, runs the command and ends it. See README.md here.

import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Lab, attachLab, bootLab } from "./lab.ts";
import { labProcess, stopLab } from "./lab-qemu.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { fullTopology, smallTopology } from "./topology.ts";

const usage = `usage: node test/kernel/shell.ts start [small]     boot the lab of this checkout
       node test/kernel/shell.ts run [-t SECONDS] -- COMMAND...
       node test/kernel/shell.ts stop
       node test/kernel/shell.ts -- COMMAND...     boot, run, end
COMMAND of one word is a bash script, of several a program with its arguments`;

/** One started lab a checkout, found again by its path. */
const directory = join(
  tmpdir(),
  `sriovctl-lab-${process.getuid?.()}-` +
    createHash("sha256")
      .update(import.meta.dirname)
      .digest("hex")
      .slice(0, 12),
);

async function start(topologyName: string | undefined): Promise<void> {
  if (labProcess(directory) !== null) {
    console.error("The lab of this checkout runs already");
    return;
  }
  // What a lab that ended by itself left behind.
  await stopLab(directory);
  const topology = topologyName === "small" ? smallTopology : fullTopology;
  await bootLab({ topology, directory, detached: true });
  console.error(`The lab runs; /results in it is ${join(directory, "results")}`);
}

async function runIn(lab: Lab, words: readonly string[], timeoutS: number): Promise<void> {
  const [script] = words;
  const { exitCode } = await lab.run(words.length === 1 && script !== undefined ? script : words, {
    timeoutMs: timeoutS * 1000,
    onOutput: (stream, text) => process[stream].write(text),
  });
  process.exitCode = exitCode;
}

async function main(args: readonly string[]): Promise<void> {
  const separator = args.indexOf("--");
  const words = separator === -1 ? [] : args.slice(separator + 1);
  const [verb, ...options] = separator === -1 ? args : args.slice(0, separator);
  const timeoutS = options[0] === "-t" ? Number(options[1]) : 600;
  if (verb === undefined && words.length > 0) {
    const lab = await bootLab();
    try {
      await runIn(lab, words, timeoutS);
    } finally {
      await lab.close();
    }
  } else if (verb === "start") await start(options[0]);
  else if (verb === "stop") await stopLab(directory);
  else if (verb === "run" && words.length > 0 && timeoutS > 0) {
    if (labProcess(directory) === null) throw new Error("No lab of this checkout runs: start it");
    const lab = attachLab(directory);
    lab.refreshProject();
    await runIn(lab, words, timeoutS);
  } else {
    console.error(usage);
    process.exitCode = 2;
  }
}

const reason = labSkipReason();
try {
  if (reason !== false) throw new Error(`Cannot run the lab: ${reason}`);
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
