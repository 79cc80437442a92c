// What `ip -j -d link` prints, read into the same types as netlink's own messages. ip(8) leaves
// out what it takes for uninteresting (a permanent address equal to the address, a VLAN of 0) and
// knows neither the number of VFs that there should be nor any past its 64 KiB.

import type { Problem } from "../../model/problem.ts";
import { noPolicy, type Vlan, type VfPolicy } from "../../model/vf-attribute.ts";
import { interfaceFlag } from "../../netlink/kernel-numbers.ts";
import type { Link, OperState } from "../../netlink/link-attributes.ts";
import { normalVlan, type VfInfo } from "../../netlink/vf-info.ts";
import type { LinksReading } from "./links.ts";

type Json = { readonly [key: string]: unknown };

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const objects = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : []);
const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
const whole = (value: unknown): number | null =>
  typeof value === "number" && Number.isSafeInteger(value) ? value : null;
const flag = (value: unknown): boolean | null => (typeof value === "boolean" ? value : null);

/** ip prints switches of VFs as true or as "on", by version. */
const onOff = (value: unknown): boolean | null =>
  value === "on" ? true : value === "off" ? false : flag(value);

/** Parses the output; text that is not such output is a problem, never an exception. */
export function parseIpLinks(output: string): LinksReading {
  let parsed: unknown;
  try {
    parsed = JSON.parse(output);
  } catch {
    const message = "Cannot read the output of ip -j -d link: it is not JSON";
    return { links: [], problems: [{ code: "ip-output", where: "ip", message }] };
  }
  const rows = objects(parsed);
  const ifindexes = new Map(rows.map((row) => [text(row["ifname"]), whole(row["ifindex"])]));
  const links = rows.flatMap((row) => parseLink(row, ifindexes) ?? []);
  const missing = rows.length - links.length;
  const problems: Problem[] = [];
  if (missing > 0) {
    const message = `Cannot read ${missing} links in the output of ip: they have no name or index`;
    problems.push({ code: "ip-output", where: "ip", message });
  }
  return { links, problems };
}

const operStates: Readonly<Record<string, OperState>> = {
  UNKNOWN: "unknown",
  NOTPRESENT: "notpresent",
  DOWN: "down",
  LOWERLAYERDOWN: "lowerlayerdown",
  TESTING: "testing",
  DORMANT: "dormant",
  UP: "up",
};

/** ifi_type of the names that matter here; any other is 0. */
const hardwareTypes: Readonly<Record<string, number>> = {
  ether: 1,
  infiniband: 32,
  loopback: 772,
};

type IfindexByName = ReadonlyMap<string | null, number | null>;

function parseLink(row: Json, ifindexes: IfindexByName): Link | null {
  const ifindex = whole(row["ifindex"]);
  const name = text(row["ifname"]);
  if (ifindex === null || name === null) return null;
  const words = Array.isArray(row["flags"]) ? row["flags"] : [];
  const isUp = words.includes("UP");
  const hasCarrier = words.includes("LOWER_UP");
  const mac = text(row["address"]);
  const parentName = text(row["parentdev"]);
  const linkInfo = isObject(row["linkinfo"]) ? row["linkinfo"] : {};
  return {
    ifindex,
    name,
    altNames: Array.isArray(row["altnames"])
      ? row["altnames"].flatMap((each) => text(each) ?? [])
      : [],
    hardwareType: hardwareTypes[text(row["link_type"]) ?? ""] ?? 0,
    flags: (isUp ? interfaceFlag.IFF_UP : 0) | (hasCarrier ? interfaceFlag.IFF_LOWER_UP : 0),
    isUp,
    // LOWER_UP is the carrier, and NO-CARRIER is printed where a link is up without it.
    hasCarrier: isUp ? hasCarrier : null,
    operState: operStates[text(row["operstate"]) ?? ""] ?? null,
    mtu: whole(row["mtu"]),
    mac,
    // Only hardware has one, and ip prints it only where it differs.
    permanentMac: text(row["permaddr"]) ?? (parentName === null ? null : mac),
    master: ifindexes.get(text(row["master"])) ?? null,
    lower: whole(row["link_index"]) ?? ifindexes.get(text(row["link"])) ?? null,
    lowerNetnsId: whole(row["link_netnsid"]),
    kind: text(linkInfo["info_kind"]),
    portName: text(row["phys_port_name"]),
    portId: text(row["phys_port_id"]),
    switchId: text(row["phys_switch_id"]),
    parentName,
    parentBus: text(row["parentbus"]),
    numVf: null,
    virtualFunctions:
      row["vfinfo_list"] === undefined ? null : objects(row["vfinfo_list"]).flatMap(parseVf),
    bytes: new Uint8Array(),
  };
}

function parseVf(row: Json): VfInfo[] {
  const vfIndex = whole(row["vf"]);
  if (vfIndex === null) return [];
  const rate = isObject(row["rate"]) ? row["rate"] : {};
  const linkState = row["link_state"];
  const policy: VfPolicy = {
    ...noPolicy,
    mac: text(row["address"]) ?? text(row["mac"]),
    vlan: parseVlan(row),
    txRateMinMbps: whole(rate["min_tx"]),
    txRateMaxMbps: whole(rate["max_tx"]) ?? whole(row["tx_rate"]),
    spoofCheck: onOff(row["spoofchk"]),
    trust: onOff(row["trust"]),
    linkState:
      linkState === "auto" || linkState === "enable" || linkState === "disable" ? linkState : null,
    rssQuery: onOff(row["query_rss_en"]),
    nodeGuid: text(row["node guid"]),
    portGuid: text(row["port guid"]),
  };
  return [{ vfIndex, policy, vlanEtherType: null, statistics: null, unknown: [] }];
}

/** A list with an empty object is no VLAN; older versions print `vlan` and `qos` beside it. */
function parseVlan(row: Json): Vlan {
  const [first] = objects(row["vlan_list"]);
  const source = first ?? row;
  const isServiceTag = text(source["protocol"])?.toLowerCase() === "802.1ad";
  return normalVlan({
    id: whole(source["vlan"]) ?? 0,
    qos: whole(source["qos"]) ?? 0,
    protocol: isServiceTag ? "802.1ad" : "802.1q",
  });
}
