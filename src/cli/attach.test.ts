// `sriovctl attach` and `detach` as whole commands on the emulated machine: what people and programs read,
// what is refused, and that both do nothing where all is so already.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assigning } from "../../test/assigning-spec.ts";
import { demoMachine, demoSpec } from "../../test/demo-machine.ts";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const vf0 = "0000:3b:00.0/vf0";

const toWeb2 = "--to libvirt:web2/net1 --mac 02:00:5e:10:00:01 --vlan 120";

test("a VF of a pool goes to a VM, stays there, and comes back clean", async (context) => {
  const { run } = await demoMachine(context);
  const dry = await run(`attach --pool tenants ${toWeb2} --dry-run`);
  assert.match(dry.stdout, /attach to libvirt:web2\/net1/);
  assert.match((await run("lease ls")).stdout, /No VF is leased/);
  const attached = await run(`attach --pool tenants ${toWeb2} --yes`);
  const words = "live and persistent, MAC 02:00:5e:10:00:01, VLAN 120";
  const sentence = `${vf0} (0000:3b:01.0) is attached to libvirt:web2/net1: ${words}`;
  assert.equal(attached.exitCode, 0, attached.stderr);
  assert.equal(attached.stdout.trimEnd().split("\n").at(-1), sentence);
  assert.match((await run(`who ${vf0}`)).stdout, /vm:web2/);
  const again = await run(`attach p0/0 ${toWeb2} --json`);
  assert.equal(again.exitCode, 0, again.stderr);
  const document = JSON.parse(again.stdout);
  assert.deepEqual(
    [document.outcome, document.isLive, document.isPersistent, document.lease.state],
    ["nothing-to-do", true, true, "attached"],
  );
  const unsaid = await run("attach --to libvirt:web2/net1 --yes --json");
  assert.equal(JSON.parse(unsaid.stdout).outcome, "nothing-to-do", "what is not said stays");
  const otherwise = await run("attach --to libvirt:web2/net1 --vlan none --yes");
  assert.equal(otherwise.exitCode, 3);
  assert.match(otherwise.stderr, /on other terms \(MAC 02:00:5e:10:00:01, VLAN 120\)/);
  assert.equal((await run("detach libvirt:web2 --yes")).exitCode, 0);
  assert.match((await run("lease ls")).stdout, /No VF is leased/);
  assert.match((await run("detach libvirt:web2 --yes")).stdout, /^Nothing to do/);
});

test("a second holder is refused and told who is the first", async (context) => {
  const { run } = await demoMachine(context);
  await run(`attach ${vf0} ${toWeb2} --yes`);
  const second = await run(`attach ${vf0} --to libvirt:web1/net1 --yes`);
  assert.equal(second.exitCode, 3);
  assert.match(
    second.stderr,
    /attach \S+\/vf0 to libvirt:web1\/net1: leased to libvirt:web2\/net1/,
  );
  const other = await run(`attach 0000:3b:00.0/vf1 ${toWeb2} --yes`);
  assert.deepEqual([other.exitCode, /has 0000:3b:00.0\/vf0/.test(other.stderr)], [3, true]);
  const foreign = await run("detach 0000:5e:00.0/vf0 --yes");
  assert.deepEqual([foreign.exitCode, /vm:web1/.test(foreign.stderr)], [3, true]);
});

test("a namespace gets the VF's interface, and the pool its VF back", async (context) => {
  const { run } = await demoMachine(context);
  const attached = await run(`attach ${vf0} --to netns:ci/eth1 --yes --json`);
  assert.equal(JSON.parse(attached.stdout).device, "eth1", attached.stderr);
  assert.match((await run(`who ${vf0}`)).stdout, /netns:ci/);
  assert.equal((await run(`detach ${vf0} --yes`)).exitCode, 0);
  assert.match((await run(`plan -f ${demoSpec}`)).stdout, /Nothing to do/);
});

test("a consumer that refuses leaves nothing behind, one that does not let go keeps it", async (context) => {
  const { run, faults } = await demoMachine(context);
  await faults("{ on: { operation: plug }, effect: { refuse: EBUSY } }");
  const failed = await run(`attach ${vf0} ${toWeb2} --yes`);
  assert.deepEqual([failed.exitCode, /EBUSY/.test(failed.stderr)], [1, true]);
  assert.match((await run("lease ls")).stdout, /No VF is leased/);
  assert.match((await run(`plan -f ${demoSpec}`)).stdout, /Nothing to do/);
  assert.equal((await run(`attach ${vf0} ${toWeb2} --yes`)).exitCode, 0);
  await faults("{ on: { operation: unplug }, effect: hang }");
  const kept = await run(`detach ${vf0} --yes`);
  assert.deepEqual([kept.exitCode, /has not let go/.test(kept.stderr)], [1, true]);
  assert.match((await run("lease ls")).stdout, /attached  libvirt:web2\/net1/);
  assert.equal((await run(`detach ${vf0} --yes`)).exitCode, 0);
});

const takenBy = (guest: string): string =>
  `{ on: { operation: unbind }, effect: { guestOpens: { guest: ${guest}, vf: '0000:3b:01.0' } } }`;

const unclean: readonly (readonly [fault: string, leaseState: string, message: RegExp])[] = [
  [takenBy("web1"), "releasing", /vf0 is not free yet: in use by vm:web1 .*\n.*lease reconcile/],
  [
    "{ on: { operation: reset }, effect: { refuse: EIO } }",
    "quarantined",
    /vf0 is in quarantine: .*EIO.*\n.*lease release 0000:3b:00.0\/vf0/,
  ],
];

test("a VF that is out of its consumer and not free is no success", async (context) => {
  for (const [fault, state, message] of unclean) {
    const { run, faults } = await demoMachine(context);
    assert.equal((await run(`attach ${vf0} ${toWeb2} --yes`)).exitCode, 0);
    await faults(fault);
    const { exitCode, stdout, stderr } = await run("detach libvirt:web2 --yes --json");
    const [detached] = JSON.parse(stdout).detached;
    assert.deepEqual([exitCode, detached.outcome, detached.lease.state], [1, "not-free", state]);
    assert.match(stderr, message);
  }
});

test("detach again says what the VF that is out waits for", async (context) => {
  const { run, faults } = await demoMachine(context);
  assert.equal((await run(`attach ${vf0} ${toWeb2} --yes`)).exitCode, 0);
  await faults(takenBy("web1"));
  assert.equal((await run("detach libvirt:web2/net1 --yes")).exitCode, 1);
  const waits = await run("detach libvirt:web2/net1 --yes --json");
  assert.deepEqual([waits.exitCode, JSON.parse(waits.stdout).notFreeYet.length], [1, 1]);
  assert.match(waits.stderr, /releasing for libvirt:web2\/net1 .* vm:web1 .* uses it/);
});

const wrongs: readonly (readonly [line: string, exitCode: number, message: RegExp])[] = [
  [`attach ${vf0} --to nowhere:x --yes`, 2, /wanted one of libvirt:DOMAIN/],
  [`attach ${vf0} --to libvirt:web2 --yes`, 2, /wanted libvirt:DOMAIN\/ALIAS/],
  ["attach --to libvirt:web2/net1 --yes", 2, /wanted a VF, or --pool/],
  [`attach ${vf0} --to libvirt:web2/net1 --mac 01:00:00:00:00:00 --yes`, 2, /unicast MAC/],
  [`attach ${vf0} --to libvirt:web2/net1 --ip 192.0.2.1/24 --yes`, 2, /namespaces/],
  [`attach ${vf0} --to libvirt:nobody/net1 --yes`, 1, /guest web1, guest web2/],
];

test("what cannot be meant is said, and nothing is leased", async (context) => {
  const { run } = await demoMachine(context);
  for (const [line, exitCode, message] of wrongs) {
    const result = await run(line);
    assert.equal(result.exitCode, exitCode, line);
    assert.match(result.stderr, message, line);
  }
  assert.match((await run("lease ls")).stdout, /No VF is leased/);
});

test("entries of a spec are attached by apply, once, and by hand beside it is no drift", async (context) => {
  const root = temporaryDirectory(context);
  const run = async (line: string) =>
    await runProgram(["--host", "emulated:demo", ...line.split(" ")], { env: stateIn(root) });
  const path = join(root, "assign.yaml");
  writeFileSync(path, assigning);
  const planned = JSON.parse((await run(`plan -f ${path} --json`)).stdout);
  assert.deepEqual(
    planned.warnings.map(({ code }: { readonly code: string }) => code),
    ["assign-waiting"],
  );
  assert.equal((await run("lease ls")).stdout, "No VF is leased.\n");
  assert.equal((await run(`apply -f ${path} --yes`)).exitCode, 0);
  const leased = /vf0 .* attached  libvirt:web2\/net1[^]*vf5 .* attached  netns:ci\/eth1/;
  assert.match((await run("lease ls")).stdout, leased);
  assert.match((await run(`plan -f ${path}`)).stdout, /Nothing to do/);
  const byHand = `attach -f ${path} --pool few --to libvirt:web2/net2 --vlan 33 --yes`;
  assert.equal((await run(byHand)).exitCode, 0);
  assert.equal((await run(`drift -f ${path}`)).exitCode, 0);
  assert.equal((await run("detach netns:ci --yes")).exitCode, 0);
  assert.equal((await run(`drift -f ${path}`)).exitCode, 4);
  assert.equal((await run(`apply -f ${path} --yes`)).exitCode, 0);
  assert.match((await run("lease ls")).stdout, leased);
});

test("a rollback takes out what the apply attached, and frees it", async (context) => {
  const root = temporaryDirectory(context);
  const run = async (line: string) =>
    await runProgram(["--host", "emulated:demo", ...line.split(" ")], { env: stateIn(root) });
  const path = join(root, "assign.yaml");
  writeFileSync(path, assigning);
  assert.equal((await run(`apply -f ${path} --yes`)).exitCode, 0);
  const back = await run("rollback --yes");
  assert.equal(back.exitCode, 0, back.stderr);
  // The VFs went with the resize, and their leases with them: nothing is left to clean.
  assert.equal((await run("lease ls")).stdout, "No VF is leased.\n", back.stderr);
});

const givenBack = ["libvirt:web2/net1", "dpdk:upf", "netns:ci/eth1"] as const;

test("a rollback takes back a detach, whoever the consumer is, unless somebody else has its VF", async (context) => {
  const { run } = await demoMachine(context);
  const mac = "02:00:5e:10:0f:01";
  for (const to of givenBack) {
    assert.equal((await run(`attach ${vf0} --to ${to} --mac ${mac} --yes`)).exitCode, 0);
    assert.equal((await run(`detach ${to} --yes`)).exitCode, 0);
    const back = await run("rollback --yes");
    assert.equal(back.exitCode, 0, back.stderr);
    assert.match((await run("lease ls")).stdout, new RegExp(`vf0 .* attached  ${to}`));
    assert.match((await run(`show ${vf0}`)).stdout, new RegExp(mac));
    assert.equal((await run(`detach ${to} --yes`)).exitCode, 0);
  }
  assert.equal((await run(`lease acquire ${vf0} --for vm:thief`)).exitCode, 0);
  const late = await run("rollback --yes");
  assert.deepEqual([late.exitCode, /again: leased to vm:thief/.test(late.stderr)], [3, true]);
  assert.match((await run("lease ls")).stdout, /vf0 .* prepared  vm:thief/);
});

test("an entry that waits is told by drift and status; import writes who has which VF", async (context) => {
  const root = temporaryDirectory(context);
  const run = async (line: string) =>
    await runProgram(["--host", "emulated:demo", ...line.split(" ")], { env: stateIn(root) });
  const path = join(root, "assign.yaml");
  writeFileSync(path, assigning);
  assert.equal((await run(`apply -f ${path} --yes`)).exitCode, 0);
  const waiting = /libvirt:nobody\/net1 is not attached now/;
  const drift = await run(`drift -f ${path} --json`);
  assert.match(JSON.parse(drift.stdout).waiting[0].message, waiting);
  assert.match((await run(`status -f ${path}`)).stdout, /\nWaiting .*libvirt:nobody\/net1/);
  const imported = join(root, "imported.yaml");
  assert.equal((await run(`import --out ${imported}`)).exitCode, 0);
  const text = readFileSync(imported, "utf8");
  assert.match(
    text,
    /to: "libvirt:web2\/net1", vf: p2\/0, driver: vfio-pci, mac: auto, vlan: 120,/,
  );
  assert.match(text, /to: "netns:ci\/eth1", vf: p2\/5, driver: kernel, vlan: 7,/);
  assert.match((await run(`plan -f ${imported}`)).stdout, /Nothing to do/);
});

test("a failover pair is checked before, planned, read back, and stands in for a hand-over", async (context) => {
  const { run } = await demoMachine(context);
  const vf = `attach ${vf0} --to libvirt:web2/net1`;
  const mac = "--mac 02:00:5e:10:00:21";
  const rows: readonly (readonly [words: string, exitCode: number, says: RegExp])[] = [
    [`${vf} --failover lan9 ${mac} --dry-run`, 1, /would not take it: guest web2 has no NIC lan9/],
    [`${vf} --failover lan0 --mac auto --dry-run`, 1, /the MAC of lan0 is 02:00:5e:10:00:21/],
    [`${vf} --failover lan0 ${mac} --dry-run`, 0, /attach to libvirt:web2\/net1, lan0 standing in/],
    [`${vf} --failover lan0 ${mac} --yes`, 0, /failover pair with lan0/],
    [`${vf} --failover lan0 ${mac} --yes`, 0, /^Nothing to do/],
    [
      `attach p0/1 --to libvirt:web2/net2 --failover lan0 ${mac} --vlan 7 --dry-run`,
      1,
      /would not take it: lan0 stands in for net1 already/,
    ],
    [`${vf} ${mac} --yes`, 3, /on other terms .*lan0 standing in/],
    ["without-vfs libvirt:web2 -- true", 0, /attached again/],
    [`${vf} --failover lan0 ${mac} --dry-run`, 0, /failover pair with lan0/],
  ];
  for (const [line, exitCode, says] of rows) {
    const result = await run(line);
    assert.equal(result.exitCode, exitCode, `${line}: ${result.stderr}`);
    assert.match(result.stdout + result.stderr, says, line);
  }
});

test("without-vfs: the command's exit code, and the VFs are back whatever it was", async (context) => {
  const { run } = await demoMachine(context);
  await run(`attach ${vf0} ${toWeb2} --yes`);
  const failing = await run("without-vfs libvirt:web2 --json -- false");
  assert.equal(failing.exitCode, 1, failing.stderr);
  const { exitCode, out, back } = JSON.parse(failing.stdout);
  assert.deepEqual([exitCode, out.outcome, back.outcome], [1, "interrupted", "undone"]);
  assert.match((await run(`who ${vf0}`)).stdout, /vm:web2/);
  assert.equal((await run("without-vfs libvirt:web2/net1 -- true")).exitCode, 0);
  assert.equal((await run("without-vfs libvirt:web2 -- /nowhere")).exitCode, 127);
  assert.match((await run("lease ls")).stdout, /attached  libvirt:web2\/net1  1 /);
  const own = await run("without-vfs libvirt:web1 -- true");
  assert.equal(own.exitCode, 0);
  assert.match(own.stderr, /libvirt:web1 keeps 0000:5e:00.0\/vf0: not given to it by a lease/);
  assert.match((await run("detach libvirt:web1 --yes")).stderr, /web1 keeps 0000:5e:00.0\/vf0/);
  const to = (host: string) => run(`without-vfs libvirt:web2 --target ${host} -- false`);
  const nowhere = await to("emulated:igb-lab");
  assert.equal(nowhere.exitCode, 3);
  assert.match(nowhere.stderr, /one of 8086:159b here: there is no such card.*was not run/s);
  const there = await to("emulated:demo");
  assert.deepEqual(
    [there.exitCode, /net1 has 0000:3b:00.0\/vf1 to go to/.test(there.stderr)],
    [1, true],
  );
});
