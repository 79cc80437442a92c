// Whose configuration reserves functions: made-up trees of libvirt, Proxmox VE and LXC, read under a
// root; and files that are damaged, huge, or lead in circles.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { inventoryOf, pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import { temporaryDirectory } from "../../test/run-program.ts";
import type { Inventory } from "../model/inventory.ts";
import { withWishes } from "../model/reservation.ts";
import { readReservations } from "./reservation-files.ts";

const pfAddress = "0000:3b:00.0";
/** VFs at 10.0, 10.2, 10.4 and 10.6; web1 has the first; the third has a netdev. */
const host = inventoryOf([
  pfOf(pfAddress, 4, {
    virtualFunctions: [
      vfOf(pfAddress, 0, { owners: [vmOwner("web1")] }),
      vfOf(pfAddress, 1),
      vfOf(pfAddress, 2, {
        netdevs: pfOf(pfAddress).netdevs.map((each) => ({ ...each, name: "ens59v2", ifindex: 7 })),
      }),
      vfOf(pfAddress, 3),
    ],
  }),
]);

type Files = Readonly<Record<string, string>>;

function rootWith(context: TestContext, files: Files): string {
  const root = temporaryDirectory(context);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

type Depth = "defined" | "everything";

async function read(root: string, depth: Depth, hasProcesses = true): Promise<Inventory> {
  const { wishes, problems } = await readReservations({ root, depth, hasProcesses });
  return { ...withWishes(host, wishes, { hasProcesses }), problems };
}

/** One line a user and one a reservation: `vf1 (vm:db1 function) evidence; evidence`. */
function linesOf({ physicalFunctions }: Inventory): string[] {
  return physicalFunctions.flatMap((pf) =>
    [
      { name: "pf", fn: pf },
      ...pf.virtualFunctions.map((fn) => ({ name: `vf${fn.vfIndex}`, fn })),
    ].flatMap(({ name, fn }) => [
      ...fn.owners.map(({ kind, name: user, evidence, moreEvidence = [] }) => {
        return `${name} ${kind}:${user} ${[evidence, ...moreEvidence].join("; ")}`;
      }),
      ...(fn.reservations ?? []).map(({ kind, name: user, role, evidence }) => {
        return `${name} (${kind}:${user} ${role}) ${evidence.join("; ")}`;
      }),
    ]),
  );
}

const hostdev = (slot: string, fn: number): string =>
  `<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x3b' slot='${slot}' function='0x${fn}'/></source></hostdev>`;

const domain = (name: string, devices: string): string =>
  `<!-- generated -->\n<domain type='kvm'><name>${name}</name><devices>${devices}</devices></domain>\n`;

const libvirt: Files = {
  "/etc/libvirt/qemu/web1.xml": domain("web1", hostdev("0x10", 0)),
  "/etc/libvirt/qemu/db1.xml": domain("db1", hostdev("0x10", 2)),
  "/etc/libvirt/qemu/pooled.xml": domain(
    "pooled",
    "<interface type='network'><source network='tenants'/></interface>",
  ),
  "/etc/libvirt/qemu/tap.xml": domain(
    "tap",
    "<interface type='direct'><source dev='ens59' mode='bridge'/></interface>",
  ),
  "/etc/libvirt/qemu/plain.xml": "<domain",
  "/etc/libvirt/qemu/networks/tenants.xml":
    "<network><name>tenants</name><forward mode='hostdev' managed='yes'><pf dev='ens59'/></forward></network>",
  "/etc/libvirt/qemu/networks/default.xml": "<network",
};

test("libvirt's domains and pools reserve, and add to the evidence of whoever is there", async (context) => {
  const root = rootWith(context, libvirt);
  const inventory = await read(root, "defined");
  assert.deepEqual(inventory.problems, []);
  assert.deepEqual(linesOf(inventory), [
    "pf (pool:tenants vfs) /etc/libvirt/qemu/networks/tenants.xml: hands out VFs of ens59; /etc/libvirt/qemu/pooled.xml: pooled takes a VF from it",
    "pf (vm:tap shares) /etc/libvirt/qemu/tap.xml: tap is defined on top of ens59",
    "vf0 vm:web1 QEMU web1 has it open; /etc/libvirt/qemu/web1.xml: web1 is defined with it",
    "vf1 (vm:db1 function) /etc/libvirt/qemu/db1.xml: db1 is defined with it",
  ]);
});

test("a definition that libvirt did not write is read as whole XML", async (context) => {
  const device = hostdev("0x10", 2);
  const root = rootWith(context, {
    "/etc/libvirt/qemu/a.xml": domain("a", `<disk><x name='hostdev'/></disk>${device}`),
    "/etc/libvirt/qemu/b.xml": domain("b", `<!-- ${device} -->`),
    "/etc/libvirt/qemu/c.xml": `<domain><name>c</name><hostdev/>${device}</domain>`,
  });
  const lines = linesOf(await read(root, "defined")).filter((line) => line.includes("("));
  assert.deepEqual(lines, ["vf1 (vm:a function) /etc/libvirt/qemu/a.xml: a is defined with it"]);
});

const status = (name: string, devices: string): string =>
  `<domstatus state='running' pid='4000812'>${domain(name, devices).replace(/^.*\n/, "")}</domstatus>`;

test("what runs is evidence where there are processes, and a user where there are none", async (context) => {
  const actual =
    "<interface type='network'><source network='tenants'/><actual type='hostdev'><source><address type='pci' domain='0' bus='0x3b' slot='0x10' function='6'/></source></actual></interface>";
  const root = rootWith(context, {
    "/run/libvirt/qemu/web1.xml": status("web1", hostdev("0x10", 0)),
    "/run/libvirt/qemu/new.xml": status("new", actual),
  });
  const live = "/run/libvirt/qemu/web1.xml: web1 runs with it (process 4000812)";
  const other = "/run/libvirt/qemu/new.xml: new runs with it (process 4000812)";
  assert.deepEqual(linesOf(await read(root, "defined")), ["vf0 vm:web1 QEMU web1 has it open"]);
  assert.deepEqual(linesOf(await read(root, "everything")), [
    `vf0 vm:web1 QEMU web1 has it open; ${live}`,
    `vf3 (vm:new function) ${other}`,
  ]);
  assert.deepEqual(linesOf(await read(root, "defined", false)), [
    `vf0 vm:web1 QEMU web1 has it open; ${live}`,
    `vf3 vm:new ${other}`,
  ]);
});

test("Proxmox VE's VMs go by their names, containers of LXC by theirs", async (context) => {
  const root = rootWith(context, {
    "/etc/hostname": "pve1\n",
    "/etc/pve/qemu-server/103.conf": "name: web1\nhostpci0: 0000:3b:10.0,pcie=1\n",
    "/etc/pve/qemu-server/104.conf": "hostpci1: mapping=vf\n[snap]\nhostpci0: 0000:3b:10.4\n",
    "/etc/pve/mapping/pci.cfg": "vf\n\tmap id=8086:10ca,node=pve1,path=0000:3b:10.2\n",
    "/etc/pve/lxc/201.conf": "hostname: ct\nlxc.net.1.type: phys\nlxc.net.1.link: ens59v2\n",
    "/var/lib/lxc/old/config": "lxc.network.type = macvlan\nlxc.network.link = ens59\n",
    "/var/lib/lxc/veth/config": "lxc.net.0.type = veth\nlxc.net.0.link = ens59\n",
  });
  assert.deepEqual(linesOf(await read(root, "defined")), [
    "pf (container:old shares) /var/lib/lxc/old/config:2: old stands on ens59 (macvlan)",
    "vf0 vm:web1 QEMU web1 has it open; /etc/pve/qemu-server/103.conf:2: VM 103 has it as hostpci0",
    "vf1 (vm:vm104 function) /etc/pve/qemu-server/104.conf:1: VM 104 has it as hostpci1",
    "vf2 (container:201 function) /etc/pve/lxc/201.conf:3: 201 takes ens59v2 (phys)",
  ]);
});

const incus = `instance:
  name: c1
  type: container
  config:
    volatile.eth1.last_state.pci.slot.name: 0000:3b:10.6
  expanded_devices:
    eth0: { type: nic, nictype: bridged, parent: br0 }
    eth1: { type: nic, nictype: sriov, parent: ens59 }
    eth2: { type: nic, nictype: physical, parent: ens59v2 }
    nvme: { type: pci, address: "3b:10.2" }
`;

test("Incus' instances reserve, network managers are told by number, and only for who", async (context) => {
  const root = rootWith(context, {
    "/var/lib/incus/containers/c1/backup.yaml": incus,
    "/var/lib/incus/containers/plain/backup.yaml": "instance: [",
    "/run/systemd/netif/links/2": "ADMIN_STATE=configured\nOPER_STATE=routable\n",
    "/run/systemd/netif/links/9": "ADMIN_STATE=configured\n",
    "/run/NetworkManager/devices/2": "[device]\nmanaged=true\n",
  });
  const file = "/var/lib/incus/containers/c1/backup.yaml";
  const guests = [
    `pf (container:c1 vfs) ${file}: eth1 is a VF of ens59`,
    "vf0 vm:web1 QEMU web1 has it open",
    `vf1 (container:c1 function) ${file}: c1 has it as nvme`,
    `vf2 (container:c1 function) ${file}: eth2 is ens59v2`,
    `vf3 (container:c1 function) ${file}: c1 has it as eth1`,
  ];
  assert.deepEqual(linesOf(await read(root, "defined")), guests);
  assert.deepEqual(linesOf(await read(root, "everything")).slice(0, 3), [
    guests[0],
    "pf (manager:networkmanager manages) /run/NetworkManager/devices/2: managed=true",
    "pf (manager:networkd manages) /run/systemd/netif/links/2: ADMIN_STATE=configured",
  ]);
});

test("damaged, huge and circular files are problems, and the others count", async (context) => {
  const bomb = `<!DOCTYPE d [<!ENTITY a "hostdev"><!ENTITY b "&a;&a;&a;&a;">]><domain><name>&b;</name></domain>`;
  const root = rootWith(context, {
    ...libvirt,
    "/etc/libvirt/qemu/cut.xml": domain("cut", hostdev("0x10", 4)).slice(0, 90),
    "/etc/libvirt/qemu/bomb.xml": bomb,
    "/etc/libvirt/qemu/huge.xml": "",
    "/etc/libvirt/qemu/folder.xml/x": "",
    "/etc/pve/qemu-server/1.conf": "\0\0hostpci0: \n".repeat(1000),
    "/var/lib/lxc/x/config": `lxc.net.0.type = phys\n${"lxc.net.0.link = ens59v2\n".repeat(5000)}`,
  });
  truncateSync(join(root, "/etc/libvirt/qemu/huge.xml"), (1 << 20) + 1);
  symlinkSync("ring.xml", join(root, "/etc/libvirt/qemu/ring.xml"));
  assert.equal(spawnSync("mkfifo", [join(root, "/etc/libvirt/qemu/fifo.xml")]).status, 0);
  const inventory = await read(root, "defined");
  assert.ok(linesOf(inventory).some((line) => line.startsWith("vf1 (vm:db1 function)")));
  assert.ok(linesOf(inventory).some((line) => line.startsWith("vf2 (container:x function)")));
  assert.deepEqual(inventory.problems.map(({ where }) => where).sort(), [
    "/etc/libvirt/qemu/bomb.xml",
    "/etc/libvirt/qemu/cut.xml",
    "/etc/libvirt/qemu/huge.xml",
    "/etc/libvirt/qemu/ring.xml",
  ]);
});

test("a host without any manager of guests is left as it is", async (context) => {
  const root = rootWith(context, { "/etc/hostname": "plain\n" });
  assert.deepEqual(await read(root, "everything"), { ...host, reservedElsewhere: [] });
});
