// A spec for netplan and nmstate. netplan knows VFs by their netdevs only, so a port VLAN needs the
// VF to be there and to have one; nmstate knows them by index.

import { Document, isMap, isScalar, Scalar, visit } from "yaml";
import type { Problem } from "../model/problem.ts";
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

/** Strings that YAML 1.1 takes for something else are quoted: their parsers are of its time. */
function yamlText(about: readonly string[], document: unknown): string {
  const yaml = new Document(document);
  visit(yaml, {
    Scalar: (_, node) => {
      if (typeof node.value === "string" && /:|^[\d.]+$/.test(node.value)) {
        node.type = Scalar.QUOTE_DOUBLE;
      }
    },
    Map: (key, node) => {
      const isVf =
        key !== "value" &&
        isMap(node) &&
        node.items.some(({ key: name }) => {
          return isScalar(name) && name.value === "id";
        });
      if (isVf) node.flow = true;
    },
  });
  return `${headLines(about).join("\n")}\n${yaml.toString({ lineWidth: 0 })}`;
}

const netplanWords = new Set<Word>(["vlan", "eswitchMode", "mtu"]);

type NetplanParts = { ethernets: Record<string, unknown>; vlans: Record<string, unknown> };

function netplanVlan(pf: ExportPf, vf: ExportVf, parts: NetplanParts): Problem[] {
  const { vlan } = vf.values;
  if (vlan === null || vlan.id === 0) return [];
  if (vf.netdev === null) {
    const message = "netplan names VFs by their netdevs: this one has none, so no port VLAN";
    return [lack(`${pf.label}/${vf.vfIndex}`, message)];
  }
  parts.ethernets[vf.netdev] = { link: pf.label };
  parts.vlans[`${vf.netdev}.${vlan.id}`] = { renderer: "sriov", id: vlan.id, link: vf.netdev };
  return [];
}

function netplanPf(pf: ExportPf, parts: NetplanParts): Problem[] {
  const { label, numVfs, eswitchMode, mtu } = pf;
  const { permanentMac, netdevs } = pf.pf;
  const name = netdevs[0]?.name ?? "";
  const hasMode = eswitchMode !== null && pf.pf.eswitchMode !== null;
  const clash = pf.pf.owners.length === 0 ? [] : [lack(label, mergeWords(name))];
  const many = numVfs <= 256 ? [] : [lack(label, "netplan makes 256 VFs at most")];
  parts.ethernets[label] = {
    "match": permanentMac === null ? { name } : { macaddress: permanentMac },
    "virtual-function-count": numVfs,
    ...(hasMode ? { "embedded-switch-mode": eswitchMode } : {}),
    ...(mtu === null ? {} : { mtu }),
  };
  return [...clash, ...many, ...pf.vfs.flatMap((vf) => netplanVlan(pf, vf, parts))];
}

const mergeWords = (name: string): string =>
  `netplan has one definition an interface: put these keys into the one of ${name}`;

export function toNetplan({ pfs }: ExportInput): Exported {
  const { known, lacks } = withNetdev("netplan", pfs);
  const parts: NetplanParts = { ethernets: {}, vlans: {} };
  const own = known.flatMap((pf) => netplanPf(pf, parts));
  const vlans = Object.keys(parts.vlans).length === 0 ? {} : { vlans: parts.vlans };
  const document = { network: { version: 2, ethernets: parts.ethernets, ...vlans } };
  const text = yamlText(["netplan sets up VFs at boot only."], document);
  const files = known.length === 0 ? [] : [{ path: "/etc/netplan/60-sriov.yaml", text }];
  return { files, lacks: [...lacks, ...own, ...lacksOf("netplan", known, netplanWords)] };
}

const nmstateWords = new Set<Word>([
  "mac",
  "vlan",
  "vlanQos",
  "vlan8021ad",
  "priorityTag",
  "rate",
  "spoofCheck",
  "trust",
  "autoprobe",
  "mtu",
  "adminState",
]);

function nmstateVf({ vfIndex, values }: ExportVf): unknown[] {
  const { mac, vlan, rate, spoofCheck, trust } = values;
  const { minMbps, maxMbps } = rate ?? {};
  const is8021ad = vlan?.protocol === "802.1ad";
  const keys = {
    ...(mac === null ? {} : { "mac-address": mac }),
    ...(spoofCheck === null ? {} : { "spoof-check": spoofCheck }),
    ...(trust === null ? {} : { trust }),
    ...(minMbps === undefined ? {} : { "min-tx-rate": minMbps }),
    ...(maxMbps === undefined ? {} : { "max-tx-rate": maxMbps }),
    ...(vlan === null ? {} : { "vlan-id": vlan.id }),
    ...(vlan === null || vlan.qos === 0 ? {} : { qos: vlan.qos }),
    ...(is8021ad ? { "vlan-proto": "802.1ad" } : {}),
  };
  return Object.keys(keys).length === 0 ? [] : [{ id: vfIndex, ...keys }];
}

function nmstateInterface(each: ExportPf): unknown {
  const { pf, label, numVfs, mtu, adminState, vfs } = each;
  const { permanentMac, netdevs } = pf;
  const isProbing = autoprobeOf(each);
  const settings = vfs.flatMap(nmstateVf);
  const name = netdevs[0]?.name ?? label;
  return {
    name,
    type: "ethernet",
    state: adminState ?? "up",
    // By MAC: the name is what it is called now.
    ...(permanentMac === null
      ? {}
      : {
          "profile-name": `sriov-${label}`,
          "identifier": "mac-address",
          "mac-address": permanentMac,
        }),
    ...(mtu === null ? {} : { mtu }),
    ethernet: {
      "sr-iov": {
        "total-vfs": numVfs,
        ...(isProbing === null ? {} : { "drivers-autoprobe": isProbing }),
        ...(settings.length === 0 ? {} : { vfs: settings }),
      },
    },
  };
}

export function toNmstate({ pfs }: ExportInput): Exported {
  const { known, lacks } = withNetdev("nmstate", pfs);
  const about = ["Apply it with nmstatectl apply, or let nmstate.service do it at boot."];
  const text = yamlText(about, { interfaces: known.map(nmstateInterface) });
  const files = known.length === 0 ? [] : [{ path: "/etc/nmstate/sriov.yml", text }];
  return { files, lacks: [...lacks, ...lacksOf("nmstate", known, nmstateWords)] };
}
