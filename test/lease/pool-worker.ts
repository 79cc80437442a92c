// One of many processes that take VFs from one pool and give them back, as often as it is told, and may
// be killed at any moment: `pool-worker.ts FOLDER ROUNDS SEED`. Beside the leases it keeps a witness
// that knows nothing of them: a file a VF, linked into place while the VF is held. It writes a line a
// round to standard output, and exits with 3 when it meets another living holder.

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { awayMarks } from "../../src/apply/away-marks.ts";
import { findingsOf, mend } from "../../src/apply/lease-mend.ts";
import { releaseVf } from "../../src/apply/lease-release.ts";
import { acquireVfs, lookAtVfs, type Leasing } from "../../src/apply/leasing.ts";
import { isAlive } from "../../src/apply/lock.ts";
import { openEmulatedHost } from "../../src/host/emulated/emulated-host.ts";
import type { Lease } from "../../src/lease/lease.ts";
import { openLeases } from "../../src/lease/store.ts";
import { SriovError } from "../../src/model/errors.ts";
import { poolMachine, poolOf64, wishFor } from "./pool-bench.ts";

const [folder = "", rounds = "0", seed = "0"] = process.argv.slice(2);

const witnessOf = ({ vf }: Lease): string =>
  join(folder, "held", `${vf.pf}-${vf.vfIndex}`.replaceAll(":", "-"));

function hold(lease: Lease): void {
  const path = witnessOf(lease);
  const own = `${path}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, path);
    rmSync(own);
  } catch {
    const other = Number(readFileSync(path, "utf8"));
    // Whoever was killed could not take its file away.
    if (!isAlive(other)) return renameSync(own, path);
    console.error(`${path}: held by ${other} and by ${process.pid}`);
    process.exit(3);
  }
}

function letGo(lease: Lease): void {
  const path = witnessOf(lease);
  if (readFileSync(path, "utf8") !== String(process.pid)) {
    console.error(`${path}: taken from ${process.pid} while it held it`);
    process.exit(3);
  }
  rmSync(path);
}

/** Takes up what the killed left. Another worker may be at the same: the first one has it. */
async function mendAll(leasing: Leasing): Promise<number> {
  const { candidates } = await lookAtVfs(leasing);
  const leases = leasing.store.leases();
  const findings = findingsOf(leasing.host, leasing.nowMs(), { leases, candidates });
  let mended = 0;
  for (const finding of findings) {
    try {
      await mend(leasing, finding, candidates);
      mended++;
    } catch (error) {
      if (!(error instanceof SriovError) || error.code !== "lease-refused") throw error;
    }
  }
  return mended;
}

async function run(leasing: Leasing): Promise<void> {
  const name = `vm:w${seed}`;
  const holder = { name, pid: process.pid };
  const proof = (generation: number) => ({ holder: name, generation });
  let misses = 0;
  for (let round = 0; round < Number(rounds);) {
    const terms = { holder, expiresAtMs: null, reason: `round ${round}` };
    const acquired = await acquireVfs(leasing, wishFor(name), terms);
    if (acquired.kind === "nothing-fits") {
      misses++;
      continue;
    }
    for (const { lease } of acquired.granted) {
      hold(lease);
      // Others run while it is held.
      await new Promise((resolve) => setImmediate(resolve));
      letGo(lease);
      await releaseVf(leasing, lease.vf, { proof: proof(lease.generation), reason: "done" });
    }
    round++;
    writeSync(1, `${misses}\n`);
    misses = 0;
  }
}

const host = await openEmulatedHost({
  name: poolMachine,
  statePath: join(folder, "machine.sqlite"),
});
const leasing: Leasing = {
  host,
  lockFd: null,
  store: openLeases(join(folder, "leases.sqlite")),
  away: awayMarks(join(folder, "away")),
  spec: poolOf64(),
  nowMs: () => Date.now(),
  worker: process.pid,
};
const mended = await mendAll(leasing);
if (rounds === "0") console.error(`mended ${mended} at the end`);
await run(leasing);
leasing.store.close();
await host.close();
