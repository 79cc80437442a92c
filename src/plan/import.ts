// The way back: what a host has, as the document of a spec. Importing and then planning is empty,
// so only what a spec can say and the planner would accept is written; what a driver does not
// report, or what is as a fresh VF has it anyway, is left out and thereby left alone.

import { formatAssignTarget } from "../model/assign-target.ts";
import { autoMacOfConsumer, autoMacOfVf, zeroMac } from "../model/mac.ts";
import {
  isNetwork,
  type EswitchMode,
  type Inventory,
  type Pf,
  type Vf,
} from "../model/inventory.ts";
import type { Plug } from "../model/plug.ts";
import type { DriverChoice } from "../model/spec.ts";
import type { LinkStatePolicy, Vlan, VlanProtocol } from "../model/vf-attribute.ts";
import { choiceOf, driverName } from "./binding.ts";
import { traitsOf } from "./driver-traits.ts";
import { rangesOf } from "../model/vf-range.ts";

type OnOff = "on" | "off";

type VlanText = "none" | number | { id: number; qos?: number; protocol?: VlanProtocol };

/** Keys of a `virtualFunctions` entry, in the order in which they are written. */
type VfEntry = {
  vfs: string;
  driver?: string;
  mac?: string;
  vlan?: VlanText;
  rate?: { min?: number; max?: number };
  spoofCheck?: OnOff;
  trust?: OnOff;
  linkState?: LinkStatePolicy;
  rssQuery?: OnOff;
  nodeGuid?: string;
  portGuid?: string;
};

type PfEntry = {
  name: string;
  match: { permanentMac?: string; port?: string; address?: string };
  addressHint?: string;
  numVfs: number;
  mtu?: number;
};

type AdapterEntry = {
  name: string;
  match?: { serial: string };
  eswitchMode?: EswitchMode;
  physicalFunctions: PfEntry[];
};

/** Keys of an `assign` entry. */
type ConsumerEntry = { to: string; vf: string; user?: string } & Omit<VfEntry, "vfs">;

/** The text format as plain values, before YAML. */
type SpecDocument = {
  apiVersion: "sriovctl/v1";
  adapters: AdapterEntry[];
  virtualFunctions?: VfEntry[];
  assign?: ConsumerEntry[];
};

export type LabelledPf = { readonly label: string; readonly pf: Pf };

/** `plugs` is what consumers have by their leases: entries of `assign`. */
export function importSpec(
  { physicalFunctions }: Inventory,
  plugs: readonly Plug[] = [],
): SpecDocument {
  // A PF without the sriov files cannot be told anything.
  const pfs = physicalFunctions.filter(({ totalVfs }) => totalVfs !== null);
  const labelled = pfs.map((pf, index): LabelledPf => ({ label: `p${index}`, pf }));
  const byAdapter = [...Map.groupBy(labelled, ({ pf }) => pf.adapter).values()];
  const usedAddresses = new Set<string>();
  const given = labelled.flatMap((pf) => givenOf(pf, plugs));
  const consumers = given.map((one) => consumerEntry(one, usedAddresses));
  const isGiven = (pf: Pf, vf: Vf): boolean =>
    given.some((one) => one.of.pf === pf && one.vf === vf);
  const vfEntries = labelled.flatMap(({ label, pf }) => {
    const others = pf.virtualFunctions.filter((vf) => !isGiven(pf, vf));
    return entriesOf({ label, pf, vfs: others }, usedAddresses);
  });
  return {
    apiVersion: "sriovctl/v1",
    adapters: byAdapter.map((members, index) =>
      adapterEntry(`card${index}`, members, physicalFunctions),
    ),
    ...(vfEntries.length === 0 ? {} : { virtualFunctions: vfEntries }),
    ...(consumers.length === 0 ? {} : { assign: consumers }),
  };
}

const allEqual = <T>(values: readonly T[]): boolean => values.every((value) => value === values[0]);

const isWritableSerial = (serial: string): boolean => /^[!-~](?:[ -~]{0,126}[!-~])?$/.test(serial);

export function adapterEntry(
  name: string,
  members: readonly LabelledPf[],
  all: readonly Pf[],
): AdapterEntry {
  const [first] = members;
  const serial = first?.pf.serial ?? null;
  const mode = first?.pf.eswitchMode ?? null;
  const isCard =
    serial !== null && isWritableSerial(serial) && allEqual(members.map(({ pf }) => pf.serial));
  const hasMode = mode !== null && allEqual(members.map(({ pf }) => pf.eswitchMode));
  return {
    name,
    ...(isCard ? { match: { serial } } : {}),
    ...(hasMode ? { eswitchMode: mode } : {}),
    physicalFunctions: members.map((member) => pfEntry(member, isCard ? serial : null, all)),
  };
}

/** Strong keys that survive a changed bus number, if they name this PF alone. */
function matchOf(pf: Pf, serial: string | null, all: readonly Pf[]): PfEntry["match"] {
  const { permanentMac } = pf;
  const isMacAlone = all.filter((other) => other.permanentMac === permanentMac).length === 1;
  if (permanentMac !== null && isStationMac(permanentMac) && isMacAlone) return { permanentMac };
  const port = pf.address.slice(-1);
  const hasPort = (other: Pf): boolean =>
    other.address.endsWith(port) || other.netdevs.some(({ portName }) => portName === port);
  const fits = all.filter((other) => other.serial === serial && hasPort(other));
  return serial !== null && fits.length === 1 ? { port } : { address: pf.address };
}

/** Unicast and not all zero: what a spec may call a MAC. */
export const isStationMac = (mac: string): boolean =>
  /^[0-9a-f][02468ace](?::[0-9a-f]{2}){5}$/.test(mac) && mac !== zeroMac;

function pfEntry({ label, pf }: LabelledPf, serial: string | null, all: readonly Pf[]): PfEntry {
  const match = matchOf(pf, serial, all);
  const mtu = pf.netdevs[0]?.mtu ?? null;
  return {
    name: label,
    match,
    ...(match.address === undefined ? { addressHint: pf.address } : {}),
    numVfs: pf.numVfs,
    ...(mtu === null || mtu < 68 || mtu > 65_535 ? {} : { mtu }),
  };
}

type Given = { readonly of: LabelledPf; readonly vf: Vf; readonly plug: Plug };

/** VFs of a PF that consumers have. */
const givenOf = (of: LabelledPf, plugs: readonly Plug[]): Given[] =>
  of.pf.virtualFunctions.flatMap((vf): Given[] => {
    const plug = plugs.find((one) => one.pf === of.pf.address && one.vfIndex === vf.vfIndex);
    return plug === undefined ? [] : [{ of, vf, plug }];
  });

/** MAC and VLAN are the consumer's, as it was given them. */
function consumerEntry({ of, vf, plug }: Given, usedAddresses: Set<string>): ConsumerEntry {
  const { label, pf } = of;
  const { mac, vlan, consumer, user } = plug;
  const to = formatAssignTarget(consumer);
  const { mac: _, vlan: none, ...policy } = policyKeys(pf, vf, usedAddresses);
  const isAuto = mac !== null && mac === autoMacOfConsumer(to);
  return {
    to,
    vf: `${label}/${vf.vfIndex}`,
    ...driverKeys(choiceOf(vf)),
    ...(mac === null ? {} : { mac: isAuto ? "auto" : mac }),
    ...(vlan === null ? (none === "none" ? { vlan: none } : {}) : vlanKey(pf, vlan)),
    ...policy,
    ...(user === null ? {} : { user }),
  };
}

/** One entry for all VFs that are alike, in the order of the first of each. */
function entriesOf(
  { label, pf, vfs }: LabelledPf & { readonly vfs: readonly Vf[] },
  usedAddresses: Set<string>,
): VfEntry[] {
  const alike = new Map<string, { entry: Omit<VfEntry, "vfs">; vfIndexes: number[] }>();
  for (const vf of vfs) {
    const entry = { ...driverKeys(choiceOf(vf)), ...policyKeys(pf, vf, usedAddresses) };
    const key = JSON.stringify(entry);
    const known = alike.get(key);
    if (known === undefined) alike.set(key, { entry, vfIndexes: [vf.vfIndex] });
    else known.vfIndexes.push(vf.vfIndex);
  }
  // Also where nothing can be said of them: a VF that no entry claims would lose its driver.
  return [...alike.values()].map(({ entry, vfIndexes }) => ({
    vfs: `${label}/${rangesOf(vfIndexes)}`,
    ...entry,
  }));
}

/** Words of the spec that would be read as something else than a driver's name. */
const notDrivers = new Set(["default", "auto", "on", "off", "yes", "no", "all"]);

function driverKeys(choice: DriverChoice): Pick<VfEntry, "driver"> {
  const driver = driverName(choice);
  const isWritable = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(driver) && !notDrivers.has(driver);
  return isWritable ? { driver } : {};
}

const onOff = (isOn: boolean): OnOff => (isOn ? "on" : "off");

function policyKeys(pf: Pf, vf: Vf, usedAddresses: Set<string>): Omit<VfEntry, "vfs" | "driver"> {
  const { policy } = vf;
  const { unsupported, ignoresLinkEnable } = traitsOf(pf.driver);
  // Legacy attributes mean nothing in switchdev mode and nothing to other classes than networks.
  if (policy === null || pf.eswitchMode === "switchdev" || !isNetwork(pf)) return {};
  const { spoofCheck, trust, linkState, rssQuery, nodeGuid, portGuid } = policy;
  // As a MAC, a GUID is one VF's; on a second one it stays what it is.
  const isFree = (name: "nodeGuid" | "portGuid", guid: string | null): guid is string => {
    const key = `${pf.adapter} ${name} ${guid}`;
    if (!isGuid(guid) || unsupported.has(name) || usedAddresses.has(key)) return false;
    usedAddresses.add(key);
    return true;
  };
  const isLinkFresh = linkState === "auto" || (linkState === "enable" && ignoresLinkEnable);
  const has = (name: "spoofCheck" | "trust" | "linkState" | "rssQuery"): boolean =>
    policy[name] !== null && !unsupported.has(name);
  return {
    ...macKey(pf, vf, usedAddresses),
    ...vlanKey(pf, policy.vlan),
    ...rateKey(pf, vf),
    ...(has("spoofCheck") ? { spoofCheck: onOff(spoofCheck === true) } : {}),
    ...(has("trust") ? { trust: onOff(trust === true) } : {}),
    ...(has("linkState") && linkState !== null && !isLinkFresh ? { linkState } : {}),
    ...(has("rssQuery") && rssQuery === true ? { rssQuery: "on" as const } : {}),
    ...(isFree("nodeGuid", nodeGuid) ? { nodeGuid } : {}),
    ...(isFree("portGuid", portGuid) ? { portGuid } : {}),
  };
}

const isGuid = (guid: string | null): guid is string =>
  guid !== null && /^[0-9a-f]{2}(?::[0-9a-f]{2}){7}$/.test(guid) && !/^[0:]+$/.test(guid);

function macKey(pf: Pf, { vfIndex, policy }: Vf, usedAddresses: Set<string>): Pick<VfEntry, "mac"> {
  const mac = policy?.mac ?? null;
  if (mac === null || !isStationMac(mac)) return {};
  // A spec may not give one MAC to two VFs of a card; the second one stays what it is.
  const key = `${pf.adapter} ${mac}`;
  if (usedAddresses.has(key)) return {};
  usedAddresses.add(key);
  const { permanentMac } = pf;
  const isAuto = permanentMac !== null && mac === autoMacOfVf(permanentMac, vfIndex);
  return { mac: isAuto ? "auto" : mac };
}

function vlanKey(pf: Pf, vlan: Vlan | null): Pick<VfEntry, "vlan"> {
  if (vlan === null || vlan.id > 4094) return {};
  const { id, qos, protocol } = vlan;
  if (id === 0 && qos === 0) return { vlan: "none" };
  const isPlain = qos === 0 && protocol === "802.1q";
  if (isPlain) return { vlan: id };
  if (protocol === "802.1ad" && !traitsOf(pf.driver).has8021ad) return {};
  return { vlan: { id, ...(qos === 0 ? {} : { qos }), protocol } };
}

/** Only rates that the planner would take: they are below the link's and the driver has them. */
function rateKey(pf: Pf, { policy }: Vf): Pick<VfEntry, "rate"> {
  const min = policy?.txRateMinMbps ?? 0;
  const max = policy?.txRateMaxMbps ?? 0;
  const { unsupported, hasMinRate, rateNeedsLink, roundRateMbps } = traitsOf(pf.driver);
  const [netdev] = pf.netdevs;
  const speed = netdev?.linkSpeedMbps ?? 0;
  const isRefused =
    unsupported.has("rate") ||
    (min > 0 && !hasMinRate) ||
    (max > 0 && min > max) ||
    (max > 0 && speed > 0 && max > speed) ||
    (max > 0 && rateNeedsLink && netdev?.isUp === false) ||
    roundRateMbps(min) !== min ||
    roundRateMbps(max) !== max;
  if (isRefused || (min === 0 && max === 0)) return {};
  return { rate: { ...(min === 0 ? {} : { min }), ...(max === 0 ? {} : { max }) } };
}
