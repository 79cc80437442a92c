// What moves VFs that are attached, as whole commands on the emulated machine: a hand-over, an entry that names
// another VF, and a complete device instead of a VF.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assigning } from "../../test/assigning-spec.ts";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

test("a PF is resized under a VM by hand-over, by a saved plan too, and back", async (context) => {
  const root = temporaryDirectory(context);
  const run = async (line: string) =>
    await runProgram(["--host", "emulated:demo", ...line.split(" ")], { env: stateIn(root) });
  const path = join(root, "assign.yaml");
  writeFileSync(path, assigning);
  assert.equal((await run(`apply -f ${path} --yes`)).exitCode, 0);
  writeFileSync(path, assigning.replace("numVfs: 6", "numVfs: 8"));
  const refused = await run(`apply -f ${path} --yes`);
  assert.deepEqual([refused.exitCode, /vm:web2/.test(refused.stdout)], [3, true]);
  const planned = await run(`plan -f ${path} --hand-over --out ${root}/saved.plan`);
  assert.match(planned.stdout, /VF 0: detach from libvirt:web2\/net1 .*nothing stands in/);
  assert.match(planned.stdout, /on 1 PF, handing over 2 VFs, disrupting nobody/);
  const applied = await run(`apply ${root}/saved.plan --yes`);
  assert.equal(applied.exitCode, 0, applied.stderr);
  assert.match((await run("lease ls")).stdout, /vf0 .* attached  libvirt:web2\/net1  1 /);
  assert.match((await run(`drift -f ${path}`)).stdout, /No drift/);
  assert.equal((await run("rollback --yes")).exitCode, 0);
  assert.match((await run("who 0000:3b:00.1/vf0")).stdout, /VF 0 of .*vm:web2/s);
  const both = await run(`apply -f ${path} --hand-over --keep-going`);
  assert.deepEqual([both.exitCode, /come back, or all is undone/.test(both.stderr)], [2, true]);
});

test("an entry that names another VF moves its consumer, with its MAC, by consent", async (context) => {
  const root = temporaryDirectory(context);
  const run = async (line: string) =>
    await runProgram(["--host", "emulated:demo", ...line.split(" ")], { env: stateIn(root) });
  const path = join(root, "assign.yaml");
  const withVf = (keys: string): string =>
    assigning.replace('{ to: "netns:ci/eth1", vf: p0/5, driver: kernel, vlan: 7 }', keys);
  const here = '{ to: "libvirt:web1/net1", vf: p0/4, mac: "02:00:5e:10:00:04", vlan: 7 }';
  writeFileSync(path, withVf(here));
  assert.equal((await run(`apply -f ${path} --yes`)).exitCode, 0);
  writeFileSync(path, withVf(here.replace("p0/4", "p0/5")));
  const refused = await run(`apply -f ${path} --yes`);
  assert.equal(refused.exitCode, 3);
  assert.match(refused.stdout, /VF 4: detach from libvirt:web1\/net1 .*it moves to VF 5/);
  assert.match(refused.stdout, /--allow-disruption vm:web1/);
  const moved = await run(`apply -f ${path} --yes --allow-disruption vm:web1`);
  assert.equal(moved.exitCode, 0, moved.stderr);
  const text = (await run("list --wide")).stdout;
  assert.match(text, /vf5 .*vfio-pci.* 7 .*vm:web1/);
  assert.match((await run("show 0000:3b:00.1/vf5")).stdout, /02:00:5e:10:00:04/);
  assert.doesNotMatch((await run("show 0000:3b:00.1/vf4")).stdout, /02:00:5e:10:00:04/);
  assert.match((await run("lease ls")).stdout, /vf5 .* attached  libvirt:web1\/net1/);
  assert.match((await run(`drift -f ${path}`)).stdout, /No drift/);
  writeFileSync(path, withVf(here.replace("p0/4", "p0/5").replace("vlan: 7", "vlan: 8")));
  const terms = await run(`apply -f ${path} --yes --allow-disruption vm:web1`);
  assert.equal(terms.exitCode, 0, terms.stderr);
  assert.match((await run(`drift -f ${path}`)).stdout, /No drift/);
  assert.equal((await run("rollback --yes")).exitCode, 0);
  assert.match((await run("show 0000:3b:00.1/vf5")).stdout, /VLAN +7/);
});

test("a whole PF goes to a VM and back, and what it gives up is said", async (context) => {
  const root = temporaryDirectory(context);
  const run = async (line: string) =>
    await runProgram(["--host", "emulated:demo", ...line.split(" ")], { env: stateIn(root) });
  const whole = "attach --whole ens5 --to libvirt:web2/dev0";
  const dry = await run(`${whole} --dry-run`);
  assert.match(dry.stdout, /no VFs of 0000:87:00.0 for anybody[^]*bind the PF to vfio-pci/);
  const document = JSON.parse((await run(`${whole} --dry-run --json`)).stdout);
  const { plug } = document.plan.actions.at(-1).detail;
  assert.deepEqual([document.outcome, plug.vfIndex, plug.vf], ["ready", null, null]);
  const given = await run(`${whole} --yes`);
  assert.deepEqual([given.exitCode, /is with libvirt:web2/.test(given.stdout)], [0, true]);
  assert.match((await run("who 0000:87:00.0")).stdout, /vm:web2/);
  const again = await run("attach --whole 0000:87:00.0 --to libvirt:web2/dev0 --yes");
  assert.match(again.stdout, /^Nothing to do/);
  const asVf = await run("detach libvirt:web2/dev0 --yes");
  assert.match(asVf.stdout, /^Nothing to do/);
  assert.match(asVf.stderr, /web2 keeps 0000:87:00.0: .*\n.*a complete PF with detach --whole/);
  const out = "detach libvirt:web2/dev0 --whole 0000:87:00.0 --yes";
  assert.equal((await run(out)).exitCode, 0);
  assert.equal((await run("rollback --yes")).exitCode, 0);
  assert.match((await run("who 0000:87:00.0")).stdout, /vm:web2/);
  assert.equal((await run(out)).exitCode, 0);
  assert.match((await run("list")).stdout, /ens5 +i40e/);
  const used = await run("attach --whole 0000:5e:00.0 --to libvirt:web2/dev0 --yes");
  assert.deepEqual([used.exitCode, /vm:web1 uses VF 0/.test(used.stdout)], [3, true]);
  const bridged = "attach --whole eno1 --to libvirt:web2/dev0 --yes";
  assert.match((await run(bridged)).stdout, /--allow-disruption upper:br0/);
  assert.equal((await run(`${bridged} --allow-disruption upper:br0`)).exitCode, 0);
  assert.equal((await run("rollback --yes")).exitCode, 0);
  assert.match((await run("who eno1")).stdout, /upper:br0/);
  for (const wrong of ["--mac auto", "--pool tenants", "--failover lan0"]) {
    assert.equal((await run(`${whole} ${wrong}`)).exitCode, 2, wrong);
  }
});
