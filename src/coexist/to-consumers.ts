// VFs of a spec for those who hand them to guests: libvirt networks, Proxmox VE mappings, Nova's
// device specs. They take VFs that are there and make none, so sriovctl stays the one who makes
// them and sets what they have no word for. Only what they would set otherwise is a loss.

import type { Problem } from "../model/problem.ts";
import type { DriverChoice } from "../model/spec.ts";
import { stableUuid } from "./stable-uuid.ts";
import { type Exported, type ExportInput, type ExportPf, type ExportVf, lack } from "./export.ts";

type Member = { readonly pf: ExportPf; readonly vf: ExportVf };

/** VFs to hand out together: a pool, or all VFs of a PF that nobody has by name. */
type Group = { readonly name: string; readonly members: readonly Member[] };

const place = ({ pf, vf }: Member): string => `${pf.label}/${vf.vfIndex}`;

function groupsOf({ pfs }: ExportInput): Group[] {
  const members = pfs.flatMap((pf) => pf.vfs.map((vf): Member => ({ pf, vf })));
  const pooled = members.filter(({ vf }) => vf.pool !== null);
  const free = members.filter(({ vf }) => vf.consumer === null);
  const shared = pooled.length > 0 ? pooled : free;
  const groups = Map.groupBy(shared, ({ pf, vf }) => vf.pool ?? pf.label);
  return [...groups].map(([name, own]) => ({ name, members: own }));
}

/** Members that exist, and a finding for those that do not yet. */
function present(manager: string, { members }: Group): { there: Member[]; lacks: Problem[] } {
  const there = members.filter(({ vf }) => vf.address !== null);
  const gone = members.filter(({ vf }) => vf.address === null);
  const message = `${manager} names VFs by address, and these are not there yet: apply the spec first`;
  const [first, last] = [gone[0], gone.at(-1)];
  if (first === undefined || last === undefined) return { there, lacks: [] };
  const where = first === last ? place(first) : `${place(first)} to ${place(last)}`;
  return { there, lacks: [lack(where, message)] };
}

const xmlEscapes: Readonly<Record<string, string>> = {
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  "'": "&apos;",
};

const xml = (text: string): string => text.replaceAll(/[<>&']/g, (one) => xmlEscapes[one] ?? one);

function addressXml(address: string): string {
  const [domain = "", bus = "", rest = ""] = address.split(":");
  const [slot = "", fn = ""] = rest.split(".");
  return `    <address type='pci' domain='0x${domain}' bus='0x${bus}' slot='0x${slot}' function='0x${fn}'/>`;
}

const isKernel = (driver: DriverChoice | null): boolean => driver === null || driver === "kernel";

/** libvirt sets VLAN 0 on a VF of an interface without <vlan>, and takes one tag only. */
function networkVlan(members: readonly Member[]): { lines: string[]; lacks: Problem[] } {
  const ids = new Set(members.map(({ vf }) => vf.values.vlan?.id ?? 0));
  const [id = 0, ...more] = ids;
  const lacks = members.flatMap((member): Problem[] => {
    const { vlan } = member.vf.values;
    const isPlain = vlan === null || (vlan.qos === 0 && vlan.protocol === "802.1q");
    const message = "libvirt sets the VLAN of its VFs, without a priority and as 802.1q";
    return isPlain ? [] : [lack(place(member), message)];
  });
  const [first] = members;
  if (more.length > 0 && first !== undefined) {
    const message = "libvirt has one VLAN a network: give each interface its own <vlan>";
    return { lines: [], lacks: [...lacks, lack(place(first), message)] };
  }
  return { lines: id === 0 ? [] : ["  <vlan>", `    <tag id='${id}'/>`, "  </vlan>"], lacks };
}

export function toLibvirtNetwork(input: ExportInput): Exported {
  const lacks: Problem[] = [];
  const files = groupsOf(input).flatMap((group) => {
    const { there, lacks: gone } = present("libvirt", group);
    lacks.push(...gone);
    if (there.length === 0) return [];
    const vlan = networkVlan(there);
    lacks.push(...vlan.lacks);
    const withMac = there.find(({ vf }) => vf.values.mac !== null);
    if (withMac !== undefined) {
      const message = "libvirt sets the MAC of its VFs: write it into each guest's interface";
      lacks.push(lack(place(withMac), message));
    }
    // Bound to vfio-pci by us they stay there: libvirt need not take them from a driver and back.
    const managed = there.some(({ vf }) => isKernel(vf.driver) || vf.driver === "none");
    const text = [
      "<!-- Written by sriovctl export: virsh net-define FILE -->",
      "<network>",
      `  <name>${xml(group.name)}</name>`,
      // Without one, net-define refuses a network that is there already.
      `  <uuid>${stableUuid("network", group.name)}</uuid>`,
      `  <forward mode='hostdev' managed='${managed ? "yes" : "no"}'>`,
      "    <driver name='vfio'/>",
      ...there.map(({ vf }) => addressXml(vf.address ?? "")),
      "  </forward>",
      ...vlan.lines,
      "</network>",
    ].join("\n");
    return [{ path: `/etc/libvirt/qemu/networks/${group.name}.xml`, text: `${text}\n` }];
  });
  return { files, lacks };
}

const hex4 = (value: number): string => value.toString(16).padStart(4, "0");

const idOf = ({ pf }: ExportPf): string =>
  `${hex4(pf.vendorId)}:${hex4(pf.vfDeviceId ?? pf.deviceId)}`;

function mapLine({ pf, vf }: Member, node: string): string {
  const parts = [
    `id=${idOf(pf)}`,
    // Proxmox VE writes -1 for a function without a group.
    `iommugroup=${vf.iommuGroup ?? -1}`,
    `node=${node}`,
    `path=${vf.address}`,
    ...(vf.subsystemId === null ? [] : [`subsystem-id=${vf.subsystemId}`]),
  ];
  return `    map ${parts.join(",")}`;
}

const consumerHead = "# Written by sriovctl export, which goes on to make these VFs";

const pveConsumer = /^pve:(\d+)\/(hostpci\d+)$/;

export function toProxmox(input: ExportInput): Exported {
  const lacks: Problem[] = [];
  const sections = groupsOf(input).flatMap((group) => {
    const { there, lacks: gone } = present("proxmox", group);
    lacks.push(...gone);
    if (there.length === 0) return [];
    const lines = there.map((member) => mapLine(member, input.node));
    return [`${group.name}`, "    description VFs of sriovctl", ...lines, ""];
  });
  const vms = new Map<string, string[]>();
  for (const member of input.pfs.flatMap((pf) => pf.vfs.map((vf) => ({ pf, vf })))) {
    const [, vmid = "", device = ""] = pveConsumer.exec(member.vf.consumer ?? "") ?? [];
    if (vmid === "") continue;
    if (member.vf.address === null) {
      lacks.push(
        lack(place(member), "proxmox names VFs by address, and this one is not there yet"),
      );
    } else vms.set(vmid, [...(vms.get(vmid) ?? []), `${device}: ${member.vf.address},pcie=1`]);
  }
  const mapping = { path: "/etc/pve/mapping/pci.cfg", text: `${sections.join("\n")}\n` };
  const lines = [...vms].map(([vmid, own]) => ({
    path: `/etc/pve/qemu-server/${vmid}.conf`,
    text: `${own.join("\n")}\n`,
  }));
  return { files: [...(sections.length === 0 ? [] : [mapping]), ...lines], lacks };
}

function deviceSpec({ pf, vf }: Member): string {
  const { trust } = vf.values;
  const keys = {
    address: vf.address,
    ...(pf.pf.netdevs.length === 0 ? {} : { physical_network: pf.label }),
    ...(trust === null ? {} : { trusted: String(trust) }),
  };
  const isNetwork = pf.pf.netdevs.length > 0;
  // A VF that libvirt need not take from a driver.
  const managed = isKernel(vf.driver) || isNetwork ? {} : { managed: "no" };
  return `device_spec = ${JSON.stringify({ ...keys, ...managed })}`;
}

/** What the SR-IOV agent of Neutron has to know: our label stands for the physical network. */
function agentLines(members: readonly Member[]): string[] {
  const mappings = new Set<string>();
  for (const { pf } of members) {
    const [netdev] = pf.pf.netdevs;
    if (netdev !== undefined) mappings.add(`${pf.label}:${netdev.name}`);
  }
  if (mappings.size === 0) return [];
  return ["[sriov_nic]", `physical_device_mappings = ${[...mappings].join(",")}`];
}

export function toNova(input: ExportInput): Exported {
  const lacks: Problem[] = [];
  const members = groupsOf(input).flatMap((group) => {
    const { there, lacks: gone } = present("nova", group);
    lacks.push(...gone);
    return there;
  });
  const owned = members.find(({ vf }) => vf.values.mac !== null || vf.values.vlan !== null);
  if (owned !== undefined) {
    const message = "nova and Neutron set MAC and VLAN of their VFs from the port of the guest";
    lacks.push(lack(place(owned), message));
  }
  if (members.length === 0) return { files: [], lacks };
  const nova = [consumerHead, "[pci]", ...members.map(deviceSpec)];
  const agent = agentLines(members);
  return {
    files: [
      { path: "/etc/nova/nova.conf.d/sriov.conf", text: `${nova.join("\n")}\n` },
      ...(agent.length === 0
        ? []
        : [
            {
              path: "/etc/neutron/plugins/ml2/sriov_agent.ini",
              text: `${[consumerHead, ...agent].join("\n")}\n`,
            },
          ]),
    ],
    lacks,
  };
}
