// The census on a real kernel, each kind of user made for real: a paused QEMU that holds a VF, VFs
// whose netdevs went to other network namespaces, a bridge on a PF, addresses and routes, an ssh
// session, a mounted NVMe namespace.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type Lab, bootLab } from "./lab.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { smallTopology } from "./topology.ts";

const program = join(import.meta.dirname, "read-owners.ts");
const devices = "/sys/bus/pci/devices";
const [igb, otherIgb, nvme] = ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"];

const vfs = ["0000:01:10.0", "0000:01:10.2", "0000:01:10.4", "0000:01:10.6"] as const;
const [freeVf, tenantVf, processVf, guestVf] = vfs;

/** Everybody who uses something. Reading takes seconds here: once for all tests. */
const usersScript = `
  cd ${devices}/${igb}
  ip netns add tenant
  ip link set $(ls virtfn1/net) netns tenant
  unshare --net sleep 100000 > /dev/null 2>&1 & sleep=$!
  until [ "$(readlink /proc/$sleep/ns/net)" != "$(readlink /proc/self/ns/net)" ]
  do sleep 0.1; done
  ip link set $(ls virtfn2/net) netns $sleep
  ip link add br0 type bridge; ip link set eth0 master br0
  ip addr add 192.0.2.1/24 dev br0; ip link set br0 up
  ip addr add 198.51.100.1/24 dev eth1; ip link set eth1 up
  ip route add 203.0.113.0/24 via 198.51.100.9
  modprobe ext4; mkfs.ext4 -q /dev/nvme0n1
  mkdir -p '/tmp/file system'; mount /dev/nvme0n1 '/tmp/file system'
  cd ${devices}/${guestVf}
  echo ${guestVf} > driver/unbind; echo vfio-pci > driver_override
  echo ${guestVf} > /sys/bus/pci/drivers_probe
  qemu-system-x86_64 -S -display none -nodefaults -m 32 -machine q35 -accel tcg \\
    -name guest=web1 -device vfio-pci,host=${guestVf} > /tmp/qemu.log 2>&1 & qemu=$!
  until ls -l /proc/$qemu/fd | grep -q vfio-device
  do kill -0 $qemu || { cat /tmp/qemu.log; exit 1; }; sleep 0.2; done
  echo $sleep $qemu`;

suite("census on a real kernel", { skip: labSkipReason() }, () => {
  let lab: Lab;

  /** `kind:name evidence` of each user, by address. */
  async function census(addresses: readonly string[]): Promise<ReadonlyMap<string, string[]>> {
    const command = `
      export SSH_CONNECTION='192.0.2.7 50000 192.0.2.1 22'
      node ${program} ${addresses.join(" ")}`;
    const printed = await lab.check(command, { timeoutMs: 120_000 });
    const owners = new Map(addresses.map((address) => [address, [] as string[]]));
    for (const line of printed.split("\n")) {
      const [address = "", ...words] = line.split(" ");
      owners.get(address)?.push(words.join(" "));
    }
    return owners;
  }

  const namesIn = (owners: readonly string[] | undefined): string[] =>
    (owners ?? []).map((owner) => owner.split(" ")[0] ?? "");

  before(async () => {
    lab = await bootLab({ topology: smallTopology });
    await lab.check(
      `modprobe igb; modprobe nvme; modprobe igbvf; modprobe vfio-pci
      ip link set eth0 up
      until [ "$(cat /sys/class/net/eth0/carrier)" = 1 ]; do sleep 0.1; done
      echo 4 > ${devices}/${igb}/sriov_numvfs`,
      { timeoutMs: 120_000 },
    );
  });
  after(() => lab?.close());

  test("what nobody uses has no owners, netdevs that are up included", async () => {
    const owners = await census([igb, otherIgb, nvme, ...vfs]);
    assert.deepEqual([...owners.values()].flat(), []);
  });

  test("each kind of user is found and named", async () => {
    const printed = await lab.check(usersScript, { timeoutMs: 180_000 });
    const [sleepPid, qemuPid] = printed.trim().split(" ");
    let owners = await census([igb, otherIgb, nvme, ...vfs]);
    // Too slow a look into a namespace is answered with an unknown user: look again then.
    for (let look = 0; look < 3; look++) {
      if (!namesIn([...owners.values()].flat()).includes("unknown:unseen-netns")) break;
      owners = await census([igb, otherIgb, nvme, ...vfs]);
    }
    const names = Object.fromEntries([...owners].map(([at, users]) => [at, namesIn(users)]));
    assert.deepEqual(names, {
      [igb]: ["session:ssh", "upper:br0"],
      [otherIgb]: ["netdev:eth1", "route:203.0.113.0/24"],
      [nvme]: ["mount:/tmp/file"],
      [freeVf]: [],
      [tenantVf]: ["netns:tenant"],
      [processVf]: [`netns:sleep-${sleepPid}`],
      [guestVf]: ["vm:web1"],
    });
    const evidence = "/dev/nvme0n1 is mounted on /tmp/file system";
    assert.deepEqual(owners.get(nvme), [`mount:/tmp/file system ${evidence}`]);
    assert.match(
      owners.get(guestVf)?.[0] ?? "",
      new RegExp(`/proc/${qemuPid}/fd/\\d+ -> /dev/vfio`),
    );

    await lab.check(`kill -KILL ${qemuPid}; until [ ! -e /proc/${qemuPid} ]; do sleep 0.1; done`);
    assert.deepEqual((await census([guestVf])).get(guestVf), []);
  });
});
