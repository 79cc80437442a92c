// Leases on a real kernel: VFs come clean and go clean, by the word of `ip` and sysfs; one that is held
// through vfio is neither given nor taken; a VF on igbvf with its netdev down, whose reset would never
// return, is made ready all the same; and SIGKILL in the middle leaves nothing that is not mended.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { labSkipReason } from "./lab-unavailable.ts";
import { type Json, type ProgramLab, bootProgramLab } from "./program-in-lab.ts";
import { smallTopology } from "./topology.ts";

const devices = "/sys/bus/pci/devices";
const pf = "0000:01:00.0";
const vfs = ["0000:01:10.0", "0000:01:10.2", "0000:01:10.4"] as const;
const holder = join(import.meta.dirname, "vfio-holder.ts");

const specText = `
adapters:
  - name: left
    physicalFunctions:
      - { name: left, match: { address: "${pf}" }, adminState: up, numVfs: 3 }
pools:
  - { name: all, vfs: left/0-2, driver: vfio-pci, vlan: 100 }
`;

suite("leases", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;
  let spec = "";
  before(async () => {
    lab = await bootProgramLab(["igb", "igbvf"], smallTopology);
    await lab.lab.check("mkdir -p /var/lib/sriovctl");
    spec = lab.spec("pool.yaml", specText);
    await lab.sriovctl(0, `apply --yes -f ${spec}`);
  });
  after(() => lab?.lab.close());

  const lease = async (expected: number, words: string): Promise<Json> =>
    (await lab.sriovctl(expected, `lease ${words} -f ${spec}`)).json;

  /** What the last owner could leave behind. */
  const soil = async (vfIndex: number): Promise<void> => {
    const dev = `$(ls ${devices}/${pf}/net)`;
    const set = `ip link set ${dev} vf ${vfIndex}`;
    await lab.lab.check(`${set} mac 52:54:00:66:66:66 && ${set} vlan 66 &&
      ${set} trust on && ${set} spoofchk off`);
  };

  const byIp = async (vfIndex: number): Promise<string> => {
    const [link] = await lab.read(`ip -d -j link show dev $(ls ${devices}/${pf}/net)`);
    const { address, vlan_list: vlans = [], trust, spoofchk } = link.vfinfo_list[vfIndex];
    return `${address} vlan ${vlans[0]?.vlan ?? 0} trust ${trust} spoof ${spoofchk}`;
  };

  const driverOf = async (vf: string): Promise<string> =>
    (await lab.lab.check(`basename "$(readlink ${devices}/${vf}/driver)"`)).trim();

  const clean = "00:00:00:00:00:00 vlan 100 trust false spoof true";

  test("a VF is clean when it is given and when it comes back, and stays while it is held", async () => {
    await soil(0);
    const { leases } = await lease(0, "acquire --pool all --for vm:one");
    assert.deepEqual(
      leases.map(({ vf, state }: Json) => `${vf} ${state}`),
      [`${pf}/vf0 prepared`],
    );
    assert.ok(leases[0].changes.includes("reset"));
    assert.deepEqual([await byIp(0), await driverOf(vfs[0])], [clean, "vfio-pci"]);

    const pid = await lab.lab.check(`node ${holder} ${vfs[0]} > /tmp/holder 2>&1 &
      for i in $(seq 300); do grep -q holding /tmp/holder && break; sleep 0.1; done
      grep -q holding /tmp/holder || { cat /tmp/holder >&2; exit 1; }; echo $!`);
    await soil(0);
    const held = await lab.lab.run(`${lab.command} lease release --for vm:one -f ${spec}`);
    assert.equal(held.exitCode, 3, held.stderr);
    assert.match(held.stderr, /Cannot release 0000:01:00\.0\/vf0: it is in use by process:/);
    const { rejections } = await lease(3, `acquire ${pf}/vf0 --for vm:two`);
    assert.ok(rejections.some(({ because }: Json) => because === "leased to vm:one"));
    await lab.lab.check(
      `kill -KILL ${pid.trim()}; while [ -d /proc/${pid.trim()} ]; do sleep 0.1; done`,
    );

    await lease(0, "release --for vm:one");
    assert.deepEqual([await byIp(0), await driverOf(vfs[0])], [clean, "vfio-pci"]);
  });

  test("a VF on igbvf with its netdev down is made ready", async () => {
    const folder = `${devices}/${vfs[1]}`;
    await lab.lab.check(`echo ${vfs[1]} > ${folder}/driver/unbind
      echo igbvf > ${folder}/driver_override; echo ${vfs[1]} > /sys/bus/pci/drivers_probe`);
    assert.equal(await driverOf(vfs[1]), "igbvf");
    const { leases } = await lease(0, `acquire ${pf}/vf1 --for vm:two`);
    assert.ok(leases[0].changes.includes("reset"));
    assert.equal(await driverOf(vfs[1]), "vfio-pci");
    await lease(0, "release --for vm:two");
  });

  test("SIGKILL in the middle of acquire: what is left is said, and mended", async () => {
    await soil(2);
    // Killed as soon as the claim is on disk: the reset and the rest are still to come.
    await lab.lab.check(`${lab.command} lease acquire ${pf}/vf2 --for vm:three -f ${spec} &
      pid=$!; store=/var/lib/sriovctl/linux/leases.sqlite-wal
      for i in $(seq 600); do grep -aq vm:three $store && break; sleep 0.05; done
      kill -KILL $pid; wait $pid; true`);
    const { findings } = await lease(0, "ls");
    assert.deepEqual(
      findings.map(({ kind, remedy }: Json) => `${kind} ${remedy}`),
      ["interrupted clean"],
    );
    const mended = await lease(0, "reconcile --yes");
    assert.deepEqual(mended.findings, []);
    assert.ok(mended.leases.every(({ state }: Json) => state === "free"));
    assert.deepEqual([await byIp(2), await driverOf(vfs[2])], [clean, "vfio-pci"]);
  });
});
