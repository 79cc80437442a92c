// The lookup of the switch: who has the destination, in which VLAN, and where it goes when nobody
// has it. Returns every port that was considered, also those that do not get the frame, each with
// its reason: that is what a person who misses a frame has to read.

import { classOf, isSamePort, type Port, type Tag } from "./frame.ts";
import type { DriverFact } from "./driver-switch.ts";
import type { Certainty, Ground, SwitchState, VfPort } from "./switch-state.ts";

export type Taker = Ground & { readonly port: Port; readonly reference?: string };

type Passage = {
  readonly destination: string;
  readonly from: Port;
  /** Inside the switch, outermost first. */
  readonly tags: readonly Tag[];
};

type LookupStep = {
  readonly name: "lookup";
  readonly looked: string;
  readonly found: string;
  readonly certainty: Certainty;
  readonly reference?: string;
};

/** `takers` null: what the switch does cannot be told. */
type Lookup = { readonly step: LookupStep; readonly takers: readonly Taker[] | null };

const least = (...certainties: readonly Certainty[]): Certainty =>
  (["no", "unknown", "if"] as const).find((wanted) => certainties.includes(wanted)) ?? "yes";

const vlanText = (id: number): string => (id === 0 ? "no VLAN" : `VLAN ${id}`);

const vlanOf = ({ tags }: Passage): number => tags[0]?.id ?? 0;

const keyText = (passage: Passage): string => {
  const id = vlanOf(passage);
  return `${passage.destination}${id === 0 ? ", untagged" : ` in VLAN ${id}`}`;
};

/** Whether a VF's filter lets a frame of this VLAN in. */
function vlanGround({ vlan }: VfPort, id: number): Ground {
  if (vlan === null) return { certainty: "unknown", why: "its VLAN is not known" };
  if (vlan.id !== 0 || vlan.qos !== 0) {
    const certainty = vlan.id === id ? "yes" : "no";
    return { certainty, why: `it is in ${vlanText(vlan.id)}, the frame in ${vlanText(id)}` };
  }
  if (id === 0) return { certainty: "yes", why: "it has no port VLAN, the frame no tag" };
  return { certainty: "if", why: `if its guest has an interface in VLAN ${id}` };
}

function vfTaker(vf: VfPort, id: number): Taker {
  const port: Port = { kind: "vf", vfIndex: vf.vfIndex };
  const vlan = vlanGround(vf, id);
  if (vlan.certainty === "no") return { port, ...vlan };
  const { certainty, why } = vf.link;
  if (certainty === "yes") return { port, ...vlan };
  const both = certainty === "no" || vlan.certainty === "yes" ? why : `${why}; ${vlan.why}`;
  return { port, certainty: least(certainty, vlan.certainty), why: both };
}

function pfTaker({ pfPort }: SwitchState, id: number, what: string): Taker {
  const port: Port = { kind: "pf" };
  const { certainty, why } = pfPort.link;
  if (certainty !== "yes") {
    return { port, certainty: least(certainty, id === 0 ? "yes" : "if"), why };
  }
  if (id === 0) return { port, certainty: "yes", why: what };
  const tagged = pfPort.bridge === null ? "if the host has" : "if the bridge or the host has";
  return { port, certainty: "if", why: `${what}, ${tagged} VLAN ${id} there` };
}

const uplinkTaker = (
  { uplink }: SwitchState,
  why: string,
  certainty: Certainty = "yes",
): Taker => ({
  port: { kind: "uplink" },
  certainty: least(uplink.certainty, certainty),
  why: uplink.certainty === "yes" ? why : `${why}; ${uplink.why}`,
});

function mayTakeAll({ traits }: SwitchState, { trust }: VfPort): string {
  const { value } = traits.allMulticast;
  const isAllowed = value === "any VF" || (value === "trusted VFs" && trust === true);
  return isAllowed ? " or takes all multicast" : "";
}

function flood(state: SwitchState, passage: Passage): Lookup {
  const id = vlanOf(passage);
  const isBroadcast = classOf(passage.destination) === "broadcast";
  const vfs = state.vfs.map((vf): Taker => {
    const taker = vfTaker(vf, id);
    if (isBroadcast || taker.certainty === "no") return taker;
    const joined = `if its guest has joined the group${mayTakeAll(state, vf)}`;
    const why = taker.certainty === "if" ? `${taker.why}, and ${joined}` : joined;
    return { ...taker, certainty: least(taker.certainty, "if"), why };
  });
  const pf = pfTaker(state, id, isBroadcast ? "everybody gets a broadcast" : "group address");
  const needsGroup = !isBroadcast && state.pfPort.bridge === null;
  const host: Taker =
    needsGroup && pf.certainty !== "no"
      ? { ...pf, certainty: least(pf.certainty, "if"), why: "if the host has joined the group" }
      : pf;
  const wire = uplinkTaker(state, "group addresses go to the network too");
  const members = id === 0 ? "that take untagged frames" : `in VLAN ${id}`;
  const found = `group address: all ports ${members}, but the sender's`;
  const looked = keyText(passage);
  return {
    step: { name: "lookup", looked, found, certainty: "yes" },
    takers: [...vfs, host, wire],
  };
}

type Matches = { readonly vfs: readonly VfPort[]; readonly pf: string | null };

function matchesOf(state: SwitchState, { destination }: Passage): Matches {
  const { pfPort } = state;
  const pf =
    pfPort.mac === destination
      ? "it is the PF's own address"
      : pfPort.filter?.includes(destination) === true
        ? "it is in the PF's filter"
        : null;
  return { vfs: state.vfs.filter(({ mac }) => mac === destination), pf };
}

const isLocalSource = ({ from }: Passage): boolean => from.kind !== "uplink";

/** Whether a VF takes what is for nobody that is known: as its own, or because it is promiscuous,
 * which takes trust and a guest that asks for it. */
function strangerGround(
  { value }: DriverFact<boolean>,
  { trust, mayHaveMac }: VfPort,
  driver: string,
): Ground {
  if (mayHaveMac) return { certainty: "unknown", why: "its MAC is not known" };
  if (trust === false || value === false) return { certainty: "no", why: "it is not promiscuous" };
  if (trust === null) {
    const why = "whether it is trusted, and so may be promiscuous, is not known";
    return { certainty: "unknown", why };
  }
  if (value === null) {
    const why = `whether a promiscuous VF of ${driver} sees it is not known, and this one is trusted`;
    return { certainty: "unknown", why };
  }
  return { certainty: "if", why: "if its guest is promiscuous, which its trust allows" };
}

function vfsForStrangers(
  { traits, vfs }: SwitchState,
  passage: Passage,
  fact: DriverFact<boolean>,
): Taker[] {
  return vfs.flatMap((vf) => {
    const { certainty, why } = strangerGround(fact, vf, traits.driver);
    const taker = vfTaker(vf, vlanOf(passage));
    if (certainty === "no" || taker.certainty === "no") return [];
    const both = taker.certainty === "yes" ? why : `${taker.why}, and ${why}`;
    const sure = { certainty: least(taker.certainty, certainty), why: both };
    return [{ ...taker, ...sure, ...(vf.mayHaveMac ? {} : { reference: fact.reference }) }];
  });
}

/** Nobody here has the address. */
function miss(state: SwitchState, passage: Passage): Lookup {
  const { pfPort, traits } = state;
  const looked = keyText(passage);
  const hidden = state.vfs.filter(
    ({ mayHaveMac, vfIndex }) => mayHaveMac && !isSamePort({ kind: "vf", vfIndex }, passage.from),
  );
  const isFilterOpen = pfPort.filter === null;
  // Without a bridge hardly anything puts addresses there.
  const doubtful = pfPort.bridge === null ? "if" : "unknown";
  const certainty = isFilterOpen ? doubtful : hidden.length > 0 ? "if" : "yes";
  const doubt = isFilterOpen
    ? "; unless it is in the PF's filter, which was not read"
    : hidden.length > 0
      ? `; unless it is the MAC of VF ${hidden.map(({ vfIndex }) => vfIndex).join(", ")}, not known`
      : "";
  const found = `no port has this address${doubt}`;
  const fact = isLocalSource(passage) ? traits.trustedVfSeesOthers : traits.trustedVfSeesWire;
  const vfs = vfsForStrangers(state, passage, fact);
  const step: LookupStep = { name: "lookup", looked, found, certainty: "yes" };
  if (!isLocalSource(passage)) {
    if (pfPort.bridge === null) return { step, takers: vfs };
    const why = `the bridge ${pfPort.bridge} makes the PF promiscuous`;
    return { step, takers: [...vfs, pfTaker(state, vlanOf(passage), why)] };
  }
  const wire = uplinkTaker(state, "no port has this address: it goes to the network", certainty);
  if (pfPort.bridge === null || passage.from.kind === "pf") {
    return { step, takers: [...vfs, wire] };
  }
  const { value, reference } = traits.promiscuousPfSeesVfs;
  const copy = pfTaker(state, vlanOf(passage), "the PF is promiscuous and sees it");
  if (value === true) return { step: { ...step, reference }, takers: [...vfs, copy, wire] };
  if (value === false) return { step: { ...step, reference }, takers: [...vfs, wire] };
  const why = `whether a promiscuous PF of ${traits.driver} sees it is not known`;
  const open: Taker = { ...copy, certainty: least(copy.certainty, "unknown"), why };
  return { step, takers: [...vfs, open, wire] };
}

/** The address is here, and nobody may have it in this VLAN. */
function inOtherVlan(state: SwitchState, passage: Passage): readonly Taker[] {
  if (!isLocalSource(passage)) return [];
  const { value } = state.traits.macInOtherVlan;
  if (value === "lost") return [];
  const why = `the address is here, in another VLAN than ${vlanText(vlanOf(passage))}`;
  if (value === "to-uplink") return [uplinkTaker(state, `${why}: it goes to the network`)];
  const open = `${why}: whether ${state.traits.driver} sends it to the network is not known`;
  return [uplinkTaker(state, open, "unknown")];
}

function lookUpUnicast(state: SwitchState, passage: Passage): Lookup {
  const { vfs, pf } = matchesOf(state, passage);
  const id = vlanOf(passage);
  if (vfs.length === 0 && pf === null) return miss(state, passage);
  const names = [...vfs.map(({ vfIndex }) => `VF ${vfIndex}`), ...(pf === null ? [] : ["PF"])];
  const looked = keyText(passage);
  const isTwice = vfs.length > 0 && pf !== null;
  const { value: twice, reference } = state.traits.claimedTwice;
  const step: LookupStep = {
    name: "lookup",
    looked,
    found: `the address is that of ${names.join(", ")}${isTwice ? ": claimed twice" : ""}`,
    certainty: isTwice && twice === null ? "unknown" : "yes",
    ...(isTwice ? { reference } : {}),
  };
  const winners = isTwice && twice === "pf" ? [] : vfs;
  const takers: Taker[] = winners.map((vf) => vfTaker(vf, id));
  if (pf !== null) takers.push(pfTaker(state, id, pf));
  // A link that is down keeps the frame as well, but it is not about VLANs.
  const isElsewhere = pf === null && vfs.every((vf) => vlanGround(vf, id).certainty === "no");
  const onward = isElsewhere ? inOtherVlan(state, passage) : [];
  return { step, takers: [...takers, ...onward] };
}

/** Every port that was considered. The sender's own may be among them. */
export function lookUp(state: SwitchState, passage: Passage): Lookup {
  const { isVeb } = state;
  if (isLocalSource(passage) && isVeb.value !== true) {
    const looked = "whether frames turn round in the card";
    if (isVeb.value === null) {
      const step: LookupStep = { name: "lookup", looked, found: isVeb.why, certainty: "unknown" };
      return { step, takers: null };
    }
    const found = `VEPA: everything goes to the network, which has to send it back (${isVeb.why})`;
    const step: LookupStep = { name: "lookup", looked, found, certainty: "yes" };
    return { step, takers: [uplinkTaker(state, "VEPA: all frames leave the card")] };
  }
  return classOf(passage.destination) === "unicast"
    ? lookUpUnicast(state, passage)
    : flood(state, passage);
}
