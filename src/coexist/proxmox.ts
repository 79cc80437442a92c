// Proxmox VE: `hostpciN` lines of VMs, and cluster mappings that such lines name. A VF of ours in
// a VM is what VFs are for; a whole PF in a VM is not ours any more.

import { type Address, formatBdf, parseBdf } from "../model/bdf.ts";
import type { Claim } from "../model/claim.ts";
import { baseName, type ClaimReading, type ConfigFile } from "./config-file.ts";

export const proxmoxFolders = ["/etc/pve/qemu-server"];
const mappingFile = "/etc/pve/mapping/pci.cfg";
/** Mappings hold for one node of the cluster each. */
const hostnameFile = "/etc/hostname";
export const proxmoxFiles = [mappingFile, hostnameFile];

const optionOf = (text: string, key: string): string | undefined =>
  text
    .split(",")
    .find((option) => option.startsWith(`${key}=`))
    ?.slice(key.length + 1);

/** `0000:3b:10.0;0000:3b:10.2`, or `3b:00` for all eight functions of a device. */
function addressesOf(text: string): Address[] {
  return text.split(";").flatMap((word): Address[] => {
    const one = parseBdf(word);
    if (one !== null) return [formatBdf(one)];
    const all = parseBdf(`${word}.0`);
    if (all === null) return [];
    return Array.from({ length: 8 }, (_, index) =>
      formatBdf({ ...all, routingId: all.routingId + index }),
    );
  });
}

type Mappings = ReadonlyMap<string, readonly Address[]>;

function mappingsOf(files: readonly ConfigFile[]): Mappings {
  const textOf = (path: string): string => files.find((file) => file.path === path)?.text ?? "";
  const node = textOf(hostnameFile).trim().split(".")[0] ?? "";
  const mappings = new Map<string, Address[]>();
  let current: Address[] = [];
  for (const line of textOf(mappingFile).split(/\r?\n/)) {
    const name = /^(\S+)\s*$/.exec(line)?.[1];
    if (name !== undefined && !line.startsWith("#")) {
      current = [];
      mappings.set(name, current);
    }
    const map = /^\s+map\s+(.*)$/.exec(line)?.[1];
    if (map === undefined) continue;
    const its = optionOf(map, "node");
    if (its !== undefined && node !== "" && its !== node) continue;
    current.push(...addressesOf(optionOf(map, "path") ?? ""));
  }
  return mappings;
}

const hostpci = /^(hostpci\d+):\s*(.*)$/;

type VmDevice = {
  readonly vmid: string;
  /** `hostpci0`. */
  readonly device: string;
  readonly addresses: readonly Address[];
  readonly where: string;
};

function devicesOfVm({ path, text }: ConfigFile, mappings: Mappings): VmDevice[] {
  const vmid = baseName(path).replace(/\.conf$/, "");
  const devices: VmDevice[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    // Snapshots follow: what a VM had once.
    if (line.startsWith("[")) break;
    const [, device = "", value = ""] = hostpci.exec(line) ?? [];
    if (device === "") continue;
    const [first = ""] = value.split(",");
    const mapping = optionOf(value, "mapping");
    const plain = first.includes("=") ? (optionOf(value, "host") ?? "") : first;
    const addresses = mapping === undefined ? addressesOf(plain) : (mappings.get(mapping) ?? []);
    devices.push({ vmid, device, addresses, where: `${path}:${index + 1}` });
  }
  return devices;
}

const claimsOfDevice = ({ vmid, device, addresses, where }: VmDevice): Claim[] =>
  addresses.flatMap((address) => claimsOfFunction(address, `pve:${vmid}/${device}`, where));

/** The same address may be a PF's or a VF's: the inventory knows. */
function claimsOfFunction(address: Address, to: string, where: string): Claim[] {
  const common = { manager: "proxmox", firstOf: null } as const;
  return [
    {
      ...common,
      selector: { addresses: [address], unjudged: [] },
      settings: [{ kind: "pf-assigned", to, where }],
    },
    {
      ...common,
      selector: { vfAddresses: [address], unjudged: [] },
      settings: [{ kind: "vf-assigned", vfAddress: address, to, where }],
    },
  ];
}

/** Devices of all VMs among the files. */
export function vmDevicesOf(files: readonly ConfigFile[]): VmDevice[] {
  const mappings = mappingsOf(files);
  const vms = files.filter(({ path }) => /\/\d+\.conf$/.test(path));
  return vms.flatMap((vm) => devicesOfVm(vm, mappings));
}

export const readProxmox = (files: readonly ConfigFile[]): ClaimReading => ({
  claims: vmDevicesOf(files).flatMap(claimsOfDevice),
  problems: [],
});

/** A VM's name as its process has it: its own, or one made of its number. */
export function vmNameOf(vmid: string, configuration: string): string {
  // Snapshots follow the first section.
  const [own = ""] = configuration.split(/^\[/m);
  return /^name:\s*(\S+)/m.exec(own)?.[1] ?? `vm${vmid}`;
}

type PciReservation = {
  readonly address: Address;
  readonly vmid: string;
} & ({ readonly pid: number } | { readonly untilS: number });

/** Lines of /run/qemu-server/pci-id-reservations: `0000:3b:10.0 103 pid:812`, or `time:SECONDS` up
 * to which a VM that is being started has the function (PVE::QemuServer::PCI). */
export function parsePciReservations(text: string): PciReservation[] {
  return text.split("\n").flatMap((line): PciReservation[] => {
    const [, word = "", vmid = "", kind, digits] =
      /^(\S+) ([0-9]{1,9}) (pid|time):([0-9]{1,15})$/.exec(line) ?? [];
    const bdf = parseBdf(word);
    if (bdf === null) return [];
    const common = { address: formatBdf(bdf), vmid };
    const number = Number(digits);
    return [kind === "pid" ? { ...common, pid: number } : { ...common, untilS: number }];
  });
}
