// The store on a real disk: whole transactions or none, also under SIGKILL; files that must not be
// trusted or understood; a store of each version; and random operations against the pure machine.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import fc from "fast-check";
import { SriovError } from "../model/errors.ts";
import {
  freeLease,
  stepLease,
  targetOf,
  type Lease,
  type LeaseEvent,
  type VfPlace,
} from "./lease.ts";
import { openLeases, openLeasesIfThere } from "./store.ts";

const root = mkdtempSync(join(tmpdir(), "sriovctl-leases-"));
after(() => rmSync(root, { recursive: true, force: true }));

let files = 0;
const freshPath = (): string => join(root, `store-${files++}`, "leases.sqlite");

const vfAt = (vfIndex: number, address = `0000:3b:10.${vfIndex * 2}`): VfPlace => ({
  pfKey: "mac:b4:96:91:00:00:10",
  vfIndex,
  pf: "0000:3b:00.0",
  address,
});
const moment = { nowMs: 1000, bootId: "boot", reason: "test" };
const claimFor = (name: string): LeaseEvent => ({
  kind: "claim",
  holder: { name, pid: null },
  pool: null,
  expiresAtMs: null,
  worker: 1,
});

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return "nothing thrown";
  } catch (error) {
    return error instanceof SriovError ? `${error.code}: ${error.message}` : String(error);
  }
};

const wordsOf = (leases: readonly Lease[]): string[] =>
  leases.map(
    ({ vf, state, generation, holder }) =>
      `${targetOf(vf)} ${state} ${generation} ${holder?.name ?? "-"}`,
  );

test("a store keeps leases and their history, newest first", () => {
  const path = freshPath();
  const store = openLeases(path);
  store.transact((table) => {
    const { generation } = table.step(vfAt(0), claimFor("vm:web1"), moment);
    table.step(vfAt(0), { kind: "prepared", generation }, { ...moment, nowMs: 2000 });
  });
  store.close();
  const again = openLeases(path);
  assert.deepEqual(wordsOf(again.leases()), ["0000:3b:00.0/vf0 prepared 1 vm:web1"]);
  assert.deepEqual(
    again
      .history({ vf: vfAt(0), limit: 9 })
      .map(({ atMs, event, from, to }) => `${atMs} ${event} ${from} ${to}`),
    ["2000 prepared claimed prepared", "1000 claim free claimed"],
  );
  assert.deepEqual(again.history({ vf: vfAt(1), limit: 9 }), []);
  again.close();
});

test("a refused step undoes its whole transaction", () => {
  const store = openLeases(freshPath());
  const failing = (): unknown =>
    store.transact((table) => {
      table.step(vfAt(0), claimFor("vm:web1"), moment);
      table.step(vfAt(0), claimFor("vm:web2"), moment);
    });
  assert.equal(
    codeOf(failing),
    "lease-refused: Cannot claim 0000:3b:00.0/vf0: it is claimed for vm:web1 in generation 1, wanted free",
  );
  assert.deepEqual([store.leases(), store.history({ vf: null, limit: 9 })], [[], []]);
  store.close();
});

test("one address is leased once, whatever key its PF goes by", () => {
  const store = openLeases(freshPath());
  const path = "0000:3b:10.0";
  store.transact((table) => table.step(vfAt(0), claimFor("vm:web1"), moment));
  const other = { ...vfAt(0, path), pfKey: "at:0000:3b:00.0" };
  const second = (): unknown =>
    store.transact((table) => table.step(other, claimFor("vm:web2"), moment));
  assert.match(codeOf(second), /^lease-refused: .*one VF would be leased twice$/);
  assert.deepEqual(wordsOf(store.leases()), ["0000:3b:00.0/vf0 claimed 1 vm:web1"]);
  store.close();
});

test("files that are not to be trusted or not to be understood", () => {
  const made = (change: (path: string) => void): string => {
    const path = freshPath();
    openLeases(path).close();
    change(path);
    return codeOf(() => openLeases(path).close()).replaceAll(path, "PATH");
  };
  const sql = (text: string) => (path: string) => {
    const database = new DatabaseSync(path);
    database.exec(text);
    database.close();
  };
  assert.equal(
    made((path) => chmodSync(path, 0o640)),
    "unsafe-file: Cannot trust leases PATH: its mode is 0640, wanted 0600",
  );
  const linked = made((path) => {
    copyFileSync(path, `${path}.real`);
    rmSync(path);
    symlinkSync(`${path}.real`, path);
  });
  assert.equal(linked, "unsafe-file: Cannot trust leases PATH: it is no plain file");
  const folder = freshPath();
  mkdirSync(folder, { recursive: true });
  assert.throws(() => openLeases(folder), { hint: "Find out who put it there, and move it away" });
  assert.equal(
    made(sql("PRAGMA user_version = 99")),
    "file-format: Cannot read leases PATH: its format is 99, wanted at most 2",
  );
  assert.equal(
    made(sql("PRAGMA application_id = 7")),
    "file-format: Cannot read leases PATH: it is another program's database",
  );
  assert.equal(
    made((path) => writeFileSync(path, "no database at all")),
    "file-format: Cannot read leases PATH: file is not a database",
  );
  const damaged = freshPath();
  const store = openLeases(damaged);
  store.transact((table) => table.step(vfAt(0), claimFor("vm:web1"), moment));
  store.close();
  sql("UPDATE leases SET state = 'lost'")(damaged);
  assert.match(
    codeOf(() => openLeases(damaged).leases()),
    /^file-format: Cannot read the lease of .*: its state is lost$/,
  );
});

test("a store that is not there is not made by looking", () => {
  const path = freshPath();
  assert.equal(openLeasesIfThere(path), null);
  assert.equal(existsSync(path), false);
});

for (const [version, holder, device] of [
  [1, "vm:web1", undefined],
  [2, "libvirt:web1/net1", "net1"],
] as const) {
  test(`a store of version ${version}`, () => {
    const path = freshPath();
    openLeases(path).close();
    rmSync(path);
    writeFileSync(path, "", { mode: 0o600 });
    const database = new DatabaseSync(path);
    const fixture = join(import.meta.dirname, `fixtures/leases-${version}.sql`);
    database.exec(readFileSync(fixture, "utf8"));
    database.close();
    const store = openLeases(path);
    assert.deepEqual(wordsOf(store.leases()), [
      `0000:3b:00.0/vf0 attached 1 ${holder}`,
      "0000:3b:00.0/vf1 free 1 -",
      "0000:3b:00.0/vf2 quarantined 1 -",
    ]);
    const [attached, , quarantined] = store.leases();
    assert.equal(attached?.plug?.consumer.device, device);
    assert.deepEqual(quarantined?.evidence, ["reset: the kernel says EIO"]);
    assert.equal(store.history({ vf: null, limit: 100 }).length, 7);
    store.close();
  });
}

test("SIGKILL in the middle of a transaction leaves what was before it", () => {
  const path = freshPath();
  openLeases(path).close();
  const program = `
    import { openLeases } from ${JSON.stringify(join(import.meta.dirname, "store.ts"))};
    const store = openLeases(process.argv[1]);
    const moment = { nowMs: 1, bootId: null, reason: "" };
    const claim = { kind: "claim", holder: { name: "vm:web1", pid: null }, pool: null, expiresAtMs: null, worker: 1 };
    const vf = (vfIndex) => ({ pfKey: "k", vfIndex, pf: "0000:3b:00.0", address: "0000:3b:10." + vfIndex });
    store.transact((table) => table.step(vf(0), claim, moment));
    store.transact((table) => {
      table.step(vf(1), claim, moment);
      process.kill(process.pid, "SIGKILL");
    });
  `;
  const { signal } = spawnSync(process.execPath, ["--input-type=module", "-e", program, path]);
  assert.equal(signal, "SIGKILL");
  const store = openLeases(path);
  assert.deepEqual(wordsOf(store.leases()), ["0000:3b:00.0/vf0 claimed 1 vm:web1"]);
  store.close();
});

const operations = fc.array(
  fc.record({ vfIndex: fc.nat(2), event: fc.nat(7), back: fc.nat(1), fails: fc.nat(5) }),
  { minLength: 5, maxLength: 20 },
);

const eventOf = (index: number, generation: number): LeaseEvent =>
  (
    [
      claimFor("vm:web1"),
      { kind: "prepared", generation },
      { kind: "attached", generation, plug: null },
      { kind: "release", generation, worker: 2 },
      { kind: "freed", generation },
      { kind: "revoke", worker: 3 },
      { kind: "quarantine", generation, evidence: ["e"] },
      { kind: "vanished" },
    ] as const
  )[index] ?? { kind: "vanished" };

test("random operations: the store, what a crash would leave of it, and the pure machine agree", () => {
  fc.assert(
    fc.property(operations, (list) => {
      const path = freshPath();
      const store = openLeases(path);
      const model = new Map<number, Lease>();
      let entries = 0;
      for (const [at, { vfIndex, event, back, fails }] of list.entries()) {
        const before = model.get(vfIndex) ?? freeLease(vfAt(vfIndex));
        const wanted = eventOf(event, before.generation - back);
        const now = { ...moment, nowMs: at };
        const step = stepLease(before, wanted, now);
        const failsLater = fails === 0;
        const result = codeOf(() =>
          store.transact((table) => {
            table.step(vfAt(vfIndex), wanted, now);
            if (failsLater) throw new Error("crash");
          }),
        );
        if ("lease" in step && !failsLater) {
          assert.equal(result, "nothing thrown");
          model.set(vfIndex, step.lease);
          entries++;
        } else {
          assert.equal(result, "lease" in step ? "Error: crash" : `lease-refused: ${step.message}`);
        }
      }
      const wanted = [...model.values()].sort((a, b) => a.vf.vfIndex - b.vf.vfIndex);
      assert.deepEqual(store.leases(), wanted);
      assert.equal(store.history({ vf: null, limit: 1000 }).length, entries);
      // What is on disk while nobody has closed it: a crash leaves no more.
      const crashed = freshPath();
      openLeases(crashed).close();
      for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, crashed + suffix);
      const after = openLeases(crashed);
      assert.deepEqual(after.leases(), wanted);
      after.close();
      store.close();
    }),
    { seed: 20_261_121, numRuns: 10 },
  );
});
