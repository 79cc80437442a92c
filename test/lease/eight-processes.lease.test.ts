// Eight processes take VFs from one pool of 64 on one emulated machine, 1,000 times each, and are killed
// with SIGKILL at random moments: no VF ever has two holders, none is lost, and every one is clean in the
// end. LEASE_ROUNDS makes it shorter, LEASE_SEED repeats the same random numbers.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openEmulatedHost } from "../../src/host/emulated/emulated-host.ts";
import { fullInventory } from "../../src/host/host.ts";
import { targetOf, type LeaseState } from "../../src/lease/lease.ts";
import { openLeases } from "../../src/lease/store.ts";
import { randomOf } from "../sim/random.ts";
import { poolMachine } from "./pool-bench.ts";

const processes = 8;
const rounds = Number(process.env["LEASE_ROUNDS"] ?? 1000);
const seed = Number(process.env["LEASE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

const folder = mkdtempSync(join(tmpdir(), "sriovctl-pool-"));
after(() => rmSync(folder, { recursive: true, force: true }));

type Worker = { readonly number: number; left: number; child: ChildProcess | null };

const random = randomOf(seed);
let [kills, missed, done] = [0, 0, 0];

function start(worker: Worker, onRound: () => void): Promise<number | string> {
  const argv = [join(import.meta.dirname, "pool-worker.ts"), folder, `${worker.left}`];
  const child = spawn(process.execPath, [...argv, `${worker.number}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  worker.child = child;
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (text + chunk.toString()).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      missed += Number(line);
      worker.left--;
      onRound();
    }
  });
  return new Promise((resolve) => {
    child.on("close", (status, signal) => resolve(signal ?? status ?? "unknown"));
  });
}

/** Some hundred kills, spread over the rounds. */
const roundsAKill = Math.max(1, Math.floor((processes * rounds) / 100));

async function runAll(): Promise<void> {
  const workers = Array.from({ length: processes }, (_, number): Worker => {
    return { number, left: rounds, child: null };
  });
  let untilKill = 1 + random.below(2 * roundsAKill);
  const onRound = (): void => {
    done++;
    if (--untilKill > 0) return;
    untilKill = 1 + random.below(2 * roundsAKill);
    const victim = workers[random.below(processes)]?.child;
    // Anywhere in whatever it does then.
    void delay(random.below(40)).then(() => victim?.kill("SIGKILL") === true && kills++);
  };
  await Promise.all(
    workers.map(async (worker) => {
      while (worker.left > 0) {
        const end = await start(worker, onRound);
        assert.ok(end === 0 || end === "SIGKILL", `worker ${worker.number} ended with ${end}`);
      }
    }),
  );
}

/** The whole history, replayed: each VF's chain is unbroken, and a generation has one holder. */
function replay(): number {
  const store = openLeases(join(folder, "leases.sqlite"));
  const entries = store.history({ vf: null, limit: 1_000_000 }).toReversed();
  const states = new Map<string, LeaseState>();
  const holders = new Map<string, string>();
  let claims = 0;
  for (const { vf, event, from, to, generation, holder, number } of entries) {
    const target = targetOf(vf);
    assert.equal(from, states.get(target) ?? "free", `entry ${number} of ${target}`);
    states.set(target, to);
    if (event === "claim") claims++;
    if (to !== "claimed" && to !== "prepared") continue;
    const key = `${target} ${generation}`;
    assert.equal(holders.get(key) ?? holder, holder, key);
    if (holder !== null) holders.set(key, holder);
  }
  const leases = store.leases();
  store.close();
  assert.deepEqual(
    leases.filter(({ state }) => state !== "free").map(({ vf, state }) => [targetOf(vf), state]),
    [],
    "all are free in the end",
  );
  return claims;
}

test(`${processes} processes, ${rounds} rounds each, killed at random (seed ${seed})`, async (context) => {
  mkdirSync(join(folder, "held"));
  const statePath = join(folder, "machine.sqlite");
  await (await openEmulatedHost({ name: poolMachine, statePath })).close();
  const began = performance.now();
  await runAll();
  const seconds = (performance.now() - began) / 1000;
  // The last ones that were killed after the others had ended.
  assert.equal(await start({ number: processes, left: 0, child: null }, () => {}), 0);
  const claims = replay();
  assert.ok(claims >= processes * rounds, `${claims} claims`);
  const host = await openEmulatedHost({ name: poolMachine, statePath });
  const { physicalFunctions } = await host.inventory(fullInventory);
  const vfs = physicalFunctions.flatMap(({ virtualFunctions }) => virtualFunctions);
  assert.deepEqual(
    [vfs.length, new Set(vfs.map(({ driver }) => driver))],
    [64, new Set(["vfio-pci"])],
  );
  await host.close();
  const left = readdirSync(join(folder, "held"));
  context.diagnostic(
    `${claims} claims, ${done} rounds, ${kills} kills, ${missed} misses, ${left.length} files of killed holders, ${seconds.toFixed(0)} s`,
  );
});
