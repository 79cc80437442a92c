// What `sriovctl attach` refuses before anything is changed, on the emulated machine: the sentence, and
// the same exit code whether it is asked only or to be done.

import assert from "node:assert/strict";
import { test } from "node:test";
import { demoMachine, demoSpec, expectRows } from "../../test/demo-machine.ts";

test("a MAC that another VF of the card has in the same VLAN is refused", async (context) => {
  const { run } = await demoMachine(context);
  const taken = "--mac 02:00:5e:10:00:31";
  assert.equal((await run(`attach p0/3 --to netns:ci/eth1 ${taken} --yes`)).exitCode, 0);
  const twice = /Cannot give 02:00:5e:10:00:31 to 0000:3b:00.\d\/vf\d: 0000:3b:00.0\/vf3 has it/;
  await expectRows(run, [
    [`attach p0/4 --to libvirt:web2/net1 ${taken} --yes`, 2, twice],
    [`attach p0/4 --to libvirt:web2/net1 ${taken} --dry-run`, 2, twice],
    [`attach p1/2 --to libvirt:web2/net1 ${taken} --yes`, 2, twice],
    [`attach p0/4 --to libvirt:web2/net1 ${taken} --vlan 7 --yes`, 0, /VLAN 7/],
    // It is p0/8's by the spec.
    ["attach p0/5 --to netns:ci/eth2 --mac 02:00:5e:10:00:01 --yes", 2, /0000:3b:00.0\/vf8 has it/],
  ]);
  assert.equal((await run(`plan -f ${demoSpec}`)).exitCode, 0);
  const { stdout } = await run(`attach p0/5 --to netns:ci/eth2 ${taken} --yes --json`);
  assert.equal(JSON.parse(stdout).problems[0]?.code, "mac-twice");
});

test("a VF that its consumer leased before goes to a device of it", async (context) => {
  const { run } = await demoMachine(context);
  await expectRows(run, [
    ["lease acquire --pool tenants --for libvirt:web2 --count 2 --apart pf", 0, /p0|3b:00.1\/vf/],
    ["attach 0000:3b:00.0/vf0 --to libvirt:web1/bond0 --yes", 3, /leased to libvirt:web2/],
    ["attach 0000:3b:00.0/vf0 --to libvirt:web2/bond0 --yes", 0, /is attached to libvirt:web2/],
    // The other one, without its name.
    [
      "attach --to libvirt:web2/bond1 --dry-run",
      0,
      /0000:3b:00.1\/vf0 .*leased to libvirt:web2$/ms,
    ],
    ["attach --pool tenants --to libvirt:web2/bond1 --yes", 0, /00.1\/vf0 .*libvirt:web2\/bond1/],
    ["lease ls", 0, /vf0 .* attached +libvirt:web2\/bond0 .*vf0 .* attached +libvirt:web2\/bond1/s],
    ["attach --to libvirt:web2/bond2 --yes", 2, /wanted a VF, or --pool POOL/],
  ]);
});

test("what only network functions have is refused to others, under the VF's own name", async (context) => {
  const { run } = await demoMachine(context);
  const mac = /VF 1 of 0000:41:00.0: mac is for network functions only\n +Leave it out/;
  const netns = /Cannot attach 0000:41:00.0\/vf2 to netns:ci\/disk0: it is no network function/;
  await expectRows(run, [
    ["attach nvme/1 --to libvirt:web2/disk0 --mac auto --yes", 2, mac],
    ["attach nvme/1 --to libvirt:web2/disk0 --mac auto --dry-run", 2, /mac is for network/],
    ["attach nvme/2 --to netns:ci/disk0 --yes", 2, netns],
    ["attach nvme/2 --to netns:ci/disk0 --dry-run", 2, netns],
    ["attach nvme/1 --to libvirt:web2/disk0 --yes", 0, /is attached to libvirt:web2\/disk0/],
  ]);
});

test("every command knows a function by each of its names", async (context) => {
  const { run } = await demoMachine(context);
  await expectRows(run, [
    ["show p0/3", 0, /0000:3b:01.3/],
    ["show cx", 0, /0000:5e:00.0/],
    ["who p0/3", 0, /VF 3 of 0000:3b:00.0/],
    ["lease acquire --pf p1 --for vm:db1", 0, /0000:3b:00.1\/vf0/],
    ["lease acquire --pf ens1f1np1 --for vm:db2", 0, /0000:3b:00.1\/vf1/],
    ["lease acquire --pf 0000:3b:01.1 --for vm:db3", 1, /no PF of this name has VFs/],
    ["attach --whole cx --to libvirt:web2/dev0 --dry-run", 3, /0000:5e:00.0/],
  ]);
});

test("an address is one, and is in the plan", async (context) => {
  const { run } = await demoMachine(context);
  const attach = "attach p0/2 --to netns:ci/eth1 --dry-run --ip";
  await expectRows(run, [
    [`${attach} 300.1.1.1/24`, 2, /Cannot use --ip 300.1.1.1\/24/],
    [`${attach} 192.0.2.7/33`, 2, /Cannot use --ip 192.0.2.7\/33/],
    [`${attach} 192.0.2.7`, 2, /wanted an address with its prefix/],
    [`${attach} fe80::1%eth0/64`, 2, /Cannot use --ip fe80::1%eth0\/64/],
    [
      `${attach} 2001:db8::7/64 --ip 192.0.2.7/24`,
      0,
      /ci\/eth1 with 2001:db8::7\/64, 192.0.2.7\/24/,
    ],
  ]);
});

test("what a consumer cannot have is refused as the consumer does", async (context) => {
  const { run } = await demoMachine(context);
  const token = "--vf-token 2ab74924-c335-45f4-9b16-8569e5b08258";
  const toVm = "attach p0/2 --to libvirt:web2/net1";
  await expectRows(run, [
    [`${toVm} ${token} --yes`, 2, /Cannot attach to libvirt with --vf-token: it is for dpdk, qemu/],
    ["attach p0/2 --to netns:ci/eth1 --persistent --dry-run", 2, /netns with --persistent/],
    ["attach p0/2 --to qemu:web2/x --persistent --yes", 2, /qemu with --persistent/],
    ["attach p0/2 --to qemu:web2/x --socket /x --yes", 0, /qemu:web2\/x: live, MAC/],
    ["detach qemu:web2/x --yes", 0, /free and clean/],
    [`${toVm} --yes`, 0, /live and persistent/],
    [`${toVm} --form interface --yes`, 3, /it has 0000:3b:00.0\/vf2 on other terms/],
    [`${toVm} --form hostdev --yes`, 0, /Nothing to do/],
  ]);
});
