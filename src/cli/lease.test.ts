// `sriovctl lease`: whole commands on the emulated machine: what people and programs read, and what is
// refused with which exit code.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openLeases } from "../lease/store.ts";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const example = join(import.meta.dirname, "../../examples/demo.yaml");

/** The demo machine with the example's pools; answers exit code and what was printed. */
async function machine(context: TestContext) {
  const root = temporaryDirectory(context);
  const env = stateIn(root);
  mkdirSync(join(root, "config"));
  copyFileSync(example, join(root, "config", "demo.yaml"));
  const run = async (line: string, answers?: readonly string[]) => {
    const argv = ["--host", "emulated:demo", ...line.split(" ")];
    return await runProgram(argv, { env, ...(answers === undefined ? {} : { answers }) });
  };
  assert.equal((await run(`apply -f ${example} --yes`)).exitCode, 0);
  return { run, leaseFile: join(root, "state/emulated/demo/leases.sqlite") };
}

const [p0, p1] = ["0000:3b:00.0", "0000:3b:00.1"];

test("acquire, ls, renew, release and history", async (context) => {
  const { run } = await machine(context);
  const two = await run("lease acquire --pool tenants --for vm:db1 --count 2 --apart pf");
  assert.deepEqual([two.exitCode, two.stderr], [0, ""]);
  assert.equal(
    two.stdout,
    `${p0}/vf0 (0000:3b:01.0) is ready for vm:db1, generation 1
  why   in pool tenants; its PF has the most in use (0)
  done  reset; bind to vfio-pci
${p1}/vf0 (0000:3b:11.0) is ready for vm:db1, generation 1
  why   in pool tenants; its PF has the most in use (0); on another PF than ${p0}/vf0
  done  reset; bind to vfio-pci
`,
  );
  const listed = JSON.parse((await run("lease ls --json")).stdout);
  assert.deepEqual(
    listed.leases.map((lease: { vf: string; state: string }) => `${lease.vf} ${lease.state}`),
    [`${p0}/vf0 prepared`, `${p1}/vf0 prepared`],
  );
  const renewed = JSON.parse((await run("lease renew --for vm:db1 --ttl 8h --json")).stdout);
  assert(renewed.leases.every(({ expires }: { expires: string | null }) => expires !== null));
  const stale = await run(`lease release ${p0}/vf0 --for vm:db1 --generation 7`);
  assert.equal(stale.exitCode, 3);
  assert.match(stale.stderr, /generation 7 is over, it is prepared for vm:db1 in generation 1/);
  const released = await run("lease release --for vm:db1");
  assert.deepEqual(released.stdout.split("\n").slice(0, 2), [
    `${p0}/vf0 is free and clean: reset; bind to vfio-pci`,
    `${p1}/vf0 is free and clean: reset; bind to vfio-pci`,
  ]);
  assert.equal((await run("lease ls")).stdout, "No VF is leased.\n");
  const { events } = JSON.parse((await run(`lease history ${p0}/vf0 --json`)).stdout);
  assert.deepEqual(
    events.map(({ event, to }: { event: string; to: string }) => `${event} ${to}`),
    ["freed free", "release releasing", "renew prepared", "prepared prepared", "claim claimed"],
  );
  const drift = await run(`drift -f ${example}`);
  assert.equal(drift.exitCode, 0, "what comes back is as the spec says");
});

const refusals: readonly (readonly [line: string, exitCode: number, stderr: RegExp])[] = [
  [
    "lease acquire ens3np0/vf0 --for vm:x",
    3,
    /Cannot lease 0000:5e:00.0\/vf0 to vm:x: in use by vm:web1/,
  ],
  ["lease acquire --pool tenants --for vm:x --count 99", 1, /Cannot lease 99 VFs of pool tenants/],
  ["lease acquire --pool nope --for vm:x", 2, /the specs have tenants, scratch-disks/],
  ["lease acquire --pool tenants", 2, /no --for was given/],
  ["lease acquire --for web1", 2, /wanted KIND:NAME/],
  ["lease acquire --for vm:x --ttl soon", 2, /--ttl soon: wanted a time like 90s/],
  ["lease acquire --for vm:x --count 0", 2, /--count 0: wanted a whole number from 1 up/],
  ["lease acquire --for vm:x --apart node", 2, /--apart node: wanted pf or card/],
  ["lease acquire --for vm:x --near gpu0", 2, /near gpu0: wanted a PCI address, or CPUs/],
  ["lease acquire --for vm:x --near cpu:32", 1, /near cpu:32: its NUMA node is not known/],
  ["lease acquire --for vm:x --near cpu:15-16", 2, /near cpu:15-16: it is on NUMA nodes 0, 1/],
  ["lease acquire --for vm:x --numa 0 --near 0000:87:00.0", 2, /wanted one of them/],
  ["lease acquire --for vm:x --pool tenants --near 0000:87:00.0", 1, /: none fits/],
  ["lease acquire --for vm:x --pf 0000:99:00.0", 1, /Cannot find PF 0000:99:00.0/],
  [`lease acquire ${p0} --for vm:x`, 1, /it is a PF, wanted a VF/],
  ["lease release", 2, /none was named/],
  ["lease release --for vm:x", 1, /Cannot find leases of vm:x: it has none/],
  [`lease release ${p0}/vf1 --for vm:x`, 3, /nobody has it/],
  [`lease quarantine ${p0}/vf1`, 2, /no --reason was given/],
  [`lease renew ${p0}/vf1 --for vm:x`, 2, /no --ttl was given/],
  ["lease lend", 2, /Cannot lend leases: wanted ls, acquire/],
  [
    "lease release --for vm:x --pf 0000:41:00.0",
    2,
    /--pf with lease release: it is for ls, acquire/,
  ],
  [
    "lease renew --for vm:x --pool tenants --ttl 8h",
    2,
    /--pool with lease renew: it is for ls, acqu/,
  ],
  ["lease ls --ttl 8h", 2, /--ttl with lease ls: it is for acquire, renew/],
  ["lease acquire --for vm:x --yes", 2, /--yes with lease acquire: it is for reconcile/],
  ["lease acquire --for vm:x --prefer", 2, /with --prefer alone: wanted --numa or --near/],
  ["lease acquire --for vm:x --pid 99999999", 2, /process 99999999: there is no such process/],
  ["lease history p0/0 p0/1", 2, /Cannot use p0\/1 with lease history: wanted 1 VF/],
  ["lease reconcile p0/0", 2, /Cannot use p0\/0 with lease reconcile: wanted no VF/],
  ["lease release --for vm:x", 1, /sriovctl lease ls/],
  ["lease acquire p1/7 --pool tenants --for vm:x", 1, /0000:3b:00.1\/vf7 to vm:x: in no pool/],
];

test("what is refused, and how", async (context) => {
  const { run } = await machine(context);
  for (const [line, exitCode, stderr] of refusals) {
    const result = await run(line);
    assert.equal(result.exitCode, exitCode, `${line}\n${result.stderr}`);
    assert.match(result.stderr, stderr);
  }
  const taken = await run("lease acquire ens3np0/vf0 --for vm:x");
  assert.match(taken.stdout, /^ {2}0000:5e:00\.0\/vf0 {2}in use by vm:web1 \(.*\n$/);
  const { error, exitCode, rejections } = JSON.parse(
    (await run("lease acquire ens3np0/vf0 --for vm:x --json")).stdout,
  );
  assert.deepEqual([error.code, exitCode, rejections.length], ["lease-refused", 3, 1]);
});

test("what a crash left is said by every look, and mended when agreed", async (context) => {
  const { run, leaseFile } = await machine(context);
  await run("lease acquire --pool tenants --for vm:db1");
  const store = openLeases(leaseFile);
  store.transact((table) => {
    const [lease] = table.all();
    assert(lease !== undefined);
    const event = { kind: "release", generation: 1, worker: 2 ** 22 + 1 } as const;
    table.step(lease.vf, event, { nowMs: Date.now(), bootId: lease.bootId, reason: "released" });
  });
  store.close();
  const looked = await run("lease ls");
  assert.match(
    looked.stderr,
    /is releasing for vm:db1 in generation 1, and process \d+ that worked/,
  );
  const unasked = await run("lease reconcile");
  assert.equal(unasked.exitCode, 3);
  assert.match(unasked.stderr, /Mend 1 lease\? Nobody is at a terminal/);
  const left = await run("lease reconcile", ["n"]);
  assert.equal(left.exitCode, 4);
  const mended = await run("lease reconcile", ["y"]);
  assert.equal(mended.exitCode, 0);
  assert.match(mended.stdout, /\/vf0 is free and clean: reset; bind to vfio-pci\n$/);
  assert.equal((await run("lease reconcile")).stdout, "Every lease is as the host says.\n");
  await run("lease acquire --pool tenants --for vm:db1");
  await run("demo --reboot");
  const forgotten = await run("lease reconcile --yes");
  assert.match(forgotten.stdout, /vf0 is forgotten: nobody has it any more\n$/);
});

test("a VF near CPUs is one of their node", async (context) => {
  const { run } = await machine(context);
  const near = await run("lease acquire --pool tenants --for vm:db1 --near cpu:0-7,12");
  assert.match(near.stdout, /^0000:3b:.*\n {2}why {3}in pool tenants; on NUMA node 0 as asked/);
  const far = await run("lease acquire --pool tenants --for vm:db2 --near cpu:16");
  assert.deepEqual([far.exitCode, /on NUMA node 0, wanted 1/.test(far.stdout)], [1, true]);
});

test("ls is of the VFs, the holder, the pool and the PF that are asked for", async (context) => {
  const { run } = await machine(context);
  await run("lease acquire --pool tenants --for libvirt:db1/net1");
  await run("lease acquire --pool tenants --for vm:db2 --pf 0000:3b:00.1");
  const listed = async (words: string): Promise<string[]> =>
    JSON.parse((await run(`lease ls ${words} --json`)).stdout).leases.map(
      ({ vf }: { vf: string }) => vf,
    );
  const [first, second] = [`${p0}/vf0`, `${p1}/vf0`];
  assert.deepEqual(
    await Promise.all(
      [
        "--for libvirt:db1",
        "--for vm:db",
        `--pf ${p1}`,
        "p0/0",
        "--pool scratch-disks",
        "--pool tenants",
      ].map(listed),
    ),
    [[first], [], [second], [first], [], [first, second]],
  );
});

test("a VF that was named twice is leased once, and what was released is told", async (context) => {
  const { run } = await machine(context);
  const once = await run("lease acquire p0/1 0000:3b:00.0/vf1 --for vm:z --json");
  assert.equal(JSON.parse(once.stdout).leases.length, 1, once.stderr);
  const partly = await run("lease release p0/2 p0/1 p0/1 --for vm:z --json");
  const { leases, refused } = JSON.parse(partly.stdout);
  assert.equal(partly.exitCode, 3);
  assert.deepEqual(
    leases.map(({ vf, state }: { vf: string; state: string }) => `${vf} ${state}`),
    [`${p0}/vf1 free`],
  );
  assert.deepEqual(
    refused.map(({ vf, error }: { vf: string; error: { code: string } }) => [vf, error.code]),
    [[`${p0}/vf2`, "lease-refused"]],
  );
});

test("a VF that was named and fails is nobody's: missed, not refused", async (context) => {
  const { run } = await machine(context);
  await run(`lease quarantine p0/1 --reason odd`);
  const missed = await run("lease acquire p0/1 --for vm:z");
  assert.deepEqual(
    [missed.exitCode, /vf1 to vm:z: quarantined: odd/.test(missed.stderr)],
    [1, true],
  );
  const attached = await run("attach p0/1 --to libvirt:web2/net1 --yes --json");
  const { exitCode, error, rejections } = JSON.parse(attached.stdout);
  assert.deepEqual(
    [attached.exitCode, exitCode, error.code, rejections[0].vf],
    [1, 1, "not-found", `${p0}/vf1`],
  );
});
