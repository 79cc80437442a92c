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

function claimsOfVm({ path, text }: ConfigFile, mappings: Mappings): Claim[] {
  const vmid = baseName(path).replace(/\.conf$/, "");
  const claims: Claim[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    // Snapshots follow: what a VM had once.
    if (line.startsWith("[")) break;
    const [, device = "", value = ""] = hostpci.exec(line) ?? [];
    if (device === "") continue;
    const [first = ""] = value.split(",");
    const mapping = optionOf(value, "mapping");
    const plain = first.includes("=") ? (optionOf(value, "host") ?? "") : first;
    const addresses = mapping === undefined ? addressesOf(plain) : (mappings.get(mapping) ?? []);
    const where = `${path}:${index + 1}`;
    const to = `pve:${vmid}/${device}`;
    claims.push(...addresses.flatMap((address) => claimsOfFunction(address, to, where)));
  }
  return claims;
}

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

export function readProxmox(files: readonly ConfigFile[]): ClaimReading {
  const mappings = mappingsOf(files);
  const vms = files.filter(({ path }) => /\/\d+\.conf$/.test(path));
  return { claims: vms.flatMap((vm) => claimsOfVm(vm, mappings)), problems: [] };
}
