// What leases cost: acquire (choose among 64 VFs, claim, prepared) and release (releasing, free) in the
// store, two durable transactions each, interleaved with plain SQLite inserts of the same durability; and
// the same with all hygiene on an emulated host, whose kernel takes no time. Durability is the disk's
// business, so ratios are what counts.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { releaseVf } from "../src/apply/lease-release.ts";
import { acquireVfs, lookAtVfs } from "../src/apply/leasing.ts";
import { openEmulatedHost } from "../src/host/emulated/emulated-host.ts";
import { selectVfs } from "../src/lease/select.ts";
import { openLeases } from "../src/lease/store.ts";
import { leasingOn, poolMachine, poolOf64, wishFor } from "../test/lease/pool-bench.ts";
import { printRows, type BenchRow } from "./row.ts";

const folder = mkdtempSync(join(tmpdir(), "sriovctl-bench-lease-"));
const rounds = 1000;
const fullRounds = 200;

function timed<T>(times: number[], work: () => T): T {
  const beganMs = performance.now();
  const result = work();
  times.push(performance.now() - beganMs);
  return result;
}

const median = (times: readonly number[]): number =>
  times.toSorted((left, right) => left - right)[Math.floor(times.length / 2)] ?? Number.NaN;

const p99 = (times: readonly number[]): number =>
  times.toSorted((left, right) => left - right)[Math.floor(times.length * 0.99)] ?? Number.NaN;

const perSecond = (times: readonly number[]): number =>
  (1000 * times.length) / times.reduce((sum, time) => sum + time, 0);

const words = (times: readonly number[]): string =>
  `${perSecond(times).toFixed(0)} a second (median ${median(times).toFixed(2)}, p99 ${p99(times).toFixed(2)} ms)`;

/** One row a transaction, as durable as a lease: two of them are what an acquire writes. */
function plainInserts(): () => void {
  const database = new DatabaseSync(join(folder, "plain.sqlite"));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  database.exec("CREATE TABLE events (number INTEGER PRIMARY KEY, at_ms INTEGER, words TEXT)");
  const insert = database.prepare("INSERT INTO events (at_ms, words) VALUES (?, ?)");
  return () => {
    for (const event of ["claim", "prepared"]) insert.run(Date.now(), event);
  };
}

async function measureStore() {
  const host = await openEmulatedHost({ name: poolMachine, statePath: null });
  const { candidates } = await lookAtVfs({ host, spec: poolOf64() });
  const store = openLeases(join(folder, "leases.sqlite"));
  const insertTwo = plainInserts();
  const [plain, acquire, release]: number[][] = [[], [], []];
  const moment = () => ({ nowMs: Date.now(), bootId: host.identity.bootId, reason: "bench" });
  const holder = { name: "vm:bench", pid: null };
  const claim = { kind: "claim", holder, pool: "tenants", expiresAtMs: null, worker: 1 } as const;
  for (let round = 0; round < rounds; round++) {
    timed(plain ?? [], insertTwo);
    const { vf, generation } = timed(acquire ?? [], () => {
      const claimed = store.transact((table) => {
        const { choices } = selectVfs(wishFor("vm:bench"), candidates, table.all());
        const [choice] = choices;
        if (choice === undefined) throw new Error("Assertion failed: a VF is free");
        return table.step(choice.candidate.vf, claim, moment());
      });
      const { vf, generation } = claimed;
      store.transact((table) => table.step(vf, { kind: "prepared", generation }, moment()));
      return claimed;
    });
    timed(release ?? [], () => {
      store.transact((table) =>
        table.step(vf, { kind: "release", generation, worker: 1 }, moment()),
      );
      store.transact((table) => table.step(vf, { kind: "freed", generation }, moment()));
    });
  }
  store.close();
  return { plain: plain ?? [], acquire: acquire ?? [], release: release ?? [] };
}

/** With census, unbind, reset, policy, bind and reading back, each time. */
async function measureWhole(): Promise<{ acquire: number[]; release: number[] }> {
  const host = await openEmulatedHost({ name: poolMachine, statePath: null });
  const leasing = leasingOn(host, poolOf64(), join(folder, "whole", "leases.sqlite"));
  const [acquire, release]: [number[], number[]] = [[], []];
  for (let round = 0; round < fullRounds; round++) {
    const terms = { holder: { name: "vm:bench", pid: null }, expiresAtMs: null, reason: "bench" };
    const beganMs = performance.now();
    const acquired = await acquireVfs(leasing, wishFor("vm:bench"), terms);
    acquire.push(performance.now() - beganMs);
    if (acquired.kind !== "granted") throw new Error("Assertion failed: a VF is free");
    for (const { lease } of acquired.granted) {
      const beganMs = performance.now();
      const proof = { holder: "vm:bench", generation: null };
      await releaseVf(leasing, lease.vf, { proof, reason: "bench" });
      release.push(performance.now() - beganMs);
    }
  }
  leasing.store.close();
  return { acquire, release };
}

const wanted = 1.5;

function ratioRow(what: string, times: readonly number[], plain: readonly number[]): BenchRow {
  const ratio = median(times) / median(plain);
  const measured = `${ratio.toFixed(2)} x: ${words(times)}`;
  return { what, measured, goal: `<= ${wanted} x two plain inserts`, isMet: ratio <= wanted };
}

try {
  mkdirSync(join(folder, "whole"));
  const { plain, acquire, release } = await measureStore();
  const whole = await measureWhole();
  const none = { goal: "", isMet: null };
  printRows([
    { what: "two plain SQLite inserts, WAL, FULL", measured: words(plain), ...none },
    ratioRow("acquire, of 64 VFs, in the store", acquire, plain),
    ratioRow("release, in the store", release, plain),
    { what: "acquire with hygiene, emulated host", measured: words(whole.acquire), ...none },
    { what: "release with hygiene, emulated host", measured: words(whole.release), ...none },
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
