// Consumers under everything that can go wrong: a spec that assigns VFs is applied, then another one, with
// or without consent to hand VFs over, on guests and drivers that refuse, by a manager that dies at any journal
// write, request, lease transition or plug. Whoever had a VF has it in the end, and nobody has one without lease.

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { differencesFrom, type PfFacts } from "../../src/apply/facts.ts";
import { findingsOf } from "../../src/apply/lease-mend.ts";
import { lookAtVfs } from "../../src/apply/leasing.ts";
import { isPlugged } from "../../src/apply/plugging.ts";
import { readOwnJournals } from "../../src/apply/session.ts";
import type { Report } from "../../src/apply/report.ts";
import { openEmulatedHost } from "../../src/host/emulated/emulated-host.ts";
import type { Fault } from "../../src/host/emulated/faults.ts";
import { targetOf } from "../../src/lease/lease.ts";
import { LeaseStore } from "../../src/lease/store.ts";
import { formatAssignTarget } from "../../src/model/assign-target.ts";
import { migrations } from "../../src/lease/schema.ts";
import { SriovError } from "../../src/model/errors.ts";
import { handOverWord, type Consent } from "../../src/model/plan.ts";
import type { Plug } from "../../src/model/plug.ts";
import { parseSpec } from "../../src/model/spec-text.ts";
import type { Spec } from "../../src/model/spec.ts";
import {
  applyTo,
  benchOn,
  diesIn,
  guestWords,
  mortalSession,
  planFor,
  recoverAll,
  stepsUntil,
  type AttachBench,
} from "../lease/attach-bench.ts";
import { inventoryOn, factsOn } from "./checks.ts";
import { machineProfile, pfAddress, type PfPlan } from "./machines.ts";
import { randomOf, type Random } from "./random.ts";
import { count, setFaults, type Tally } from "./simulate.ts";

const mostVfs = 4;

type Entry = { readonly to: string; readonly vf?: string; readonly pool?: string } & Readonly<
  Record<string, unknown>
>;

type Wanted = { readonly numVfs: readonly number[]; readonly entries: readonly Entry[] };

const guestTargets = [
  "libvirt:web1/net1",
  "libvirt:web1/net2",
  "libvirt:web2/net1",
  "qemu:web3/net1",
] as const;
const targets = [...guestTargets, "netns:ci/eth1"] as const;

const cards = ["intel-82576", "intel-xl710", "mellanox-connectx6"] as const;

/** VFs 0 and 1 of the first PF are a pool, the others are named. */
function wantedOf(random: Random, numPfs: number, before: Wanted | null): Wanted {
  const numVfs = Array.from({ length: numPfs }, (_, pf) => {
    const had = before?.numVfs[pf];
    return had !== undefined && random.chance(0.4) ? had : 2 + random.below(mostVfs - 1);
  });
  const free = numVfs.flatMap((numOfPf, pf) =>
    Array.from({ length: numOfPf }, (_, index) => `p${pf}/${index}`),
  );
  const named = free.filter((vf) => vf !== "p0/0" && vf !== "p0/1");
  const entries: Entry[] = [];
  let numOfPool = 0;
  for (const to of targets) {
    const known = before?.entries.find((entry) => entry.to === to);
    const isKept = known !== undefined && random.chance(0.8);
    const keys = {
      ...(random.chance(0.5) ? { mac: "auto" } : {}),
      ...(random.chance(0.5) ? { vlan: 100 + random.below(50) } : {}),
    };
    const isOfPool = to !== "netns:ci/eth1" && random.chance(0.4);
    const vf = random.below(named.length + 1);
    if (isKept && known.vf !== undefined && named.includes(known.vf)) {
      named.splice(named.indexOf(known.vf), 1);
      entries.push(known);
    } else if (isKept && known.pool !== undefined && numOfPool++ < 2) entries.push(known);
    else if (isOfPool && numOfPool++ < 2) entries.push({ to, pool: "some", ...keys });
    else if (named[vf] !== undefined && random.chance(0.6)) {
      entries.push({ to, vf: named.splice(vf, 1)[0] ?? "", ...keys });
    }
  }
  return { numVfs, entries };
}

function specOf({ numVfs, entries }: Wanted): Spec {
  const document = {
    apiVersion: "sriovctl/v1",
    adapters: numVfs.map((numOfPf, pf) => ({
      physicalFunctions: [
        { name: `p${pf}`, match: { address: pfAddress(pf) }, numVfs: numOfPf, adminState: "up" },
      ],
    })),
    pools: [{ name: "some", vfs: "p0/0-1", driver: "vfio-pci" }],
    assign: entries,
  };
  const { spec, problems } = parseSpec(JSON.stringify(document), "spec.json");
  assert.deepEqual(problems, []);
  assert.ok(spec !== null);
  return spec;
}

function faultOf(random: Random): Fault {
  const skip = random.below(3);
  const times = 1 + random.below(2);
  const refuse = { kind: "refuse", errno: "EBUSY" } as const;
  return random.pick<Fault>([
    { on: { verb: "plug", skip, times }, effect: refuse },
    { on: { verb: "unplug", skip, times }, effect: { kind: "hang" } },
    { on: { verb: "unplug", skip, times }, effect: refuse },
    { on: { verb: "setVf", skip, times }, effect: refuse },
    { on: { verb: "setNumVfs", skip: random.below(2) }, effect: refuse },
    { on: { verb: "setNumVfs", skip: 1 }, effect: { kind: "short-count", numVfs: 1 } },
    { on: { verb: "probe", skip, times }, effect: refuse },
  ]);
}

function memoryLeases(): LeaseStore {
  const database = new DatabaseSync(":memory:");
  for (const change of migrations) database.exec(change);
  return new LeaseStore(":memory:", database);
}

async function openSimulated(random: Random, numPfs: number, spec: Spec): Promise<AttachBench> {
  const pfs = Array.from({ length: numPfs }, (): PfPlan => ({ card: random.pick(cards) }));
  const keepsDevices = random.chance(0.2);
  const guests = ["web1", "web2", "web3"].map((name) => {
    return { name, holds: [], keepsDevices: keepsDevices && name === "web2" };
  });
  const profile = { ...machineProfile({ pfs, guests }), namespaces: ["netns:ci"] };
  const host = await openEmulatedHost({ name: profile, statePath: null });
  let nowMs = Date.UTC(2026, 0, 1);
  const store = memoryLeases();
  const around = { host, lockFd: null, spec, worker: process.pid };
  const away = { set: () => {}, clear: () => {}, list: () => [] };
  const leasing = { ...around, store, away, nowMs: () => (nowMs += 1000) };
  return benchOn(host, leasing);
}

const heldOf = ({ leasing }: AttachBench): Plug[] =>
  leasing.store.leases().flatMap(({ state, plug }) => {
    return state === "attached" && plug !== null ? [plug] : [];
  });

const placeWords = ({ consumer, pf, vfIndex, mac, vlan }: Plug): string =>
  JSON.stringify([consumer, pf, vfIndex, mac, vlan]);

/** Leases and consumers say the same of each other. */
async function checkAgreement(bench: AttachBench, story: string): Promise<void> {
  const { leasing, session } = bench;
  const leases = leasing.store.leases();
  for (const line of guestWords(bench)) {
    const [guest = "", , address = ""] = line.split(" ");
    const lease = leases.find(({ vf, state }) => vf.address === address && state === "attached");
    assert.ok(lease?.holder?.name.includes(`:${guest}/`), `${story}: ${line} without a lease`);
  }
  for (const plug of heldOf(bench)) {
    const adapter = await session.consumers?.(plug.consumer.kind);
    const plugged = await adapter?.look(plug);
    const words = `${story}: ${placeWords(plug)} is leased, and its consumer has it not`;
    assert.ok(plugged !== undefined && isPlugged(plugged), words);
  }
  const { candidates } = await lookAtVfs(leasing);
  const found = findingsOf(leasing.host, leasing.nowMs(), { leases, candidates });
  assert.deepEqual(
    found.filter(({ kind, lease }) => lease.state !== "quarantined" || kind !== "vanished"),
    [],
    `${story}: leases to mend`,
  );
}

type Ended = Report["outcome"] | "refused" | "nothing";

/** Also to be moved to another VF, or to another MAC and VLAN. */
const everybody = [handOverWord, "vm:web1", "vm:web2", "vm:web3", "netns:ci"];

/** Whoever had a VF has it still, with the same index, MAC and VLAN, or agreed to another. */
function checkKept({ bench, before, consent }: Simulated, story: string): void {
  const held = heldOf(bench);
  const now = new Set(held.map(placeWords));
  const nowNames = new Set(held.map(({ consumer }) => formatAssignTarget(consumer)));
  for (const plug of before.plugs) {
    const name = formatAssignTarget(plug.consumer);
    const isMoved = consent === everybody && nowNames.has(name);
    assert.ok(isMoved || now.has(placeWords(plug)), `${story}: ${placeWords(plug)} is lost`);
  }
  assert.equal(held.length, nowNames.size, `${story}: somebody has two`);
}

type Simulated = {
  readonly bench: AttachBench;
  readonly spec: Spec;
  readonly consent: Consent;
  readonly before: { readonly plugs: readonly Plug[]; readonly facts: readonly PfFacts[] };
  readonly isFaulty: boolean;
  /** Somebody could have no VF, and may now have what another gave back. */
  readonly isWaiting: boolean;
};

async function check(simulated: Simulated, ended: Ended, story: string) {
  const { bench, spec, consent, before, isFaulty, isWaiting } = simulated;
  setFaults(bench, []);
  // What could not be undone, or is still at it, is for people, and only faults bring it about.
  if (ended === "undo-failed" || ended === "stuck") return assert.ok(isFaulty, story);
  await checkAgreement(bench, story);
  checkKept(simulated, story);
  // Where nothing was left to recover it died before it began, or after its end.
  if (ended === "undone" || ended === "refused") {
    const now = heldOf(bench).map(placeWords);
    assert.deepEqual(now.toSorted(), before.plugs.map(placeWords).toSorted(), story);
    // What was given back is clean, or in quarantine, whatever it was before.
    const given = new Set(
      bench.leasing.store
        .leases()
        .flatMap(({ vf, state }) => (state === "attached" ? [] : [targetOf(vf)])),
    );
    const differences = differencesFrom(before.facts, await inventoryOn(bench));
    const others = differences.filter(({ target }) => !given.has(target));
    assert.deepEqual(others, [], `${story}: not as before`);
  }
  if (ended !== "done" || isWaiting) return;
  const { actions, problems } = await planFor(bench.session, spec, consent);
  assert.deepEqual([actions, problems], [[], []], `${story}: planning again is not empty`);
}

async function endOf(work: Promise<Report | null>): Promise<Ended> {
  try {
    return (await work)?.outcome ?? "nothing";
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    return "refused";
  }
}

/** One that died after its end left nothing to recover, and ended as its journal says. */
async function lastUndoFailed({ session }: AttachBench): Promise<boolean> {
  const journals = await readOwnJournals(session);
  return journals.at(-1)?.outcome === "undo-failed";
}

/** Runs what this seed means for consumers; throws at the first thing that must not be. */
export async function simulateAssign(seed: number, tally: Tally): Promise<void> {
  const random = randomOf(seed);
  const numPfs = 1 + random.below(2);
  const first = wantedOf(random, numPfs, null);
  const bench = await openSimulated(random, numPfs, specOf(first));
  const begun = await applyTo(bench.session, specOf(first));
  assert.equal(begun.outcome, "done");
  const plugs = heldOf(bench);
  assert.equal(plugs.length, first.entries.length, "everybody has a VF at first");
  const second = wantedOf(random, numPfs, first);
  const spec = specOf(second);
  const consent = random.pick<Consent>([[], [handOverWord], [handOverWord], everybody]);
  const before = { plugs, facts: await factsOn(bench) };
  const faults = random.chance(0.5) ? [faultOf(random)] : [];
  setFaults(bench, faults);
  const at = random.chance(0.1) ? 1000 : random.below(50);
  const { warnings } = await planFor(bench.session, spec, consent);
  const isFaulty = faults.length > 0;
  const isWaiting = warnings.some(({ code }) => code === "assign-waiting");
  const simulated = { bench, spec, consent, before, isFaulty, isWaiting };
  let ended: Ended = "nothing";
  const session = mortalSession(bench, stepsUntil(at));
  const died = await diesIn(async () => {
    ended = await endOf(applyTo(session, spec, consent));
  });
  if (!died) {
    count(tally, `assign ${ended}`);
    return await check(simulated, ended, `seed ${seed}, ${ended}`);
  }
  if (random.chance(0.7)) setFaults(bench, []);
  const choice = random.pick(["preferred", "undo", "finish"] as const);
  ended = await endOf(recoverAll(bench.session, choice));
  if (ended === "nothing" && (await lastUndoFailed(bench))) ended = "undo-failed";
  count(tally, `assign died, ${choice}: ${ended}`);
  if (ended === "refused") {
    // A guest that did not let go, or a VF that somebody has: the same is offered again.
    setFaults(bench, []);
    ended = await endOf(recoverAll(bench.session, "finish"));
    count(tally, `assign refused, then ${ended}`);
  }
  await check(simulated, ended, `seed ${seed}, died at ${at}, ${choice}: ${ended}`);
}
