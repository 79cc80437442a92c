// The lease of a VF that a guest has in its configuration and does not use now, as whole commands on the
// emulated machine: the guest is off, and finds its VF, and its alone, when it starts.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openLeases } from "../lease/store.ts";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const specText = `apiVersion: sriovctl/v1
adapters:
  - physicalFunctions: [{ name: p0, match: { address: "0000:3b:00.0" }, numVfs: 2 }]
`;
const vf = "0000:3b:00.0/vf0";
const holder = "libvirt:web2/net1";

/** The demo machine, whose guest web2 has a VF in its configuration and is off. */
async function machine(context: TestContext) {
  const root = temporaryDirectory(context);
  const run = async (line: string, expected = 0) => {
    const argv = ["--host", "emulated:demo", ...line.split(" ")];
    const done = await runProgram(argv, { env: stateIn(root) });
    assert.equal(done.exitCode, expected, `${line}: ${done.stdout}${done.stderr}`);
    return `${done.stdout}${done.stderr}`;
  };
  const spec = join(root, "host.yaml");
  writeFileSync(spec, specText);
  await run(`apply -f ${spec} --yes`);
  await run(`attach ${vf} --to ${holder} --yes`);
  await run("demo --stop-guest web2");
  const leaseFile = join(root, "state/emulated/demo/leases.sqlite");
  return { run, leaseFile };
}

test("it is not released: detach takes it out first", async (context) => {
  const { run } = await machine(context);
  const refused = await run(`lease release ${vf} --for ${holder}`, 3);
  assert.match(
    refused,
    /Cannot release \S+: it is attached for libvirt:web2\/net1 in generation 1/,
  );
  assert.match(refused, /sriovctl detach libvirt:web2\/net1/);
  await run(`lease acquire ${vf} --for vm:thief`, 3);
  await run("demo --start-guest web2");
  assert.match(await run("lease ls"), /attached +libvirt:web2\/net1/);
  assert.equal(await run("lease reconcile"), "Every lease is as the host says.\n");
});

test("one that has expired is not cleaned: detach takes it out", async (context) => {
  const { run, leaseFile } = await machine(context);
  const store = openLeases(leaseFile);
  store.transact((table) => {
    const [lease] = table.all();
    assert(lease !== undefined);
    const event = { kind: "renew", generation: 1, expiresAtMs: 1 } as const;
    table.step(lease.vf, event, { nowMs: 1, bootId: lease.bootId, reason: "renewed" });
  });
  store.close();
  const told = await run("lease reconcile --yes", 4);
  assert.match(told, /which is over: to take it back, sriovctl detach libvirt:web2\/net1\n$/);
  assert.match(await run("lease ls"), /attached +libvirt:web2\/net1/);
  await run(`detach ${holder} --yes`);
  assert.match(await run("lease ls"), /No VF is leased/);
});
