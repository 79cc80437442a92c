// The machine in a file: what one process did the next one sees, two at once do not lose anything,
// files that are no machine are refused and left alone, and 65,000 VFs stay small.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { fullInventory } from "../host.ts";
import { buildMachine } from "./build.ts";
import { openEmulatedHost } from "./emulated-host.ts";
import { touchVf } from "./machine.ts";
import { profileOf } from "./machine-list.ts";
import { openStore } from "./store.ts";

const pf = "0000:3b:00.0";
const patience = { deadlineMs: 600_000, lockFd: null };

function inFolder(run: (path: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), "sriovctl-emulated-"));
    try {
      await run(join(folder, "machine"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

test(
  "a machine outlives its manager and reads back as it was",
  inFolder(async (path) => {
    const host = await openEmulatedHost({ name: "demo", statePath: path });
    await host.perform({ verb: "setNumVfs", pf, numVfs: 100 }, patience);
    const printed = host.print();
    await host.close();
    const next = await openEmulatedHost({ name: "demo", statePath: path });
    assert.equal(next.print(), printed);
    await next.perform({ verb: "setNumVfs", pf, numVfs: 0 }, patience);
    await next.close();
    const last = await openEmulatedHost({ name: "demo", statePath: path });
    assert.equal((await last.inventory(fullInventory)).physicalFunctions[1]?.numVfs, 0);
    await last.close();
    const fresh = await openEmulatedHost({ name: "demo", statePath: path, reset: true });
    assert.equal(fresh.now(), 0);
    await fresh.close();
  }),
);

const killed = `
  const { openEmulatedHost } = await import(process.argv[1]);
  const host = await openEmulatedHost({ name: "demo", statePath: process.argv[2] });
  void host.perform({ verb: "setNumVfs", pf: "${pf}", numVfs: 12 }, { deadlineMs: 9e9, lockFd: null });
  process.kill(process.pid, "SIGKILL");
`;

test(
  "a write that was in flight when its manager was killed is made",
  inFolder(async (path) => {
    const module = new URL("emulated-host.ts", import.meta.url).href;
    const args = ["--input-type=module", "-e", killed, module, path];
    assert.equal(spawnSync(process.execPath, args).signal, "SIGKILL");
    const host = await openEmulatedHost({ name: "demo", statePath: path });
    assert.equal((await host.inventory(fullInventory)).physicalFunctions[1]?.numVfs, 12);
    await host.close();
  }),
);

test(
  "two hosts on one file see each other's work",
  inFolder(async (path) => {
    const [left, right] = await Promise.all([
      openEmulatedHost({ name: "demo", statePath: path }),
      openEmulatedHost({ name: "demo", statePath: path }),
    ]);
    await Promise.all([
      left.perform({ verb: "setNumVfs", pf, numVfs: 3 }, patience),
      right.perform({ verb: "setNumVfs", pf: "0000:3b:00.1", numVfs: 5 }, patience),
    ]);
    assert.equal(left.print(), right.print());
    assert.match(left.print(), /3b:00.0 .* 3\/128 VFs/);
    assert.match(left.print(), /3b:00.1 .* 5\/128 VFs/);
    await left.close();
    await right.close();
  }),
);

type Damage = readonly [what: string, damage: (path: string) => void];

const damages: readonly Damage[] = [
  ["that is cut off", (path) => truncateSync(path, 6000)],
  ["that is empty", (path) => truncateSync(path, 0)],
  ["that is something else", (path) => writeFileSync(path, "no machine at all\n".repeat(1000))],
  ...(
    [
      ["that is of a newer format", "sriovctl-emulated/1", "sriovctl-emulated/2"],
      ["that is of a draft of the format", "dynamicIds", "newIds"],
      ["whose name is a list", '"name":"demo"', '"name":[]'],
    ] as const
  ).map(([what, text, by]): Damage => [
    what,
    (path) => {
      const database = new DatabaseSync(path);
      database.prepare("UPDATE rows SET text = replace(text, ?, ?)").run(text, by);
      database.close();
    },
  ]),
  ...(
    [
      ["whose core is no JSON", "core", "{"],
      ["whose core is null", "core", "null"],
      ["whose PFs are no PFs", "pf %", "{}"],
      ["whose VFs are numbers", "vfs %", "[1,2]"],
      ["whose VFs are no list", "vfs %", "null"],
    ] as const
  ).map(([what, key, text]): Damage => [
    what,
    (path) => {
      const database = new DatabaseSync(path);
      database.prepare("UPDATE rows SET text = ? WHERE key LIKE ?").run(text, key);
      database.close();
    },
  ]),
];

for (const [what, damage] of damages) {
  test(
    `a state file ${what} is refused and left as it is`,
    inFolder(async (path) => {
      const host = await openEmulatedHost({ name: "demo", statePath: path });
      await host.close();
      damage(path);
      const before = readFileSync(path);
      await assert.rejects(openEmulatedHost({ name: "demo", statePath: path }), {
        code: "file-format",
        message: /^Cannot read emulated machine (?!.*(?:property|iterable))/,
      });
      assert.deepEqual(readFileSync(path), before);
    }),
  );
}

/** Written by the first version; a newer program opens it, by migration if need be. */
const ofFormat1 = new URL("fixtures/machine-1.json", import.meta.url);

test(
  "a machine of format 1 opens as it was",
  inFolder(async (path) => {
    const { rows, printed } = JSON.parse(readFileSync(ofFormat1, "utf8")) as {
      rows: Record<string, unknown>;
      printed: string[];
    };
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE rows (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID");
    const put = database.prepare("INSERT INTO rows (key, text) VALUES (?, ?)");
    for (const [key, value] of Object.entries(rows)) put.run(key, JSON.stringify(value));
    database.close();
    const host = await openEmulatedHost({ name: "demo", statePath: path });
    assert.deepEqual(host.print().trimEnd().split("\n"), printed);
    await host.perform({ verb: "setNumVfs", pf: "0000:01:00.0", numVfs: 0 }, patience);
    assert.equal((await host.inventory(fullInventory)).physicalFunctions[0]?.numVfs, 0);
    await host.close();
  }),
);

test(
  "65,000 VFs, all bound to vfio-pci, fit in 5 MB",
  inFolder(async (path) => {
    const accelerator = "0001:01:00.0";
    const host = await openEmulatedHost({ name: "limit", statePath: path });
    await host.perform({ verb: "setNumVfs", pf: accelerator, numVfs: 65_000 }, patience);
    // A request for each would test the requests.
    host.store.transact((machine) => {
      const [state] = machine.state.pfs;
      for (const [vfIndex, vf] of state?.vfs.entries() ?? []) {
        if (state === undefined || vf === null) continue;
        vf.driver = "vfio-pci";
        vf.override = "vfio-pci";
        touchVf(machine, state, vfIndex);
      }
    });
    const { physicalFunctions } = await host.inventory(fullInventory);
    const vfs = physicalFunctions[0]?.virtualFunctions ?? [];
    assert.equal(vfs.length, 65_000);
    assert.equal(vfs.at(-1)?.address, "0001:fe:1d.0");
    await host.close();
    assert(statSync(path).size < 5_000_000, `${statSync(path).size} bytes`);
  }),
);

test(
  "a state folder that cannot be written is said, and is no bug",
  inFolder(async (path) => {
    writeFileSync(path, "a file");
    const opening = openEmulatedHost({ name: "demo", statePath: join(path, "demo.sqlite") });
    await assert.rejects(opening, { code: "state-unwritable", message: /^Cannot write emulated/ });
  }),
);

test(
  "a machine that somebody else keeps locked is said to be locked",
  inFolder(async (path) => {
    const build = () => buildMachine(profileOf("demo"));
    const store = openStore(path, build, 50);
    const other = new DatabaseSync(path);
    const isLocked = { code: "locked", message: /^Cannot use .*machine: another process has it/ };
    try {
      other.exec("BEGIN IMMEDIATE");
      assert.throws(() => store.transact(() => assert.fail("it is locked")), isLocked);
      other.exec("ROLLBACK");
      assert.equal(
        store.transact(() => "mine again"),
        "mine again",
      );
      store.close();
      other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
      assert.throws(() => openStore(path, build, 50), isLocked);
    } finally {
      other.close();
    }
  }),
);

test(
  "a machine that cannot be removed is said, and is no bug",
  inFolder(async (path) => {
    mkdirSync(path);
    const opening = openEmulatedHost({ name: "demo", statePath: path, reset: true });
    await assert.rejects(opening, { code: "state-unwritable" });
  }),
);
