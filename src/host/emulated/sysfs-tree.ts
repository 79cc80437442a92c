// The machine as a tree of files: every path below /sys that tells about PCI functions, drivers,
// netdevs and IOMMU groups, and what its kernel says of itself and in its log. Written to disk it is what a capture of such a host would be, so the
// code that reads Linux hosts can be tried on machines that nobody has.

import { cardOf } from "./cards.ts";
import { fullInventory } from "../host.ts";
import { factsOf } from "./host-facts.ts";
import { inventoryOf } from "./inventory.ts";
import type { Machine } from "./machine.ts";
import { addressOfVf, groupMembers } from "./machine.ts";
import { hasLink } from "./netdevs.ts";
import type { NetdevState } from "./state.ts";
import type { SysfsEntry } from "./sysfs-attributes.ts";
import { allAddresses, devicePathOf, entriesOf } from "./sysfs-attributes.ts";

/** Links hold their target from the root of the tree: `sys/devices/pci0000:00/0000:00:09.0`. */
type SysfsTree = ReadonlyMap<string, SysfsEntry>;

const file = (text: string | number): SysfsEntry => ({
  kind: "file",
  mode: 0o444,
  text: `${text}\n`,
});

export function sysfsTree(machine: Machine): SysfsTree {
  const tree = new Map<string, SysfsEntry>();
  const linkTo = (path: string, to: string): void => void tree.set(path, { kind: "link", to });
  const folderOf = (address: string): string => `sys/devices/${devicePathOf(machine, address)}`;
  for (const driver of machine.state.core.loadedDrivers) {
    tree.set(`sys/bus/pci/drivers/${driver}/uevent`, { kind: "file", mode: 0o200, text: null });
  }
  for (const address of allAddresses(machine)) {
    const folder = folderOf(address);
    linkTo(`sys/bus/pci/devices/${address}`, folder);
    linkTo(`${folder}/subsystem`, "sys/bus/pci");
    for (const [name, entry] of entriesOf(machine, address) ?? []) {
      if (entry.kind === "link") {
        linkTo(`${folder}/${name}`, targetOf(name, entry.to, folderOf));
        if (name === "driver") linkTo(`sys/bus/pci/drivers/${entry.to}/${address}`, folder);
      } else {
        tree.set(`${folder}/${name}`, entry);
      }
    }
  }
  addNetdevs(machine, tree, folderOf);
  addGroups(machine, tree, folderOf);
  addKernel(machine, tree);
  return tree;
}

function targetOf(name: string, to: string, folderOf: (address: string) => string): string {
  if (name === "driver") return `sys/bus/pci/drivers/${to}`;
  if (name === "iommu_group") return `sys/kernel/iommu_groups/${to}`;
  return folderOf(to);
}

type FolderOf = (address: string) => string;

function addNetdevs(machine: Machine, tree: Map<string, SysfsEntry>, folderOf: FolderOf): void {
  const add = (address: string, netdev: NetdevState, carrier: Carrier): void => {
    const folder = `${folderOf(address)}/net/${netdev.name}`;
    tree.set(`sys/class/net/${netdev.name}`, { kind: "link", to: folder });
    tree.set(`${folder}/device`, { kind: "link", to: folderOf(address) });
    for (const [name, value] of Object.entries(netdevFiles(netdev, carrier))) {
      tree.set(`${folder}/${name}`, file(value));
    }
  };
  for (const pf of machine.state.pfs) {
    const { linkSpeedMbps: speedMbps } = cardOf(pf.card);
    const isUp = hasLink(machine, pf);
    const portName = pf.port?.portName ?? null;
    if (pf.netdev !== null) add(pf.address, pf.netdev, { isUp, speedMbps, portName });
    pf.vfs.forEach((vf, vfIndex) => {
      if (vf?.netdev === undefined) return;
      add(addressOfVf(machine, pf, vfIndex), vf.netdev, { isUp, speedMbps, portName: null });
    });
  }
}

type Carrier = {
  readonly isUp: boolean;
  readonly speedMbps: number;
  readonly portName: string | null;
};

function netdevFiles(netdev: NetdevState, { isUp, speedMbps, portName }: Carrier) {
  const { ifindex, mac, mtu } = netdev;
  return {
    ifindex,
    address: mac,
    mtu,
    operstate: netdev.isUp && isUp ? "up" : "down",
    flags: netdev.isUp ? "0x1003" : "0x1002",
    type: 1,
    // Both answer EINVAL while the netdev is down; a tree on disk cannot, and leaves them out.
    ...(netdev.isUp ? { carrier: isUp ? 1 : 0, speed: isUp ? speedMbps : -1 } : {}),
    ...(portName === null ? {} : { phys_port_name: portName }),
  };
}

function addGroups(machine: Machine, tree: Map<string, SysfsEntry>, folderOf: FolderOf): void {
  const groups = new Set<number>();
  for (const address of allAddresses(machine)) {
    const entry = entriesOf(machine, address)?.get("iommu_group");
    if (entry?.kind === "link") groups.add(Number(entry.to));
  }
  for (const group of groups) {
    const folder = `sys/kernel/iommu_groups/${group}`;
    tree.set(`${folder}/type`, file("DMA-FQ"));
    for (const member of groupMembers(machine, group)) {
      tree.set(`${folder}/devices/${member}`, { kind: "link", to: folderOf(member) });
    }
  }
}

const inKibibytes = (bytes: number | null | undefined): number => (bytes ?? 0) / 1024;

function addKernel(machine: Machine, tree: Map<string, SysfsEntry>): void {
  const facts = factsOf(machine, inventoryOf(machine, fullInventory));
  const { kernel, iommu, moduleParameters, kernelLog, distribution, memory, guests } = facts;
  const { core } = machine.state;
  const texts: Readonly<Record<string, string>> = {
    "proc/cmdline": kernel.commandLine?.join(" ") ?? "",
    "proc/sys/kernel/arch": kernel.architecture ?? "",
    "proc/sys/kernel/osrelease": core.kernelRelease,
    "proc/sys/kernel/random/boot_id": core.bootId,
    "etc/machine-id": core.machineId,
    "sys/kernel/security/lockdown": `[${kernel.lockdown}] integrity confidentiality`,
    "sys/firmware/acpi/tables/FACP": "",
    "sys/class/mem/null/uevent": "",
    "var/log/dmesg": kernelLog?.lines.join("\n") ?? "",
    "etc/os-release": `ID=${distribution?.[0]}`,
    "proc/meminfo": `MemTotal: ${inKibibytes(memory?.totalBytes)} kB`,
  };
  for (const { pid, lockedBytes } of guests ?? []) {
    tree.set(`proc/${pid}/status`, file(`VmLck:\t${inKibibytes(lockedBytes)} kB`));
    tree.set(`proc/${pid}/limits`, file("Max locked memory         unlimited unlimited bytes"));
  }
  for (const [path, text] of Object.entries(texts)) tree.set(path, file(text));
  for (const name of iommu.instances ?? []) tree.set(`sys/class/iommu/${name}/uevent`, file(""));
  for (const name of iommu.acpiTables ?? []) tree.set(`sys/firmware/acpi/tables/${name}`, file(""));
  for (const [parameter, value] of Object.entries(moduleParameters)) {
    const [module, name] = parameter.split(".");
    tree.set(`sys/module/${module}/parameters/${name}`, file(value));
  }
}
