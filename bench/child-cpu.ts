// CPU time of programs that are started and waited for, two at a time in interleaved rounds, so that
// whatever else the machine does hits both.

import { readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";

const rounds = 6;
/** Runs per sample: the kernel accounts in ticks of 10 ms. */
const runs = 10;

/** As a user's shell starts it: a certificate file to load is no part of what is measured. */
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;

/** CPU time of children that were waited for; fields 16 and 17 of proc(5) stat, in ticks. */
function childrenCpuMs(): number {
  const fields = readFileSync("/proc/self/stat", "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

function cpuMsOfRun([command = "", ...args]: readonly string[]): number {
  const before = childrenCpuMs();
  for (let run = 0; run < runs; run++) {
    const { status, stderr } = spawnSync(command, args, {
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    if (status !== 0) throw new Error(`Cannot run ${command}: ${String(stderr)}`);
  }
  return (childrenCpuMs() - before) / runs;
}

/** The least CPU time of each command over interleaved rounds, ms. */
export function compareCpuMs(
  left: readonly string[],
  right: readonly string[],
): readonly [number, number] {
  const best: [number, number] = [Infinity, Infinity];
  for (let round = 0; round < rounds; round++) {
    best[0] = Math.min(best[0], cpuMsOfRun(left));
    best[1] = Math.min(best[1], cpuMsOfRun(right));
  }
  return best;
}
