// A decision in words: who gets the frame and what must be seen there, why nobody does, and what to
// do about it. Parties are named as a person knows them: the VM behind a VF, the guest behind the
// bridge, the wire.

import type { Owner } from "../model/inventory.ts";
import { vfAtPort, type Decision, type Delivery, type Fate } from "./decide.ts";
import { classOf, type Frame, type Port, type Tag } from "./frame.ts";
import { remediesOf, type Remedy } from "./remedies.ts";
import type { BridgeGuest, Certainty, SwitchState } from "./switch-state.ts";
import { hexType, tagText } from "./vf-checks.ts";

type OutcomeLine = {
  readonly port: Port;
  /** `delivered to VF 5 of VM web1` */
  readonly text: string;
  readonly certainty: Certainty;
  readonly why: string;
  /** What the receiver must see, and where to look; null: nobody is there to look. */
  readonly mustSee: string | null;
};

export type Outcome = {
  readonly fate: Fate;
  /** One sentence. */
  readonly summary: string;
  readonly lines: readonly OutcomeLine[];
  readonly remedies: readonly Remedy[];
};

const ownerNames: Readonly<Partial<Record<Owner["kind"], string>>> = {
  vm: "VM",
  process: "process",
  netns: "network namespace",
};

/** `VM web1`; null when nobody is known to have it. */
export function tenantOf(owners: readonly Owner[]): string | null {
  const owner = owners.find(({ kind }) => ownerNames[kind] !== undefined) ?? owners[0];
  if (owner === undefined) return null;
  return `${ownerNames[owner.kind] ?? owner.kind} ${owner.name}`;
}

export function vfName(state: SwitchState, vfIndex: number): string {
  const vf = vfAtPort(state, vfIndex);
  const tenant = vf === null ? null : tenantOf(vf.owners);
  if (tenant !== null) return `VF ${vfIndex} of ${tenant}`;
  const netdev = vf?.netdev ?? null;
  return netdev === null ? `VF ${vfIndex}` : `VF ${vfIndex} (${netdev})`;
}

/** The guest of the PF's bridge that has this MAC; null: none that is known. */
const bridgeGuestOf = ({ pfPort }: SwitchState, mac: string | null): BridgeGuest | null =>
  pfPort.guests?.find((guest) => guest.mac === mac) ?? null;

function pfText(state: SwitchState, destination: string): string {
  const { bridge, mac } = state.pfPort;
  const guest = bridgeGuestOf(state, destination);
  if (guest !== null && bridge !== null) {
    return `the PF and ${bridge}, to its guest behind ${guest.port}`;
  }
  if (destination === mac || bridge === null) return `the host (${state.name})`;
  return classOf(destination) === "unicast"
    ? `the PF and ${bridge}`
    : `the host (${state.name}) and all guests of ${bridge}`;
}

const tagsText = (tags: readonly Tag[]): string =>
  tags.length === 0 ? "untagged" : `tagged ${tags.map((tag) => tagText(tag)).join(" with ")}`;

const verbs: Readonly<Record<Certainty, string>> = {
  yes: "delivered to",
  if: "perhaps delivered to",
  unknown: "perhaps to",
  no: "not to",
};

function frameText({ source, destination, etherType, sizeBytes }: Frame): string {
  const from = source === null ? "" : ` from ${source}`;
  return `${from} to ${destination}, EtherType ${hexType(etherType)}, ${sizeBytes} bytes`;
}

function mustSee(state: SwitchState, { port, tags }: Delivery, frame: Frame): string | null {
  const seen = `${tagsText(tags)}${frameText(frame)}`;
  if (port.kind === "pf") return `on ${state.name}: ${seen}`;
  if (port.kind === "uplink") return `on the switch port of ${state.name}: ${seen}`;
  const vf = vfAtPort(state, port.vfIndex);
  if (vf === null) return null;
  if (vf.netdev !== null) return `on ${vf.netdev}: ${seen}`;
  const tenant = tenantOf(vf.owners);
  return tenant === null ? null : `in ${tenant}: ${seen}`;
}

function lineOf(state: SwitchState, delivery: Delivery, frame: Frame): OutcomeLine {
  const { port, certainty, why, tags } = delivery;
  const handed = tagsText(tags);
  const taker = port.kind === "vf" ? vfName(state, port.vfIndex) : pfText(state, frame.destination);
  const text =
    port.kind !== "uplink"
      ? `${verbs[certainty]} ${taker}, ${handed}`
      : `${certainty === "yes" ? "" : "perhaps "}to the wire, ${handed}`;
  return { port, certainty, why, text, mustSee: mustSee(state, delivery, frame) };
}

/** A unicast frame for a guest of the bridge that left through the wire instead. */
const isLostToBridge = (
  state: SwitchState,
  frame: Frame,
  { deliveries }: Pick<Decision, "deliveries">,
): boolean =>
  bridgeGuestOf(state, frame.destination) !== null &&
  deliveries.length > 0 &&
  deliveries.every(({ port }) => port.kind === "uplink");

const fateTexts: Readonly<Record<Exclude<Fate, "forwarded" | "lost" | "undecided">, string>> = {
  "no-link": "nothing is sent: the sender has no link",
  "spoofed-mac": "dropped by the spoof check: the source MAC is not the VF's",
  "refused-type": "dropped: VFs may not send this EtherType",
  "refused-tag": "dropped: a VF with a port VLAN may not tag by itself",
};

/** The one that was considered says why; otherwise the lookup does. */
function lostText({ stages }: Decision): string {
  const considered = stages.filter(({ name }) => name === "delivery");
  const [only, another] = considered;
  if (only !== undefined && another === undefined) {
    return `lost: ${only.looked} does not take it: ${only.found}`;
  }
  const lookup = stages.find(({ name }) => name === "lookup");
  return `lost: nobody takes it: ${lookup?.found ?? "no port was found"}`;
}

function summaryOf(state: SwitchState, frame: Frame, decision: Decision): string {
  const { fate, deliveries, stages } = decision;
  if (isLostToBridge(state, frame, decision)) {
    const guest = bridgeGuestOf(state, frame.destination);
    return (
      `lost: ${frame.destination} is behind ${state.pfPort.bridge} (${guest?.port}), but not in the ` +
      `filter of ${state.name}: the card sends it to the wire`
    );
  }
  if (fate === "undecided") return cannotTell(stages);
  if (fate === "lost") return lostText(decision);
  if (fate !== "forwarded") return fateTexts[fate];
  const text = takersText(state, frame, deliveries);
  // Not even "if": a fact is missing, and whoever reads this must not take it for an answer.
  const isOpen = deliveries.every(({ certainty }) => certainty === "unknown");
  return isOpen ? `${cannotTell(stages)}; ${text}` : text;
}

function cannotTell(stages: Decision["stages"]): string {
  const open = stages.find(({ certainty }) => certainty === "unknown");
  return `cannot tell, because ${open?.found ?? "nothing is known"}`;
}

function takersText(state: SwitchState, frame: Frame, deliveries: readonly Delivery[]): string {
  const [only, ...others] = deliveries;
  if (only !== undefined && others.length === 0) return lineOf(state, only, frame).text;
  const sure = deliveries.filter(({ certainty }) => certainty === "yes").length;
  const rest = deliveries.length - sure;
  const ports = (count: number): string => `${count} port${count === 1 ? "" : "s"}`;
  if (rest === 0) return `to ${ports(sure)}`;
  return sure === 0
    ? `perhaps to ${ports(rest)}`
    : `to ${ports(sure)}, and perhaps to ${ports(rest)}`;
}

export function outcomeOf(
  state: SwitchState,
  sent: { readonly frame: Frame; readonly from: Port },
  decision: Decision,
): Outcome {
  const { frame } = sent;
  return {
    fate: decision.fate,
    summary: summaryOf(state, frame, decision),
    lines: decision.deliveries.map((delivery) => lineOf(state, delivery, frame)),
    remedies: remediesOf(state, sent, decision),
  };
}
