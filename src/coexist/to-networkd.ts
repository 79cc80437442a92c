// A spec as .link files: udev makes the VFs and gives them their attributes when the PF's netdev
// appears. A .link file that fits replaces 99-default.link as a whole, so its naming policies are
// repeated here: without them the PF would lose its name.

import type { ConfigFile } from "./config-file.ts";
import {
  type Exported,
  type ExportInput,
  type ExportPf,
  type ExportVf,
  headLines,
  lacksOf,
  withNetdev,
  type Word,
  yesNo,
} from "./export.ts";

const known = new Set<Word>([
  "mac",
  "vlan",
  "vlanQos",
  "vlan8021ad",
  "spoofCheck",
  "trust",
  "linkState",
  "rssQuery",
  "mtu",
]);

const linkStates = { auto: "auto", enable: "yes", disable: "no" } as const;

function vfSection({ vfIndex, values }: ExportVf): string[] {
  const { mac, vlan, spoofCheck, trust, linkState, rssQuery } = values;
  const lines = [
    ...(mac === null ? [] : [`MACAddress=${mac}`]),
    ...(vlan === null || vlan.id === 0 ? [] : [`VLANId=${vlan.id}`]),
    ...(vlan === null || vlan.id === 0 || vlan.qos === 0 ? [] : [`QualityOfService=${vlan.qos}`]),
    ...(vlan === null || vlan.protocol === "802.1q" ? [] : ["VLANProtocol=802.1ad"]),
    ...(spoofCheck === null ? [] : [`MACSpoofCheck=${yesNo(spoofCheck)}`]),
    ...(trust === null ? [] : [`Trust=${yesNo(trust)}`]),
    ...(linkState === null ? [] : [`LinkState=${linkStates[linkState]}`]),
    ...(rssQuery === null ? [] : [`QueryReceiveSideScaling=${yesNo(rssQuery)}`]),
  ];
  return lines.length === 0 ? [] : ["", "[SR-IOV]", `VirtualFunction=${vfIndex}`, ...lines];
}

function linkFile({ label, pf, numVfs, mtu, vfs }: ExportPf): ConfigFile {
  const { permanentMac } = pf;
  const match =
    permanentMac === null ? `Path=pci-${pf.address}` : `PermanentMACAddress=${permanentMac}`;
  const lines = [
    ...headLines([`PF ${label}, ${pf.address}. Needs systemd 251 or later.`]),
    "[Match]",
    match,
    "",
    "[Link]",
    "NamePolicy=keep kernel database onboard slot path",
    "AlternativeNamesPolicy=database onboard slot path",
    "MACAddressPolicy=persistent",
    ...(mtu === null ? [] : [`MTUBytes=${mtu}`]),
    `SR-IOVVirtualFunctions=${numVfs}`,
    ...vfs.flatMap(vfSection),
  ];
  return { path: `/etc/systemd/network/10-sriov-${label}.link`, text: `${lines.join("\n")}\n` };
}

export function toNetworkd({ pfs }: ExportInput): Exported {
  const { known: mine, lacks } = withNetdev("networkd", pfs);
  return { files: mine.map(linkFile), lacks: [...lacks, ...lacksOf("networkd", mine, known)] };
}
