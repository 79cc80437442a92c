// One VF as NetworkManager writes it in keyfiles, ifcfg files and nmcli: `mac=... vlans=100.3.ad`.

import { mergedPolicy } from "../model/claim.ts";
import type { PolicySpec } from "../model/spec.ts";
import { type Complaints, parseAnyMac, parseCount, parseSwitch, shown } from "./config-file.ts";

/** GLib's escapes of values: `\s` is a blank. */
const plainValue = (value: string): string => value.replaceAll("\\s", " ").trim();

type Place = { readonly where: string; readonly complaints: Complaints };

/** `ID[.PRIORITY[.PROTO]]`, of which the kernel takes one. */
function vlanOf(text: string, { where, complaints }: Place): Pick<PolicySpec, "vlan"> {
  const [first = "", ...more] = text.split(";").filter((piece) => piece !== "");
  const match = /^(\d{1,4})(?:\.(\d)(?:\.(q|ad))?)?$/.exec(first);
  const id = parseCount(match?.[1] ?? "", 4095);
  const qos = parseCount(match?.[2] ?? "0", 7);
  if (id === null || qos === null) {
    complaints.add(where, `Cannot use vlans=${shown(text)}: wanted ID[.PRIORITY[.q|.ad]]`);
    return {};
  }
  if (more.length > 0) complaints.add(where, `Cannot use all of vlans=${shown(text)}: wanted one`);
  if (id === 0 && qos === 0) return { vlan: "none" };
  return { vlan: { id, qos, protocol: match?.[3] === "ad" ? "802.1ad" : "802.1q" } };
}

function attributeOf(name: string, value: string, place: Place): PolicySpec {
  const isOn = parseSwitch(value);
  const mbps = parseCount(value, 999_999_999);
  const mac = parseAnyMac(value);
  if (name === "vlans") return vlanOf(value, place);
  if (name === "mac" && mac !== null) return { mac };
  if (name === "spoof-check" && isOn !== null) return { spoofCheck: isOn };
  if (name === "trust" && isOn !== null) return { trust: isOn };
  if (name === "min-tx-rate" && mbps !== null) return { rate: { minMbps: mbps } };
  if (name === "max-tx-rate" && mbps !== null) return { rate: { maxMbps: mbps } };
  place.complaints.add(place.where, `Cannot use ${shown(`${name}=${value}`)} of a VF`);
  return {};
}

/** Attributes of one VF as keyfiles and nmcli write them: `mac=... spoof-check=true`. */
export function parseVfAttributes(text: string, place: Place): PolicySpec {
  let policy: PolicySpec = {};
  for (const piece of plainValue(text).split(/\s+/)) {
    if (piece === "") continue;
    const equals = piece.indexOf("=");
    const name = piece.slice(0, Math.max(equals, 0));
    policy = mergedPolicy(policy, attributeOf(name, piece.slice(equals + 1), place));
  }
  return policy;
}
