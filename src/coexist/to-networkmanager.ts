// A spec as NetworkManager profiles, one a PF. A profile is also the PF's addresses: a PF that
// is in use gets one that does not come up by itself, for its [sriov] section to be taken from.

import type { ConfigFile } from "./config-file.ts";
import {
  autoprobeOf,
  type Exported,
  type ExportInput,
  type ExportPf,
  type ExportVf,
  headLines,
  lack,
  lacksOf,
  withNetdev,
  type Word,
} from "./export.ts";
import { stableUuid } from "./stable-uuid.ts";

const known = new Set<Word>([
  "mac",
  "vlan",
  "vlanQos",
  "vlan8021ad",
  "priorityTag",
  "rate",
  "spoofCheck",
  "trust",
  "autoprobe",
  "eswitchMode",
  "mtu",
]);

/** `mac=... vlans=120.3.ad`, as nmcli writes it. */
function vfLine({ vfIndex, values }: ExportVf): string[] {
  const { mac, vlan, rate, spoofCheck, trust } = values;
  const { minMbps, maxMbps } = rate ?? {};
  const protocol = vlan?.protocol === "802.1ad" ? ".ad" : "";
  const qos = vlan !== null && (vlan.qos > 0 || protocol !== "") ? `.${vlan.qos}` : "";
  const words = [
    ...(mac === null ? [] : [`mac=${mac}`]),
    ...(maxMbps === undefined ? [] : [`max-tx-rate=${maxMbps}`]),
    ...(minMbps === undefined ? [] : [`min-tx-rate=${minMbps}`]),
    ...(spoofCheck === null ? [] : [`spoof-check=${spoofCheck}`]),
    ...(trust === null ? [] : [`trust=${trust}`]),
    ...(vlan === null ? [] : [`vlans=${vlan.id}${qos}${protocol}`]),
  ];
  return words.length === 0 ? [] : [`vf.${vfIndex}=${words.join(" ")}`];
}

const eswitchModes = { legacy: 0, switchdev: 1 } as const;

const isInUse = ({ pf }: ExportPf): boolean => pf.owners.length > 0;

function profile(each: ExportPf): ConfigFile {
  const { label, pf, numVfs, eswitchMode, mtu, vfs } = each;
  const { permanentMac } = pf;
  const isProbing = autoprobeOf(each);
  const name = pf.netdevs[0]?.name ?? "";
  const hasMode = eswitchMode !== null && pf.eswitchMode !== null;
  const lines = [
    ...headLines([
      `PF ${label}, ${pf.address}`,
      ...(hasMode ? ["eswitch-mode needs NetworkManager 1.46 or later"] : []),
    ]),
    "[connection]",
    `id=sriov-${label}`,
    `uuid=${stableUuid("profile", permanentMac ?? pf.address)}`,
    "type=ethernet",
    ...(isInUse(each) ? ["autoconnect=false"] : []),
    ...(permanentMac === null ? [`interface-name=${name}`] : []),
    "",
    "[ethernet]",
    ...(permanentMac === null ? [] : [`mac-address=${permanentMac.toUpperCase()}`]),
    ...(mtu === null ? [] : [`mtu=${mtu}`]),
    "",
    "[sriov]",
    ...(isProbing === null ? [] : [`autoprobe-drivers=${isProbing ? 1 : 0}`]),
    ...(hasMode ? [`eswitch-mode=${eswitchModes[eswitchMode]}`] : []),
    `total-vfs=${numVfs}`,
    ...vfs.flatMap(vfLine),
    "",
    "[ipv4]",
    "method=disabled",
    "",
    "[ipv6]",
    "method=disabled",
  ];
  const path = `/etc/NetworkManager/system-connections/sriov-${label}.nmconnection`;
  return { path, text: `${lines.join("\n")}\n` };
}

export function toNetworkManager({ pfs }: ExportInput): Exported {
  const { known: mine, lacks } = withNetdev("networkmanager", pfs);
  const used = mine.filter(isInUse).map(({ label, pf }) => {
    const name = pf.netdevs[0]?.name ?? pf.address;
    const message = `networkmanager has one profile an interface: put [sriov] into the one of ${name}`;
    return lack(label, message);
  });
  const rest = lacksOf("networkmanager", mine, known);
  return { files: mine.map(profile), lacks: [...lacks, ...used, ...rest] };
}
