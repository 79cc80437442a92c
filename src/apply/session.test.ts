// Sessions and journals on a real disk: what apply leaves there is found again by history and
// unfinished, damage is said and stops the next apply, nothing is ever overwritten.

import assert from "node:assert/strict";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { countingClock, options } from "../../test/sim/bench.ts";
import { machineProfile } from "../../test/sim/machines.ts";
import { refused } from "../../test/sim/refused.ts";
import { specOf } from "../../test/sim/specs.ts";
import { openEmulatedHost, type EmulatedHost } from "../host/emulated/emulated-host.ts";
import { plan as makePlan } from "../plan/plan.ts";
import { apply } from "./apply.ts";
import { history, unfinished } from "./history.ts";
import { directoryStore, nextId, type JournalSink } from "./journal-store.ts";
import { recover } from "./recover.ts";
import { openSession } from "./session.ts";
import { inventoryFor } from "./verify.ts";

const folder = mkdtempSync(join(tmpdir(), "sriovctl-session-"));
after(() => rmSync(folder, { recursive: true }));

const oneVf = specOf({ pfs: [{ numVfs: 1 }] });
const twoVfs = specOf({ pfs: [{ numVfs: 2 }] });

const openHost = async (): Promise<EmulatedHost> =>
  await openEmulatedHost({
    name: machineProfile({ pfs: [{ card: "intel-82576" }] }),
    statePath: null,
  });

const clock = { now: countingClock(), bootMs: () => 0 };

const sessionOf = async (host: EmulatedHost, name: string) =>
  await openSession({
    host,
    journalDirectory: join(folder, name),
    lockFile: join(folder, `${name}.lock`),
    command: "sriovctl apply",
    clock,
    lockWaitMs: 0,
  });

const planOn = async (host: EmulatedHost, spec: typeof oneVf) =>
  makePlan({ spec, inventory: await inventoryFor(host, spec), consent: [] });

const view = { clock, isWatched: () => true };

async function applyOnce(host: EmulatedHost, name: string, spec: typeof oneVf) {
  const session = await sessionOf(host, name);
  try {
    const plan = await planOn(host, spec);
    return await apply(session, { ...options, spec, plan, consent: [] });
  } finally {
    session.close();
  }
}

test("applies are found again in the order in which they were made", async () => {
  const host = await openHost();
  for (const spec of [oneVf, twoVfs, oneVf]) {
    assert.equal((await applyOnce(host, "order", spec)).outcome, "done");
  }
  const store = directoryStore(join(folder, "order"));
  const { entries, problems } = history(store, host.identity);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    entries.map(({ journal, outcome }) => [journal.slice(0, 6), outcome]),
    [
      ["000001", "done"],
      ["000002", "done"],
      ["000003", "done"],
    ],
  );
  assert.deepEqual(unfinished(store, host.identity, view), []);
});

test("two sessions on one host exclude each other", async () => {
  const host = await openHost();
  const first = await sessionOf(host, "twice");
  await refused("locked", sessionOf(host, "twice"));
  first.close();
  (await sessionOf(host, "twice")).close();
});

test("a damaged journal stops apply and recover, and is left as it is", async () => {
  const host = await openHost();
  await applyOnce(host, "damage", oneVf);
  const [name = ""] = readdirSync(join(folder, "damage"));
  const path = join(folder, "damage", name);
  const text = readFileSync(path, "utf8").replace('"result"', '"resxlt"');
  writeFileSync(path, text);
  const error = await refused("file-format", applyOnce(host, "damage", twoVfs));
  assert.match(error.message, /line \d+ of \d+ is damaged/);
  assert.equal(readFileSync(path, "utf8"), text);
  assert.equal(history(directoryStore(join(folder, "damage")), host.identity).problems.length, 1);
});

test("an apply whose header finds no room leaves no journal behind", async () => {
  const host = await openHost();
  const session = await sessionOf(host, "full");
  const create = async (id: string): Promise<JournalSink> => ({
    ...(await session.journals.create(id)),
    append: async () => {
      throw new Error("no space is left");
    },
  });
  const plan = await planOn(host, oneVf);
  const journals = { ...session.journals, create };
  const request = { ...options, spec: oneVf, plan, consent: [] };
  await assert.rejects(apply({ ...session, journals }, request), /no space/);
  assert.deepEqual(journals.ids(), []);
  session.close();
});

test("a journal that lost its tail is an unfinished apply", async () => {
  const host = await openHost();
  await applyOnce(host, "tail", oneVf);
  const [name = ""] = readdirSync(join(folder, "tail"));
  const path = join(folder, "tail", name);
  const bytes = readFileSync(path);
  truncateSync(path, bytes.length - 5);
  const store = directoryStore(join(folder, "tail"));
  const [problem] = unfinished(store, host.identity, view);
  assert.equal(problem?.code, "unfinished-apply");
  await refused("unfinished-apply", applyOnce(host, "tail", twoVfs));
  const session = await sessionOf(host, "tail");
  const request = { ...options, choice: "finish", consent: [], settleTimeoutMs: 0 } as const;
  const report = await recover(session, request);
  session.close();
  assert.equal(report?.outcome, "done");
  assert.deepEqual(unfinished(store, host.identity, view), []);
});

test("a journal of another machine is no business of this one", async () => {
  const host = await openHost();
  await applyOnce(host, "clone", oneVf);
  const [name = ""] = readdirSync(join(folder, "clone"));
  truncateSync(join(folder, "clone", name), readFileSync(join(folder, "clone", name)).length - 5);
  const other = await openHost();
  const identity = { ...other.identity, machineId: "another" };
  const store = directoryStore(join(folder, "clone"));
  assert.deepEqual(unfinished(store, identity, view), []);
  assert.deepEqual(
    history(store, identity).entries.map(({ place }) => place),
    ["other-machine"],
  );
});

test("the unfinished apply of another machine stays as it is", async () => {
  const host = await openHost();
  await applyOnce(host, "foreign", oneVf);
  const [name = ""] = readdirSync(join(folder, "foreign"));
  const path = join(folder, "foreign", name);
  const lines = readFileSync(path, "utf8").replace(/"machineId":"[^"]*"/, '"machineId":"another"');
  const open = `${lines.trimEnd().split("\n").slice(0, -1).join("\n")}\n`;
  writeFileSync(path, open);
  assert.equal((await applyOnce(host, "foreign", twoVfs)).outcome, "done");
  assert.equal(readFileSync(path, "utf8"), open);
});

test("the tail of a journal is its last bytes", async () => {
  const store = directoryStore(join(folder, "ends"));
  const sink = await store.create("000001-a");
  await sink.append(`${"x".repeat(400)}${"y".repeat(256)}`);
  await sink.close();
  assert.equal(Buffer.from(store.readTail("000001-a")).toString(), "y".repeat(256));
  const short = await store.create("000002-b");
  await short.append("z");
  await short.close();
  assert.equal(Buffer.from(store.readTail("000002-b")).toString(), "z");
});

test("nextId() grows whatever the clock did", () => {
  const ids = ["000009-20260101T000000Z", "000010-20250101T000000Z", "notes"];
  assert.equal(nextId(ids, "2024-05-06T07:08:09.123Z"), "000011-20240506T070809Z");
});
