// What the doctor makes of findings: one cause once, no consequences beside their root, waivers with
// their end, and what could not be looked at; and that the catalogue is answered whole.

import assert from "node:assert/strict";
import { test } from "node:test";
import { evidenceOf, healthyFacts, nicOf } from "../../test/evidence-of.ts";
import { nothingKnown } from "../../test/evidence-of-dump.ts";
import {
  freshIgbPolicy,
  inventoryOf,
  netdevOf,
  pfOf,
  vfOf,
  vmOwner,
} from "../../test/inventory-of.ts";
import type { Owner, Pf, Vf } from "../model/inventory.ts";
import { catalogue } from "./catalogue.ts";
import { diagnose, narrowed } from "./doctor.ts";
import { ruleTable } from "./rules.ts";
import type { Evidence, Wanted } from "./view.ts";

const address = "0000:03:00.0";
const today = "2026-06-15";

const idsOf = (evidence: Evidence): string[] =>
  diagnose(evidence, today).findings.map(({ rule, severity }) => `${severity} ${rule.id}`);

const guestVf = (vfIndex: number): Vf =>
  vfOf(address, vfIndex, {
    driver: "vfio-pci",
    owners: [vmOwner("web1")],
    policy: { ...freshIgbPolicy, mac: `52:54:00:00:00:0${vfIndex}`, trust: true },
  });
const guests = (wanted?: Wanted): Evidence => {
  const virtualFunctions = [guestVf(0), guestVf(1), guestVf(2)];
  return evidenceOf([pfOf(address, 3, { virtualFunctions })], wanted && { wanted });
};
const vfTargets = [0, 1, 2].map((vfIndex) => `${address}/vf${vfIndex}`);

test("a healthy host has nothing in the way", () => {
  assert.deepEqual(idsOf(evidenceOf([pfOf(address, 4)])), []);
});

test("a host without PFs is not examined", () => {
  assert.deepEqual(idsOf(evidenceOf([], { iommu: { instances: [] } })), []);
});

test("one cause is one finding with all its targets", () => {
  const { findings } = diagnose(guests(), today);
  const trust = findings.filter(({ rule }) => rule.id === "trust-on");
  assert.equal(trust.length, 1);
  assert.deepEqual(trust[0]?.targets, vfTargets);
  assert.equal(trust[0]?.evidence.length, 3);
});

test("evidence beyond a screen is counted", () => {
  const virtualFunctions = Array.from({ length: 64 }, (_, at) => ({ ...guestVf(0), vfIndex: at }));
  const { findings } = diagnose(evidenceOf([pfOf(address, 64, { virtualFunctions })]), today);
  const trust = findings.find(({ rule }) => rule.id === "trust-on");
  assert.equal(trust?.targets.length, 64);
  assert.deepEqual(trust?.evidence.slice(8), ["and 56 more like these"]);
});

test("what is said of some of its targets has their evidence", () => {
  const virtualFunctions = Array.from({ length: 64 }, (_, at) => ({ ...guestVf(0), vfIndex: at }));
  const { findings } = diagnose(evidenceOf([pfOf(address, 64, { virtualFunctions })]), today);
  const trust = findings.find(({ rule }) => rule.id === "trust-on");
  assert.ok(trust);
  const part = narrowed(trust, [`${address}/vf63`]);
  assert.deepEqual(part.evidence, [`${address}/vf63, VM web1: trust on`]);
});

test("a rule that could look at nothing is not counted as checked", () => {
  const nvme = pfOf("0000:05:00.0", 0, { classCode: 0x010802, netdevs: [] });
  const nic = pfOf(address, 0, { netdevs: [netdevOf({ name: "ens1" })] });
  const numChecked = (pfs: readonly Pf[]): number =>
    diagnose(evidenceOf(pfs, { facts: { nics: [] } }), today).numChecked;
  assert.equal(numChecked([nvme]), ruleTable.length);
  assert.ok(numChecked([nvme, nic]) < ruleTable.length);
  assert.equal(numChecked([nvme, nic]), numChecked([nic]));
});

// Comparing each group with each VF would take minutes.
test("a PF with 60,000 VFs is examined like any other", { timeout: 20_000 }, () => {
  const virtualFunctions = Array.from({ length: 60_000 }, (_, at) => ({
    ...guestVf(0),
    vfIndex: at,
    address: `VF ${at}`,
    iommuGroup: 100 + at,
  }));
  const { findings } = diagnose(evidenceOf([pfOf(address, 60_000, { virtualFunctions })]), today);
  assert.deepEqual(findings[0]?.targets.length, 60_000);
});

test("what follows from the IOMMU being off is not shown beside it", () => {
  const virtualFunctions = [0, 1].map((at) => vfOf(address, at, { iommuGroup: 5 }));
  const evidence = evidenceOf([pfOf(address, 2, { iommuGroup: 5, virtualFunctions })], {
    iommu: { instances: [] },
    facts: { kernelLog: { lines: ["Linux version 6.12"], isWhole: true } },
    log: [],
  });
  const { findings } = diagnose(evidence, today);
  assert.deepEqual(
    findings.map(({ rule, explains }) => [rule.id, explains]),
    [["iommu-off", ["iommu-group-shared"]]],
  );
});

test("a root cause on one PF does not hide what is wrong with another", () => {
  const other = "0000:04:00.0";
  const line = (pf: string): string =>
    `pci ${pf}: no driver bound to device; cannot configure SR-IOV`;
  const pfs = [pfOf(address, 0, { driver: null }), pfOf(other)];
  const { findings } = diagnose(evidenceOf(pfs, { log: [line(address), line(other)] }), today);
  assert.deepEqual(
    findings.map(({ rule, targets }) => [rule.id, targets]),
    [
      ["pf-without-driver", [address]],
      ["logged-no-driver", [address, other]],
    ],
  );
});

test("errors come first", () => {
  assert.deepEqual(
    idsOf(guests()).map((id) => id.split(" ")[0]),
    ["error", "info", "info", "info", "info", "info"],
  );
});

const waiver = (vfIndex: number, until: string) => ({
  target: `${address}/vf${vfIndex}`,
  reason: "VRRP",
  until,
});

test("a waiver holds until its last day, for its VFs only", () => {
  const wanted = {
    physicalFunctions: [],
    waivers: [waiver(0, today), waiver(1, "2026-06-14")],
  };
  const { findings, waived } = diagnose(guests(wanted), today);
  const trust = findings.filter(({ rule }) => rule.id === "trust-on");
  assert.deepEqual(
    trust.map(({ targets, expired }) => [targets, expired?.until ?? null]),
    [
      [[vfTargets[1]], "2026-06-14"],
      [[vfTargets[2]], null],
    ],
  );
  const accepted = waived.find(({ rule }) => rule.id === "trust-on");
  assert.deepEqual([accepted?.targets, accepted?.waived.reason], [[vfTargets[0]], "VRRP"]);
});

test("a waiver does not accept what is broken", () => {
  const wanted = { physicalFunctions: [], waivers: [waiver(0, today)] };
  const { findings } = diagnose(guests(wanted), today);
  const tied = findings.find(({ rule }) => rule.id === "guest-cannot-migrate");
  assert.deepEqual(tied?.targets, vfTargets);
});

test("a waiver accepts a setting, not what comes of it", () => {
  const wanted = { physicalFunctions: [], waivers: [waiver(0, today)] };
  const line = `ixgbe ${address}: 3 Spoofed packets detected on VF 0`;
  const evidence = { ...guests(wanted), facts: evidenceOf([], { log: [line] }).facts };
  const { findings } = diagnose(evidence, today);
  const abuse = findings.find(({ rule }) => rule.id === "vf-sends-bad-frames");
  assert.deepEqual(abuse?.targets, vfTargets.slice(0, 1));
});

test("what keeps guests from VFs is no error where only containers have some", () => {
  const container: Owner = { kind: "container", name: "web", pid: null, evidence: "netns" };
  const hostOf = (owners: readonly Owner[], loadedDrivers: readonly string[]) =>
    evidenceOf(
      [
        pfOf(address, 2, {
          iommuGroup: 5,
          virtualFunctions: [0, 1].map((at) => vfOf(address, at, { owners, iommuGroup: 5 })),
        }),
      ],
      { inventory: { loadedDrivers } },
    );
  const shared = (evidence: Evidence) =>
    idsOf(evidence).filter((id) => id.endsWith("iommu-group-shared"));
  assert.deepEqual(shared(hostOf([container], ["igb"])), ["warning iommu-group-shared"]);
  assert.deepEqual(shared(hostOf([container], ["igb", "vfio-pci"])), ["error iommu-group-shared"]);
  assert.deepEqual(shared(hostOf([], ["igb"])), ["error iommu-group-shared"]);
  const off = { ...hostOf([container], ["igb"]) };
  const facts = { ...off.facts, iommu: { ...off.facts.iommu, instances: [] } };
  assert.deepEqual(idsOf({ ...off, facts })[0], "warning iommu-off");
});

test("without facts nothing is guessed, and each gap says why", () => {
  const unknown: Evidence = {
    inventory: inventoryOf([pfOf(address, 0, { totalVfs: null })]),
    facts: {
      ...healthyFacts,
      kernel: nothingKnown.kernel,
      iommu: nothingKnown.iommu,
      iommuGroups: null,
      kernelLog: null,
      gaps: [{ source: "kernel log", why: "/dev/kmsg: EPERM" }],
    },
    wanted: null,
    conflicts: null,
  };
  const { findings, notChecked, numChecked, numRules } = diagnose(unknown, today);
  assert.deepEqual(findings, []);
  assert.ok(numChecked < numRules);
  const log = notChecked.find(({ need }) => need === "kernel-log");
  assert.equal(log?.why, "kernel log: /dev/kmsg: EPERM");
  assert.ok(log?.rules.includes("fewer-vfs-than-asked"));
  assert.ok(notChecked.some(({ need }) => need === "iommu"));
});

test("what is known of some PFs is checked there, and the others are named", () => {
  const other = "0000:04:00.0";
  const evidence = evidenceOf([pfOf(address, 1), pfOf(other, 1)], {
    facts: { nics: [nicOf(address)] },
  });
  const { notChecked } = diagnose(evidence, today);
  assert.deepEqual(notChecked.find(({ need }) => need === "pause")?.pfs, [other]);
});

test("rules have names of their own", () => {
  const ids = ruleTable.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const { id, consequenceOf = [] } of ruleTable) {
    for (const cause of consequenceOf)
      assert.ok(ids.includes(cause), `${id} follows from ${cause}`);
  }
});

test("each point of the catalogue is answered by a rule, or has its reason", () => {
  const numbers = (prefix: string, count: number): string[] =>
    Array.from({ length: count }, (_, at) => {
      return `${prefix}${prefix === "S" ? at + 1 : String(at + 1).padStart(2, "0")}`;
    });
  const whole = [
    ...numbers("P", 13),
    ...numbers("N", 25),
    ...numbers("V", 12),
    ...numbers("T", 8),
    ...numbers("S", 28),
  ];
  assert.deepEqual(
    catalogue.map(({ id }) => id),
    whole,
  );
  const answered = new Set(ruleTable.flatMap(({ answers }) => answers));
  for (const { id, unanswered } of catalogue) {
    assert.equal(answered.has(id), unanswered === undefined, id);
  }
  for (const id of answered) assert.ok(whole.includes(id), `${id} is in no catalogue`);
});
