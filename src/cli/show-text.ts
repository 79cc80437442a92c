// `show` for people: one function, everything known about it, one fact a line. What is not known
// is left out; what is known to be none is said.

import type { Inventory, Netdev, Pf, PciLink, Vf } from "../model/inventory.ts";
import { capacityText, inventoryCapacity } from "../pci/pf-capacity.ts";
import { className, deviceName, idsOf } from "./device-names.ts";
import { macText, plural, rateText, vlanText } from "./list-text.ts";
import { clean, type Style } from "./style.ts";
import { alignRows } from "./table.ts";

type Fact = readonly [name: string, value: string | number | null];

const factLines = (facts: readonly Fact[], style: Style): string[] =>
  alignRows(
    facts
      .filter(([, value]) => value !== null && value !== "")
      .map(([name, value]) => [`  ${style("dim", name)}`, clean(String(value))]),
  );

const onOff = (value: boolean | null): string | null =>
  value === null ? null : value ? "on" : "off";

function linkText({ speed, width, maxSpeed, maxWidth }: PciLink): string | null {
  if (speed === null || width === null) return null;
  const isFull = (maxSpeed === null || speed === maxSpeed) && (width === maxWidth || !maxWidth);
  return `${speed} x${width}${isFull ? "" : ` (can ${maxSpeed ?? speed} x${maxWidth ?? width})`}`;
}

const groupText = ({ iommuGroup, iommuGroupType = null }: Pf): string | number | null =>
  iommuGroupType === null ? iommuGroup : `${iommuGroup} (${iommuGroupType})`;

function netdevText(netdev: Netdev): string {
  const { name, mac, mtu, isUp, hasLink, linkSpeedMbps, portName } = netdev;
  const words = [
    isUp === null ? null : isUp ? "up" : "down",
    hasLink === null ? null : hasLink ? "link" : "no link",
    linkSpeedMbps === null ? null : `${linkSpeedMbps} Mbit/s`,
    mtu === null ? null : `mtu ${mtu}`,
    mac,
    portName === null ? null : `port ${portName}`,
  ];
  return `${name}: ${words.filter((word) => word !== null).join(", ")}`;
}

function ownerFacts({ owners, reservations = [] }: Pf | Vf): Fact[] {
  const users = owners.map(({ kind, name, pid, evidence }): Fact => {
    return ["used by", `${kind}:${name}${pid === null ? "" : ` (pid ${pid})`}: ${evidence}`];
  });
  const reserved = reservations.map(({ kind, name, evidence: [first = ""] }): Fact => {
    return ["configured for", `${kind}:${name}: ${first}`];
  });
  return [...(users.length === 0 ? [["used by", "nobody"] as const] : users), ...reserved];
}

export function showPfText(pf: Pf, { host, bridges }: Inventory, style: Style): string[] {
  const ids = idsOf(pf.vendorId, pf.deviceId);
  const name = deviceName(pf.vendorId, pf.deviceId);
  const used = pf.virtualFunctions.filter(({ owners }) => owners.length > 0);
  const facts: Fact[] = [
    ["host", host.name],
    ["device", `${name} ${className(pf.classCode)} (${ids})`.trim()],
    ["adapter", pf.adapter],
    ["serial", pf.serial],
    ["driver", pf.driver ?? "none"],
    ["driver override", pf.driverOverride],
    ...pf.netdevs.map((netdev): Fact => ["interface", netdevText(netdev)]),
    ["permanent MAC", pf.permanentMac],
    ["VFs", vfsText(pf)],
    ["VFs that fit", capacityText(inventoryCapacity(pf, bridges))],
    ["VFs in use", pf.numVfs === 0 ? null : used.length],
    ["VF numbering", pf.firstVfOffset === null ? null : numberingText(pf)],
    ["VF autoprobe", onOff(pf.driversAutoprobe)],
    ["eswitch mode", pf.eswitchMode],
    ["MSI-X vectors", pf.msixCount],
    ["MSI-X for VFs", pf.vfTotalMsix],
    ["NUMA node", pf.numaNode],
    ["IOMMU group", groupText(pf)],
    ["PCIe link", linkText(pf.link)],
    ["bridges above", pf.path.length === 0 ? null : pf.path.join(", ")],
    ...ownerFacts(pf),
  ];
  return [style("strong", `PF ${pf.address}`), ...factLines(facts, style)];
}

function vfsText({ numVfs, totalVfs, capabilityTotalVfs, isChanging }: Pf): string {
  const limits = [
    totalVfs === null ? null : `the driver allows ${totalVfs}`,
    capabilityTotalVfs === null ? null : `the device can have ${capabilityTotalVfs}`,
    isChanging ? "the count is being changed" : null,
  ].filter((text) => text !== null);
  return `${numVfs}${limits.length === 0 ? "" : ` (${limits.join(", ")})`}`;
}

const numberingText = ({ firstVfOffset, vfStride, vfDeviceId }: Pf): string =>
  [
    `first offset ${firstVfOffset}`,
    vfStride === null ? null : `stride ${vfStride}`,
    vfDeviceId === null ? null : `VF device id ${vfDeviceId.toString(16).padStart(4, "0")}`,
  ]
    .filter((text) => text !== null)
    .join(", ");

export function showVfText(vf: Vf, pf: Pf, style: Style): string[] {
  const { policy } = vf;
  const facts: Fact[] = [
    ["PF", `${pf.address}${pf.netdevs[0] === undefined ? "" : ` ${pf.netdevs[0].name}`}`],
    ["index", `${vf.vfIndex} (of ${plural(pf.numVfs, "VF")})`],
    ["driver", vf.driver ?? "none"],
    ["driver override", vf.driverOverride],
    ...vf.netdevs.map((netdev): Fact => ["interface", netdevText(netdev)]),
    ["IOMMU group", vf.iommuGroup],
    ["MSI-X vectors", vf.msixCount],
    ...(policy === null
      ? []
      : ([
          ["MAC", macText(policy.mac) || "not set"],
          ["VLAN", policy.vlan === null ? null : vlanText(policy.vlan) || "none"],
          ["rate", policy.txRateMaxMbps === null ? null : rateText(policy) || "unlimited"],
          ["spoof check", onOff(policy.spoofCheck)],
          ["trust", onOff(policy.trust)],
          ["link state", policy.linkState],
          ["RSS query", onOff(policy.rssQuery)],
          ["node GUID", policy.nodeGuid],
          ["port GUID", policy.portGuid],
        ] satisfies Fact[])),
    ...ownerFacts(vf),
  ];
  return [style("strong", `VF ${vf.address}`), ...factLines(facts, style)];
}
