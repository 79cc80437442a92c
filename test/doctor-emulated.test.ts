// Faults that no kernel in QEMU can be brought to, on emulated machines: the kernel there refuses, and
// the doctor and the planner say why before anybody tries, from config space and windows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { diagnose } from "../src/doctor/doctor.ts";
import { openEmulatedHost } from "../src/host/emulated/emulated-host.ts";
import type { PortProfile } from "../src/host/emulated/profile.ts";
import { fullInventory } from "../src/host/host.ts";
import { parseSpec } from "../src/model/spec-text.ts";
import { plan } from "../src/plan/plan.ts";
import { crossing, demoWith } from "./cramped-demo.ts";

type Row = {
  readonly port: Partial<PortProfile>;
  /** Fits, and one more than that does not. */
  readonly numVfs: number;
  readonly rule: string;
  readonly refusal: RegExp;
};

const rows: Readonly<Record<string, Row>> = {
  "bus numbers that run out": {
    port: { subordinateBus: 0x5e },
    numVfs: 64,
    rule: "bus-numbers-short",
    refusal: /64 fit, the next VF is on bus 5f, bridge 0000:5d:00\.0 has buses up to 5e/,
  },
  "a memory window that is too small": {
    port: { windowBytes: 48 * 2 ** 20 },
    numVfs: 0,
    rule: "vf-memory-not-assigned",
    refusal: /0 fit, its VF BARs have no memory/,
  },
};

for (const [name, { port, numVfs, rule, refusal }] of Object.entries(rows)) {
  test(`${name}: kernel, doctor and planner agree`, async () => {
    const host = await openEmulatedHost({ name: demoWith(port), statePath: null });
    const inventory = await host.inventory({ ...fullInventory, detailOf: [crossing] });
    const facts = await host.facts(inventory);
    const wish = { address: crossing, name: "cx", numVfs: numVfs + 1 };
    const wanted = { physicalFunctions: [wish], waivers: [] };
    const { findings } = diagnose({ inventory, facts, wanted, conflicts: [] }, "2026-06-15");
    const found = findings.filter((finding) => finding.rule.id === rule);
    assert.deepEqual(
      found.map(({ severity, targets }) => [severity, targets]),
      [["error", [crossing]]],
    );
    const text = `apiVersion: sriovctl/v1
adapters: [{ physicalFunctions: [{ name: cx, match: { address: "${crossing}" }, numVfs: ${numVfs + 1} }] }]`;
    const { spec } = parseSpec(text, "s.yaml");
    assert.ok(spec);
    const { problems } = plan({ spec, inventory, consent: [] });
    assert.deepEqual(
      problems.map(({ code }) => code),
      ["vfs-do-not-fit"],
    );
    assert.match(problems[0]?.message ?? "", refusal);
    const set = (count: number) =>
      host.perform(
        { verb: "setNumVfs", pf: crossing, numVfs: count },
        { deadlineMs: 600_000, lockFd: null },
      );
    await assert.rejects(set(numVfs + 1), { errno: "ENOMEM" });
    if (numVfs > 0) await set(numVfs);
    await host.close();
  });
}
