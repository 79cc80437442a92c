// A VF that a VM was given without sriovctl, as whole commands on the emulated machine: what attach makes of it,
// what it refuses, and the hand-over that is possible then.

import assert from "node:assert/strict";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

/** web1 of the demo machine was made with it. */
const pf = "0000:5e:00.0";
const name = `${pf}/vf0`;

function machine(context: TestContext) {
  const root = temporaryDirectory(context);
  const path = join(root, "host.yaml");
  const physical = `{ name: p0, match: { address: "${pf}" }, numVfs: 6 }`;
  writeFileSync(path, `apiVersion: sriovctl/v1\nadapters:\n  - physicalFunctions: [${physical}]\n`);
  const run = async (line: string, expected = 0) => {
    const argv = ["--host", "emulated:demo", ...line.split(" ")];
    const { exitCode, stdout, stderr } = await runProgram(argv, { env: stateIn(root) });
    assert.equal(exitCode, expected, `${line}: ${stderr}`);
    return { stdout, stderr };
  };
  const policy = async () => (await run(`show ${name}`)).stdout;
  return { run, path, policy };
}

test("attach adopts what its consumer has, changes nothing of it, and does so once", async (context) => {
  const { run, policy } = machine(context);
  const before = await policy();
  const dry = JSON.parse(
    (await run(`attach ${name} --to libvirt:web1/net1 --dry-run --json`)).stdout,
  );
  assert.deepEqual([dry.isAttached, dry.isAdopted, dry.actions], [false, true, []]);
  assert.equal((await run("lease ls")).stdout, "No VF is leased.\n");
  const json = JSON.parse((await run(`attach ${name} --to libvirt:web1/net1 --yes --json`)).stdout);
  assert.deepEqual(
    [json.outcome, json.lease.state, json.scope, json.apply],
    ["adopted", "attached", "both", null],
  );
  assert.ok(json.mac !== null && before.includes(json.mac), "what the PF says of it");
  assert.equal(await policy(), before);
  const again = await run(`attach ${name} --to libvirt:web1/net1 --yes`);
  assert.match(again.stdout, /^Nothing to do\n/);
});

test("nobody adopts another's VF, nor one on other terms", async (context) => {
  const { run } = machine(context);
  const others = await run(`attach ${name} --to libvirt:web2/net1 --yes`, 3);
  assert.match(others.stdout, /in use by vm:web1/);
  const terms = await run(`attach ${name} --to libvirt:web1/net1 --vlan 77 --yes`, 3);
  assert.match(terms.stderr, /has it already, on other terms \(MAC /);
  assert.equal((await run("lease ls")).stdout, "No VF is leased.\n");
});

test("an entry of a spec waits for its VF to be adopted, and then has it", async (context) => {
  const { run, path } = machine(context);
  appendFileSync(
    path,
    'assign: [{ to: "libvirt:web1/net1", vf: p0/0, mac: "52:54:00:41:01:00", vlan: 200 }]\n',
  );
  writeFileSync(path, readFileSync(path, "utf8").replace("numVfs: 6", "numVfs: 4"));
  const planned = await run(`plan -f ${path}`);
  const hint = /has its VF already, from somebody else[^]*sriovctl attach 0000:5e:00\.0\/vf0 --to/;
  assert.match(planned.stdout + planned.stderr, hint);
  await run(`attach ${name} --to libvirt:web1/net1 --yes`);
  const again = await run(`plan -f ${path}`);
  assert.doesNotMatch(again.stdout + again.stderr, /from somebody else/);
});

test("a hand-over says who is left out and why; once adopted it is handed over", async (context) => {
  const { run, path, policy } = machine(context);
  const planned = await run(`plan -f ${path} --hand-over`, 3);
  assert.match(planned.stdout, /sriovctl attach 0000:5e:00\.0\/vf0 --to libvirt:web1\/ALIAS/);
  const asBefore = await policy();
  await run(`attach ${name} --to libvirt:web1/net1 --yes`);
  await run(`apply -f ${path} --hand-over --yes`);
  const mac = /[0-9a-f]{2}(?::[0-9a-f]{2}){5}/;
  assert.deepEqual(mac.exec(await policy())?.[0], mac.exec(asBefore)?.[0]);
  assert.match((await run("lease ls")).stdout, /vf0 .* attached  libvirt:web1\/net1/);
  await run("detach libvirt:web1 --yes");
  assert.equal((await run("lease ls")).stdout, "No VF is leased.\n");
});
