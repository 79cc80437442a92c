// A complete device goes to a VM and comes back: killed at every single step it is the VM's, or the host's as it was,
// VFs, driver, MTU and all. Refused where anybody uses it, a VF of it or its IOMMU group.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { inventoryOf, pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import {
  diesIn,
  mortalSession,
  openAttachBench,
  options,
  recoverAll,
  stepsUntil,
  type AttachBench,
} from "../../test/lease/attach-bench.ts";
import { perform, pf as address } from "../../test/lease/lease-bench.ts";
import { factsOn, inventoryOn } from "../../test/sim/checks.ts";
import { fullInventory } from "../host/host.ts";
import { plugTo } from "../../test/plug-to.ts";
import type { Pf } from "../model/inventory.ts";
import { planWhole, planWholeBack } from "../plan/whole-pf.ts";
import { differencesFrom } from "./facts.ts";
import { isOpen } from "./journal.ts";
import { runPlug, type Attaching } from "./plug-run.ts";
import { readOwnJournals } from "./session.ts";

const whole = { pf: address, vf: address, scope: "both", form: "hostdev" } as const;
const plug = plugTo("libvirt:web1/dev0", whole);

async function give(session: Attaching, direction: "there" | "back") {
  const inventory = await session.host.inventory({ ...fullInventory, detailOf: [address] });
  const [pf] = inventory.physicalFunctions;
  assert(pf !== undefined);
  const input = { inventory, pf, plug, consent: [], leased: [] };
  const plan = direction === "there" ? planWhole(input) : planWholeBack(input);
  assert.deepEqual(plan.problems, []);
  return await runPlug(session, plan, options, inventory);
}

/** `vm`: it is the guest's; `host`: nobody has it. */
async function whoseIsIt({ host }: AttachBench): Promise<"vm" | "host"> {
  const [pf] = (await inventoryOn({ host })).physicalFunctions;
  const holds = host.store.transact(({ state }) => state.core.guests[0]?.holds ?? []);
  const isVms = pf?.driver === "vfio-pci" && holds.includes(address);
  assert(isVms || (pf?.driver === "igb" && holds.length === 0), `${pf?.driver}, ${holds.join()}`);
  return isVms ? "vm" : "host";
}

async function killedEverywhere(context: TestContext, choice: "undo" | "finish") {
  const bench = await openAttachBench(context);
  // VFs that are made again are to be like those that were there: without a driver.
  await perform(bench.host, { verb: "setDriversAutoprobe", pf: address, isOn: false });
  const before = await factsOn(bench);
  const seen = { vm: 0, host: 0 };
  let at = 0;
  for (let died = true; died; at++) {
    const story = `killed at step ${at}, ${choice}`;
    const session = mortalSession(bench, stepsUntil(at));
    died = await diesIn(async () => await give(session, "there"));
    await recoverAll(bench.session, choice);
    assert.equal((await readOwnJournals(bench.session)).some(isOpen), false, story);
    const whose = await whoseIsIt(bench);
    seen[whose]++;
    if (whose === "host") {
      assert.deepEqual(differencesFrom(before, await inventoryOn(bench)), [], story);
      continue;
    }
    if (!died) break;
    assert.equal((await give(bench.session, "back")).outcome, "done", story);
    assert.equal(await whoseIsIt(bench), "host", story);
    await perform(bench.host, { verb: "setNumVfs", pf: address, numVfs: 3 });
  }
  context.diagnostic(`${at} steps: ${seen.vm} the VM's, ${seen.host} the host's after recover`);
  assert(at > 10 && seen.vm > 0, JSON.stringify(seen));
}

test("a whole PF for a VM, killed at every step, is undone: the host has it as before", async (context) => {
  await killedEverywhere(context, "undo");
});

test("a whole PF for a VM, killed at every step, is finished", async (context) => {
  await killedEverywhere(context, "finish");
});

const sister = pfOf("0000:10:00.1", 0, { iommuGroup: 99, adapter: "0000:10:00" });

const rows: readonly (readonly [
  what: string,
  pf: Partial<Pf>,
  others: readonly Pf[],
  says: RegExp,
])[] = [
  ["nothing in the way", {}, [], /^$/],
  [
    "its netdev carries a bridge",
    { owners: [{ ...vmOwner("x"), kind: "upper", name: "br0" }] },
    [],
    /upper:br0 uses it/,
  ],
  [
    "a VF is in a VM",
    { virtualFunctions: [vfOf(address, 0, { owners: [vmOwner("db")] }), vfOf(address, 1)] },
    [],
    /vm:db uses VF 0: QEMU db has it open; .*VF 1 is leased to libvirt:a\/b$/,
  ],
  ["no IOMMU", { iommuGroup: null }, [], /it has no IOMMU group$/],
  [
    "its group is shared",
    { iommuGroup: 99 },
    [sister],
    /shares IOMMU group 99 with 0000:10:00.1 \(igb\)/,
  ],
  ["its group is shared by vfio", { iommuGroup: 99 }, [{ ...sister, driver: "vfio-pci" }], /^$/],
  ["it changes", { isChanging: true }, [], /still in flight/],
];

test("a whole PF is given to nobody while others use it, its VFs or its group", () => {
  for (const [what, part, others, says] of rows) {
    const pf = pfOf(address, 0, { iommuGroup: 10, ...part });
    const inventory = inventoryOf([pf, ...others]);
    const leased = [{ vfIndex: 1, holder: "libvirt:a/b" }];
    const { problems } = planWhole({ inventory, pf, plug, consent: [], leased });
    assert.match(problems.map(({ message }) => message).join("; "), says, what);
  }
});
