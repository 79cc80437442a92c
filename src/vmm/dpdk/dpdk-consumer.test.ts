// VFs for DPDK on emulated machines, with a folder in the place of /dev/vfio. That an application starts
// with what is printed here is seen on a real kernel in test/kernel.

import assert from "node:assert/strict";
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { applySpec, openBench } from "../../../test/sim/bench.ts";
import type { MachinePlan } from "../../../test/sim/machines.ts";
import { specOf } from "../../../test/sim/specs.ts";
import { fullInventory } from "../../host/host.ts";
import { plugTo } from "../../../test/plug-to.ts";
import type { Plug } from "../../model/plug.ts";
import type { RunProgram } from "../program.ts";
import { dpdkConsumer } from "./dpdk-consumer.ts";

const nodes = mkdtempSync(join(tmpdir(), "sriovctl-vfio-"));
after(() => rmSync(nodes, { recursive: true }));

const pf = "0000:10:00.0";

/** id(1) knows one user. */
const run: RunProgram = async ([program, option, user]) => {
  assert.deepEqual([program, option], ["id", "-u"]);
  const isKnown = user === "dpdk";
  return {
    stdout: Buffer.from(isKnown ? "812\n" : ""),
    stderr: Buffer.from(isKnown ? "" : `id: '${user}': no such user\n`),
    end: { status: "exited", exitCode: isKnown ? 0 : 1 },
  };
};

async function world(card: MachinePlan["pfs"][number]["card"], driver: string) {
  const guests = [{ name: "web1", holds: [] }];
  const bench = await openBench({ pfs: [{ card }], guests });
  const report = await applySpec(bench, specOf({ pfs: [{ numVfs: 2, vfs: { "0": { driver } } }] }));
  assert.equal(report.outcome, "done");
  const { physicalFunctions } = await bench.host.inventory(fullInventory);
  const vf = physicalFunctions[0]?.virtualFunctions[0];
  assert.ok(vf !== undefined);
  const node = join(nodes, String(vf.iommuGroup));
  writeFileSync(node, "");
  const plug = plugTo("dpdk:upf", { pf, vf: vf.address });
  return { bench, plug, node, adapter: dpdkConsumer({ host: bench.host, run, nodes }) };
}

const isRoot = process.getuid?.() === 0;
const release = { deadlineMs: 1000, isForced: false };

test("a VF on vfio-pci is ready for root, with its arguments", async () => {
  const { adapter, plug } = await world("intel-82576", "vfio-pci");
  if (isRoot) {
    assert.deepEqual(await adapter.check(plug), []);
    const { isLive, notes } = await adapter.plug(plug, 1000);
    const words = `EAL arguments: -a ${plug.vf} --iova-mode va`;
    assert.deepEqual([isLive, notes[0]], [true, words]);
  }
  const token = "14d63f20-8445-11ea-8900-1f9ce7d5650d";
  const [problem] = await adapter.check({ ...plug, vfToken: token });
  assert.equal(problem?.message, `Cannot use a VF token: PF ${pf} is on igb, not on vfio-pci`);
});

const skip = isRoot ? false : "only root gives files away";

test("a user gets the group's node, and root gets it back", { skip }, async () => {
  const { adapter, plug, node } = await world("intel-82576", "vfio-pci");
  const theirs = { ...plug, user: "dpdk" };
  assert.deepEqual(await adapter.check(theirs), []);
  assert.equal((await adapter.look(theirs)).isLive, false);
  const { isLive, notes } = await adapter.plug(theirs, 1000);
  assert.equal(isLive, true);
  assert.match(notes.join("\n"), /dpdk needs a limit of locked memory/);
  assert.equal(statSync(node).uid, 812);
  await adapter.plug(theirs, 1000);
  assert.deepEqual(await adapter.unplug(theirs, release), { status: "done" });
  assert.equal(statSync(node).uid, 0);
  assert.deepEqual(await adapter.unplug(theirs, release), { status: "done" });
  // Its driver was bound anew meanwhile: the kernel made the node again.
  chownSync(node, 0, 0);
  assert.equal((await adapter.look(theirs)).isLive, false);
});

test("a VF that is in use is not taken from its user", async () => {
  const { adapter, plug, bench } = await world("intel-82576", "vfio-pci");
  bench.host.happen({ event: "guest-opens", guest: "web1", vf: plug.vf });
  const unplugged = await adapter.unplug(plug, release);
  assert.equal(unplugged.status, "pending");
  assert.match("message" in unplugged ? unplugged.message : "", /has it open/);
});

test("cards of Mellanox stay on their driver", async () => {
  const { adapter, plug } = await world("mellanox-connectx6", "kernel");
  assert.deepEqual(await adapter.check(plug), []);
  const { isLive, notes } = await adapter.plug(plug, 1000);
  assert.deepEqual([isLive, notes[0]], [true, `EAL arguments: -a ${plug.vf}`]);
  const bound = await world("mellanox-connectx6", "vfio-pci");
  await assert.rejects(bound.adapter.plug(bound.plug, 1000), {
    code: "consumer-refused",
    message: `Cannot hand ${bound.plug.vf} to DPDK: it is on vfio-pci, wanted mlx5_core`,
  });
});

test("what cannot be is said first", async () => {
  const { adapter, plug } = await world("intel-82576", "kernel");
  const rows: readonly (readonly [more: Partial<Plug>, expected: RegExp])[] = [
    [{ user: "nobody-here" }, /to nobody-here: no such user$/],
    [{ user: "-u" }, /to -u: no such user$/],
    [{ vfToken: "secret" }, /it is no UUID$/],
    [{ scope: "persistent" }, /an application has no configuration here$/],
    [{ ipAddresses: ["192.0.2.1/24"] }, /gives itself addresses$/],
    [{ vfIndex: 5 }, /there is no such VF$/],
  ];
  for (const [more, expected] of rows) {
    const messages = (await adapter.check({ ...plug, ...more })).map(({ message }) => message);
    assert.equal(messages.length, 1, messages.join("; "));
    assert.match(messages[0] ?? "", expected);
  }
  await assert.rejects(adapter.plug(plug, 1000), {
    message: `Cannot hand ${plug.vf} to DPDK: it is on igbvf, wanted vfio-pci`,
  });
});
