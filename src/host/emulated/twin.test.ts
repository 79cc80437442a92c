// A twin has what its host has, and lacks what its host lacks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SriovError } from "../../model/errors.ts";
import { fullInventory } from "../host.ts";
import { openEmulatedHost } from "./emulated-host.ts";
import { memoryStore } from "./store.ts";
import { twinOf } from "./twin.ts";

const pf = "0000:01:00.0";
const setNumVfs = { verb: "setNumVfs", pf, numVfs: 4 } as const;
const patience = { deadlineMs: 60_000, lockFd: null };

async function sourcesOfTwin() {
  const host = await openEmulatedHost({ name: "igb-lab", statePath: null });
  await host.perform({ ...setNumVfs, pf: "0000:04:00.0", numVfs: 2 }, patience);
  const inventory = await host.inventory({ ...fullInventory, detailOf: [pf] });
  return { inventory, facts: await host.facts(inventory) };
}

const openTwin = ({ machine }: ReturnType<typeof twinOf>) =>
  openEmulatedHost({ name: "twin", statePath: null, store: memoryStore(machine) });

test("a twin has the host's PFs, VFs and groups", async () => {
  const { inventory, facts } = await sourcesOfTwin();
  const twin = await openTwin(twinOf(inventory, facts));
  const found = await twin.inventory({ ...fullInventory, detailOf: [pf] });
  assert.deepEqual(found.physicalFunctions, inventory.physicalFunctions);
});

test("memory that the host's VFs lack is lacking on the twin", async () => {
  const { inventory, facts } = await sourcesOfTwin();
  const nothing = { start: 0n, end: 0n, flags: 0n };
  const functions = facts.functions.map((each) => ({
    ...each,
    resources: each.resources?.map((window, at) => (at >= 7 ? nothing : window)) ?? null,
  }));
  const twin = await openTwin(twinOf(inventory, { ...facts, functions }));
  await assert.rejects(
    twin.perform(setNumVfs, patience),
    (error) => error instanceof SriovError && error.errno === "ENOMEM",
  );
  const whole = await openTwin(twinOf(inventory, facts));
  await whole.perform(setNumVfs, patience);
});
