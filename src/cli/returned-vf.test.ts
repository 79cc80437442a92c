// A VF whose network namespace has ended, as whole commands on the emulated machine: what udev's unit does with it,
// what an attach or an acquire does that comes first, and by which marks udev knows such VFs.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const specText = `apiVersion: sriovctl/v1
adapters:
  - physicalFunctions: [{ name: p0, match: { address: "0000:3b:00.0" }, numVfs: 2 }]
pools: [{ name: all, vfs: p0/0-1, driver: kernel }]
`;
const vf = "0000:3b:01.0";
const name = "0000:3b:00.0/vf0";
const lost = `${name} is attached to netns:ci/eth1, which has lost it: its namespace has ended`;
const unattended = "lease reconcile --unattended";

/** The demo machine, whose namespace has a VF. */
async function attached(context: TestContext) {
  const root = temporaryDirectory(context);
  const run = async (line: string, expected = 0) => {
    const argv = ["--host", "emulated:demo", ...line.split(" ")];
    const done = await runProgram(argv, { env: stateIn(root) });
    assert.equal(done.exitCode, expected, `${line}: ${done.stderr}`);
    return done.stdout;
  };
  const away = join(root, "run/emulated/demo/away");
  const marks = () => readdirSync(away);
  /** At the next look at the machine. */
  const end = async () => {
    const fault = '{ on: { operation: inventory }, effect: { namespaceEnds: "netns:ci" } }';
    const path = join(root, "faults.yaml");
    writeFileSync(path, `format: sriovctl-faults/1\nfaults:\n  - ${fault}\n`);
    await run(`demo --faults ${path}`);
    await run("list");
  };
  const spec = join(root, "config/host.yaml");
  mkdirSync(join(root, "config"));
  writeFileSync(spec, specText);
  await run(`apply -f ${spec} --yes`);
  await run(`attach ${name} --to netns:ci/eth1 --mac 02:00:5e:10:00:01 --yes`);
  assert.deepEqual(marks(), [vf]);
  return { run, end, marks, away };
}

test("what udev starts cleans a VF that came back, once, and nothing else", async (context) => {
  const { run, end, marks, away } = await attached(context);
  writeFileSync(join(away, "0000:3b:01.2"), "");
  assert.equal(await run(unattended), "");
  assert.deepEqual(marks(), [vf], "nobody has the other VF");
  await run("lease acquire 0000:3b:00.0/vf1 --for vm:db1 --ttl 1s");
  await end();
  assert.match(await run(unattended), new RegExp(`^${lost}\n${name} is free and clean: .*\n$`));
  assert.deepEqual(marks(), []);
  assert.doesNotMatch(await run(`show ${name}`), /02:00:5e:10:00:01/);
  assert.match(await run("lease ls"), /^[^]*vf1 .* prepared  vm:db1[^]*$/);
  assert.equal(await run(unattended), "");
});

test("a detach takes the mark along", async (context) => {
  const { run, marks } = await attached(context);
  await run("detach netns:ci/eth1 --yes");
  assert.deepEqual(marks(), []);
});

test("a VF that came back is in nobody's way", async (context) => {
  const { run, end, marks } = await attached(context);
  await end();
  assert.match(await run(`lease acquire ${name} --for vm:db1`), new RegExp(`^${lost}\n`));
  await run("lease release --for vm:db1");
  assert.deepEqual(marks(), []);
  assert.equal(
    await run("detach netns:ci --yes"),
    "Nothing to do: no VF is attached to netns:ci\n",
  );
});

test("it goes to the next consumer, clean", async (context) => {
  const { run, end } = await attached(context);
  await end();
  const said = await run(`attach ${name} --to libvirt:web2/net1 --vlan 7 --yes`);
  assert.match(said, new RegExp(`^${lost}\n${name} is free and clean`));
  assert.doesNotMatch(await run(`show ${name}`), /02:00:5e:10:00:01/);
});
