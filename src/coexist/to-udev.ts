// A spec as udev rules: VFs are made when the PF's netdev appears (or its driver is bound, where it
// has none), and get their attributes by ip(8) right after.

import {
  autoprobeOf,
  type Exported,
  type ExportInput,
  type ExportPf,
  type ExportVf,
  headLines,
  lacksOf,
  type Word,
} from "./export.ts";

const known = new Set<Word>([
  "mac",
  "vlan",
  "vlanQos",
  "vlan8021ad",
  "priorityTag",
  "rate",
  "spoofCheck",
  "trust",
  "linkState",
  "rssQuery",
  "nodeGuid",
  "portGuid",
  "autoprobe",
]);

const onOff = (isOn: boolean): string => (isOn ? "on" : "off");

/** Words of `ip link set DEV vf N ...`, a list a command: of some the kernel may refuse one. */
function commandsOf({ values }: ExportVf): string[] {
  const { mac, vlan, rate, spoofCheck, trust, linkState, rssQuery, nodeGuid, portGuid } = values;
  const { minMbps, maxMbps } = rate ?? {};
  const protocol = vlan?.protocol === "802.1ad" ? " proto 802.1ad" : "";
  const rates = [
    ...(maxMbps === undefined ? [] : [`max_tx_rate ${maxMbps}`]),
    ...(minMbps === undefined ? [] : [`min_tx_rate ${minMbps}`]),
  ];
  return [
    ...(mac === null ? [] : [`mac ${mac}`]),
    ...(vlan === null ? [] : [`vlan ${vlan.id} qos ${vlan.qos}${protocol}`]),
    ...(rates.length === 0 ? [] : [rates.join(" ")]),
    ...(spoofCheck === null ? [] : [`spoofchk ${onOff(spoofCheck)}`]),
    ...(trust === null ? [] : [`trust ${onOff(trust)}`]),
    ...(linkState === null ? [] : [`state ${linkState}`]),
    ...(rssQuery === null ? [] : [`query_rss ${onOff(rssQuery)}`]),
    ...(nodeGuid === null ? [] : [`node_guid ${nodeGuid}`]),
    ...(portGuid === null ? [] : [`port_guid ${portGuid}`]),
  ];
}

function rulesOf(each: ExportPf): string[] {
  const { label, pf, numVfs, vfs } = each;
  const { permanentMac, netdevs, address } = pf;
  const hasNetdev = netdevs.length > 0;
  const device = hasNetdev ? "device/" : "";
  const identity =
    hasNetdev && permanentMac !== null
      ? `ATTR{address}=="${permanentMac}"`
      : `KERNEL${hasNetdev ? "S" : ""}=="${address}"`;
  const condition = hasNetdev
    ? `ACTION=="add", SUBSYSTEM=="net", ${identity}`
    : `ACTION=="bind", SUBSYSTEM=="pci", ${identity}`;
  const isProbing = autoprobeOf(each);
  // A VF's netdev may carry the same MAC: only a PF has the file.
  const isPf = `ATTR{${device}sriov_totalvfs}=="?*"`;
  const write = (name: string, value: number): string =>
    `${condition}, ${isPf}, ATTR{${device}${name}}="${value}"`;
  return [
    `# PF ${label}, ${address}`,
    ...(isProbing === null ? [] : [write("sriov_drivers_autoprobe", isProbing ? 1 : 0)]),
    write("sriov_numvfs", numVfs),
    ...(hasNetdev ? vfs : []).flatMap((vf) => {
      const runs = commandsOf(vf).map((words) => {
        return `RUN+="/sbin/ip link set dev $name vf ${vf.vfIndex} ${words}"`;
      });
      return runs.length === 0 ? [] : [[condition, isPf, ...runs].join(", ")];
    }),
  ];
}

export function toUdev({ pfs }: ExportInput): Exported {
  const text = [...headLines([]), ...pfs.flatMap((pf) => ["", ...rulesOf(pf)])].join("\n");
  const files = [{ path: "/etc/udev/rules.d/70-sriov.rules", text: `${text}\n` }];
  return { files: pfs.length === 0 ? [] : files, lacks: lacksOf("udev", pfs, known) };
}
