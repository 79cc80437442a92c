// VFs attached to network namespaces on a real kernel, as a user does it: their netdevs move over with
// name, MAC and addresses, reach each other through the card's switch and the other PF over the wire,
// and come back under their old names. A namespace that dies hands its VF back under any name, and
// reconciling leaves it clean and free; so does a container that is killed.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { labSkipReason } from "./lab-unavailable.ts";
import { startContainer } from "./podman.ts";
import { type Json, type ProgramLab, bootProgramLab } from "./program-in-lab.ts";
import { fullTopology } from "./topology.ts";

const devices = "/sys/bus/pci/devices";
const pf = "0000:01:00.0";
const otherPf = "0000:02:00.0";
const vfs = ["0000:01:10.0", "0000:01:10.2"] as const;

const specText = `
adapters:
  - name: left
    physicalFunctions:
      - { name: left, match: { address: "${pf}" }, adminState: up, numVfs: 2 }
  - name: right
    physicalFunctions:
      - { name: right, match: { address: "${otherPf}" }, adminState: up }
pools:
  - { name: all, vfs: left/0-1, driver: kernel }
`;

const setUp = `
  sysctl -q -w net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.all.disable_ipv6=1
  mkdir -p /var/lib/sriovctl
  ip netns add a; ip netns add b`;

suite("VFs in network namespaces", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;
  let spec = "";
  before(async () => {
    const slots = fullTopology.slots.slice(0, 2);
    lab = await bootProgramLab(["igb", "igbvf"], { ...fullTopology, slots });
    await lab.lab.check(setUp);
    spec = lab.spec("pool.yaml", specText);
    await lab.sriovctl(0, `apply --yes -f ${spec}`);
    await lab.lab.check(`other=$(ls ${devices}/${otherPf}/net)
      ip address add 192.0.2.3/24 dev $other
      until grep -q 1 /sys/class/net/$other/carrier; do sleep 0.1; done`);
  });
  after(() => lab?.lab.close());

  const netdevOf = async (vf: string): Promise<string> =>
    (await lab.lab.check(`ls ${devices}/${vf}/net 2> /dev/null || true`)).trim();
  const linksOf = async (netns: string): Promise<Json> =>
    await lab.read(`ip -n ${netns} -d -j address show dev eth0`);
  const ping = async (from: string, to: string): Promise<void> => {
    await lab.lab.check(`ip netns exec ${from} busybox ping -c 2 -W 5 ${to}`);
  };
  /** The name that a netdev had here, by the mark that it has there. */
  const formerNameOf = ({ altnames }: Json): string =>
    /^sriovctl_was_(.+)_0000_01_10\.[02]$/.exec(altnames.join())?.[1] ?? "";
  const formerNames: string[] = [];
  let mac = "";

  test("they reach each other and the other PF over the wire", async () => {
    for (const [at, netns] of ["a", "b"].entries()) {
      const words = `--to netns:${netns}/eth0 --mac auto --ip 192.0.2.${at + 1}/24`;
      const { json } = await lab.sriovctl(0, `attach --pool all ${words} --yes -f ${spec}`);
      assert.deepEqual(
        [json.address, json.isLive, json.device, json.lease.state],
        [vfs[at], true, "eth0", "attached"],
      );
      const [link] = await linksOf(netns);
      assert.equal(link.address, json.mac);
      assert.equal(link.parentdev, vfs[at]);
      formerNames.push(formerNameOf(link));
      mac = json.mac;
      assert.equal(await netdevOf(vfs[at] ?? ""), "");
    }
    await ping("a", "192.0.2.2");
    await ping("a", "192.0.2.3");
    await ping("b", "192.0.2.3");
    const again = await lab.sriovctl(0, `attach --to netns:a/eth0 --yes -f ${spec}`);
    assert.equal(again.json.outcome, "nothing-to-do");
  });

  test("a VF comes back under its old name, clean and free", async () => {
    const { json } = await lab.sriovctl(0, `detach netns:b/eth0 --yes -f ${spec}`);
    assert.deepEqual(
      json.detached.map(({ outcome }: Json) => outcome),
      ["done"],
    );
    assert.equal(await netdevOf(vfs[1]), formerNames[1]);
    const [link] = await lab.read(`ip -d -j link show dev ${formerNames[1]}`);
    assert.deepEqual([link.altnames ?? [], link.flags.includes("UP")], [[], false]);
    assert.notEqual(link.address, mac, "the MAC is its consumer's");
  });

  test("a namespace that dies leaves a VF that is reconciled", async () => {
    // Its last name is taken here, so the kernel gives it another.
    await lab.lab.check(`ip link add eth0 type dummy 2> /dev/null || true; ip netns del a
      until [ -n "$(ls ${devices}/${vfs[0]}/net 2> /dev/null)" ]; do sleep 0.1; done`);
    const [back] = await lab.read(`ip -d -j link show dev ${await netdevOf(vfs[0])}`);
    assert.match(back.ifname, /^dev[0-9]+$/);
    assert.deepEqual(back.altnames, [`sriovctl_was_${formerNames[0]}_0000_01_10.0`]);

    const { findings } = (await lab.sriovctl(0, `lease ls -f ${spec}`)).json;
    assert.deepEqual(
      findings.map(({ kind, remedy }: Json) => `${kind} ${remedy}`),
      ["holder-gone clean"],
    );
    const mended = (await lab.sriovctl(0, `lease reconcile --yes -f ${spec}`)).json;
    assert.deepEqual(mended.findings, []);
    assert.ok(mended.leases.every(({ state }: Json) => state === "free"));
    const [clean] = await lab.read(`ip -d -j link show dev ${await netdevOf(vfs[0])}`);
    assert.deepEqual([clean.altnames ?? [], clean.flags.includes("UP")], [[], false]);
    assert.notEqual(clean.address, back.address, "the MAC is its consumer's");
  });

  test("a container has a VF, and one that is killed leaves it clean", async () => {
    await startContainer(lab.lab);
    const words = "--pool all --to podman:web/eth1 --mac auto --ip 192.0.2.9/24";
    const { json } = await lab.sriovctl(0, `attach ${words} --yes -f ${spec}`);
    const inside = await lab.lab.check(`podman exec web /bin/busybox sh -c '
      busybox ip -o address show dev eth1; busybox cat /sys/class/net/eth1/address
      busybox ping -c 2 -W 5 192.0.2.3'`);
    assert.match(inside, /inet 192\.0\.2\.9\/24/);
    assert.ok(inside.includes(`\n${json.mac}\n`), inside);
    await lab.lab.check(`podman kill web
      until [ -n "$(ls ${devices}/${json.address}/net 2> /dev/null)" ]; do sleep 0.1; done`);
    const { leases } = (await lab.sriovctl(0, `lease reconcile --unattended -f ${spec}`)).json;
    assert.ok(leases.every(({ state }: Json) => state === "free"));
    const [clean] = await lab.read(`ip -d -j link show dev ${await netdevOf(json.address)}`);
    assert.notEqual(clean.address, json.mac);
    assert.deepEqual(clean.altnames ?? [], []);
  });
});
