// One PF's switch as its decisions need it: ports with their filters, from an inventory and, where
// they were read, host facts. Null is "the host does not say"; what a driver makes of a setting
// is resolved here once (an `enable` that does nothing is `auto`), so that deciding stays simple.

import type { Address } from "../model/bdf.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { EswitchMode, Netdev, Owner, Pf, Vf } from "../model/inventory.ts";
import { zeroMac } from "../model/mac.ts";
import type { Vlan } from "../model/vf-attribute.ts";
import { switchTraitsOf, type SwitchTraits } from "./driver-switch.ts";

/** How sure something is. `if`: it depends on what a guest does and the host cannot see. */
export type Certainty = "no" | "unknown" | "if" | "yes";

/** A certainty with the reason for it. */
export type Ground = { readonly certainty: Certainty; readonly why: string };

export type VfPort = {
  readonly vfIndex: number;
  readonly address: Address;
  /** The address in the card's filter; null: none that the host knows. */
  readonly mac: string | null;
  /** The host set or saw no address, but whoever has the VF may have given it one. */
  readonly mayHaveMac: boolean;
  /** An administrator gave it its MAC, or the driver reports the VF's own as such. */
  readonly hasReportedMac: boolean;
  /** The address that it sends with: its interface's where the host sees that. */
  readonly sendMac: string | null;
  /** null: not known. id 0 with qos 0: no port VLAN, the guest tags. */
  readonly vlan: Vlan | null;
  readonly spoofCheck: boolean | null;
  readonly trust: boolean | null;
  /** Whether it can send and receive at all. */
  readonly link: Ground;
  readonly owners: readonly Owner[];
  readonly driver: string | null;
  readonly netdev: string | null;
};

/** A MAC that the bridge above the PF has learnt behind another of its ports. */
export type BridgeGuest = { readonly mac: string; readonly port: string };

type PfPort = {
  readonly mac: string | null;
  /** Further unicast addresses in the PF's filter; null: not known. */
  readonly filter: readonly string[] | null;
  /** Room for such addresses; null: not known. */
  readonly filterCapacity: number | null;
  /** The bridge that the PF is a port of; null: none. */
  readonly bridge: string | null;
  /** null: not known. */
  readonly guests: readonly BridgeGuest[] | null;
  readonly link: Ground;
};

export type SwitchState = {
  readonly pf: Address;
  /** Its interface, or the address where it has none. */
  readonly name: string;
  readonly mode: EswitchMode;
  readonly traits: SwitchTraits;
  /** Frames between local ports turn round in the card (VEB); false: they go to the wire (VEPA). */
  readonly isVeb: { readonly value: boolean | null; readonly why: string };
  readonly pfPort: PfPort;
  readonly vfs: readonly VfPort[];
  readonly uplink: Ground;
  /** Of the PF's interface. */
  readonly mtu: number | null;
};

const ground = (certainty: Certainty, why: string): Ground => ({ certainty, why });

/** A representor of a VF hangs below the PF too; the PF's own interface is no such. */
const ownNetdev = ({ netdevs }: Pf): Netdev | null =>
  netdevs.find(({ portName }) => !/^(?:c\d+)?pf\d+/.test(portName ?? "")) ?? null;

const lower = (mac: string | null | undefined): string | null => mac?.toLowerCase() ?? null;

function uplinkOf(netdev: Netdev | null): Ground {
  if (netdev === null) return ground("unknown", "the PF has no interface that would tell its link");
  const { name, hasLink, isUp } = netdev;
  // A carrier is not reported while the interface is down.
  if (isUp === false) return ground("no", `${name} is down`);
  if (hasLink === null) return ground("unknown", `whether ${name} has a link is not known`);
  return hasLink ? ground("yes", `${name} has a link`) : ground("no", `${name} has no link`);
}

function pfLinkOf(netdev: Netdev | null): Ground {
  if (netdev === null) return ground("unknown", "the PF has no interface here");
  if (netdev.isUp === null) return ground("unknown", `whether ${netdev.name} is up is not known`);
  return netdev.isUp
    ? ground("yes", `${netdev.name} is up`)
    : ground("no", `${netdev.name} is down`);
}

type PfSide = {
  readonly netdev: Netdev | null;
  readonly uplink: Ground;
  readonly traits: SwitchTraits;
};

function vfLinkOf(vf: Vf, { netdev, uplink, traits }: PfSide): Ground {
  const own = vf.netdevs[0];
  if (own?.isUp === false) return ground("no", `its interface ${own.name} is down`);
  const state = vf.policy?.linkState ?? null;
  if (state === "disable") return ground("no", "its link state is disable");
  if (netdev?.isUp === false) {
    const needs = traits.vfNeedsPfUp.value;
    if (needs === true)
      return ground("no", `${netdev.name} is down, and ${traits.driver} VFs need it up`);
    if (needs === null) {
      const why = `${netdev.name} is down: what ${traits.driver} VFs do then is not known`;
      return ground("unknown", why);
    }
  }
  if (state === "enable" && traits.canForceLink.value === true) {
    return ground("yes", "its link state is enable");
  }
  if (state === "enable" && traits.canForceLink.value === null && uplink.certainty !== "yes") {
    return ground("unknown", `what enable does without a link is not known for ${traits.driver}`);
  }
  return { ...uplink, why: `its link follows the PF's: ${uplink.why}` };
}

function vfPortOf(vf: Vf, side: PfSide): VfPort {
  const { policy, owners, driver, netdevs } = vf;
  const [netdev] = netdevs;
  const reported = lower(policy?.mac);
  const isReported = reported !== null && reported !== zeroMac;
  const ownMac = lower(netdev?.mac);
  const mac = isReported ? reported : ownMac;
  return {
    vfIndex: vf.vfIndex,
    address: vf.address,
    mac,
    // Without a driver and without a user there is nobody who would have set one.
    mayHaveMac: mac === null && (driver !== null || owners.length > 0),
    hasReportedMac: isReported,
    sendMac: ownMac ?? mac,
    vlan: policy?.vlan ?? null,
    spoofCheck: policy?.spoofCheck ?? null,
    trust: policy?.trust ?? null,
    link: vfLinkOf(vf, side),
    owners,
    driver,
    netdev: netdev?.name ?? null,
  };
}

const isUnicast = (mac: string): boolean => (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0;

function pfPortOf(pf: Pf, { netdev, traits }: PfSide, facts: HostFacts | null): PfPort {
  const nic = facts?.nics.find((candidate) => candidate.pf === pf.address) ?? null;
  const mac = lower(netdev?.mac ?? pf.permanentMac);
  const filter = nic?.selfFdb?.map((entry) => entry.toLowerCase()) ?? null;
  const bridge = pf.owners.find(({ kind, name }) => kind === "upper" && isBridgeOf(nic, name));
  const { deviceId, numVfs } = pf;
  return {
    mac,
    filter: filter?.filter((entry) => isUnicast(entry) && entry !== mac) ?? null,
    filterCapacity: traits.filterCapacity.value?.({ deviceId, numVfs }) ?? null,
    bridge: nic?.bridge?.name ?? bridge?.name ?? null,
    guests: nic?.bridge?.guests ?? null,
    link: pfLinkOf(netdev),
  };
}

type Nic = HostFacts["nics"][number];

/** An upper may be a bond or a VLAN as well; where the bridge was not read its name has to tell. */
const isBridgeOf = (nic: Nic | null, upper: string): boolean =>
  nic?.bridge === undefined ? /br/i.test(upper) : nic.bridge?.name === upper;

function vebOf(traits: SwitchTraits, nic: Nic | null): SwitchState["isVeb"] {
  const read = nic?.switchMode ?? null;
  if (read !== null) {
    return { value: read === "veb", why: `${nic?.netdev} reports ${read.toUpperCase()}` };
  }
  const { value, reference } = traits.isVebByDefault;
  return value === null
    ? { value: null, why: `what ${traits.driver} does by default is not known` }
    : { value, why: `default of ${traits.driver} (${reference}); the host was not asked` };
}

/** Returns null for a PF that is no network function. */
export function switchStateOf(pf: Pf, facts: HostFacts | null): SwitchState | null {
  if (pf.classCode >> 16 !== 0x02) return null;
  const netdev = ownNetdev(pf);
  const traits = switchTraitsOf(pf.driver, pf.deviceId);
  const side: PfSide = { netdev, uplink: uplinkOf(netdev), traits };
  return {
    pf: pf.address,
    name: netdev?.name ?? pf.address,
    mode: pf.eswitchMode ?? "legacy",
    traits,
    isVeb: vebOf(traits, facts?.nics.find((nic) => nic.pf === pf.address) ?? null),
    pfPort: pfPortOf(pf, side, facts),
    vfs: pf.virtualFunctions.map((vf) => vfPortOf(vf, side)),
    uplink: side.uplink,
    mtu: netdev?.mtu ?? null,
  };
}
