// What the switch of a card does with one frame, step by step and with its reasons: the slow,
// obviously right form, which `compiled-switch.ts` must agree with. A step that cannot be answered
// lowers the certainty of everything after it instead of guessing.

import { classOf, isSamePort, type Frame, type FrameClass, type Port, type Tag } from "./frame.ts";
import { lookUp, type Taker } from "./look-up.ts";
import {
  type Stage,
  type Step,
  checkMac,
  checkOwnTag,
  hexType,
  isPortVlan,
  tagText,
} from "./vf-checks.ts";
import type { Certainty, Ground, SwitchState, VfPort } from "./switch-state.ts";

export type Delivery = {
  readonly port: Port;
  readonly certainty: Certainty;
  readonly why: string;
  /** As it is handed over: outermost first, after what the card takes off. */
  readonly tags: readonly Tag[];
};

export type Fate =
  | "forwarded"
  | "no-link"
  | "spoofed-mac"
  | "refused-type"
  | "refused-tag"
  /** Nobody takes it. */
  | "lost"
  /** What the switch does cannot be told. */
  | "undecided";

export type Decision = {
  readonly fate: Fate;
  readonly frameClass: FrameClass;
  readonly stages: readonly Stage[];
  /** Tags inside the switch, outermost first. */
  readonly tags: readonly Tag[];
  /** In the order VFs, PF, uplink; those whose certainty is `no` are left out. */
  readonly deliveries: readonly Delivery[];
};

const order: readonly Certainty[] = ["no", "unknown", "if", "yes"];

const lesser = (one: Certainty, other: Certainty): Certainty =>
  order.indexOf(one) < order.indexOf(other) ? one : other;

/** What the steps so far have made of the frame. */
type Progress = {
  readonly stages: Stage[];
  certainty: Certainty;
  tags: readonly Tag[];
};

/** Notes a step; false when the frame ends there. */
function note(progress: Progress, step: Step): boolean {
  progress.stages.push({ ...step, reference: step.reference ?? null });
  progress.certainty = lesser(progress.certainty, step.certainty);
  return step.certainty !== "no";
}

export const vfAtPort = (state: SwitchState, vfIndex: number): VfPort | null =>
  state.vfs.find((vf) => vf.vfIndex === vfIndex) ?? null;

function linkOf(state: SwitchState, port: Port): Ground {
  if (port.kind === "pf") return state.pfPort.link;
  if (port.kind === "uplink") return state.uplink;
  const vf = vfAtPort(state, port.vfIndex);
  return vf === null ? { certainty: "no", why: "there is no such VF" } : vf.link;
}

/** Tags at the edge of a VF; false when the frame ends there. */
function enterVlan(progress: Progress, state: SwitchState, vf: VfPort): boolean {
  const { vlan } = vf;
  const [own] = progress.tags;
  if (vlan === null) {
    const found = "the VF's VLAN is not known: the driver reports none";
    return note(progress, { name: "tag", looked: "VLAN of the VF", found, certainty: "unknown" });
  }
  if (!isPortVlan(vlan)) {
    if (own !== undefined) return note(progress, checkOwnTag(state, vf, own));
    const found = "none: the frame stays untagged";
    return note(progress, { name: "tag", looked: "port VLAN of the VF", found, certainty: "yes" });
  }
  if (own !== undefined) {
    const { value, reference } = state.traits.tagUnderPortVlan;
    const looked = `tag ${tagText(own)} from the guest, port VLAN ${tagText(vlan)}`;
    const found = {
      "dropped": "a VF with a port VLAN may not tag by itself: dropped",
      "kept-inside": "the port VLAN goes in front, the guest's tag stays inside",
      "unknown": `what ${state.traits.driver} does with a tagged frame here is not known`,
    }[value ?? "unknown"];
    const certainty = value === null ? "unknown" : value === "dropped" ? "no" : "yes";
    if (!note(progress, { name: "vlan-check", looked, found, certainty, reference })) return false;
  }
  progress.tags = [vlan, ...progress.tags];
  const looked = `port VLAN of the VF: ${tagText(vlan)}`;
  const found = `tag ${tagText(vlan)} is put on`;
  return note(progress, { name: "tag", looked, found, certainty: "yes" });
}

function refusesType({ traits }: SwitchState, vf: VfPort, { etherType }: Frame): boolean {
  // On X550 the filter is part of the spoof check.
  if (traits.driver === "ixgbe" && vf.spoofCheck !== true) return false;
  return traits.refusedEthertypes.value?.includes(etherType) ?? false;
}

function classify(
  progress: Progress,
  state: SwitchState,
  frame: Frame,
  vf: VfPort | null,
): boolean {
  const looked = `destination ${frame.destination}, EtherType ${hexType(frame.etherType)}`;
  if (vf !== null && refusesType(state, vf, frame)) {
    const found = `${state.traits.driver} lets no VF send ${hexType(frame.etherType)}`;
    const { reference } = state.traits.refusedEthertypes;
    return note(progress, { name: "classify", looked, found, certainty: "no", reference });
  }
  const found = classOf(frame.destination);
  return note(progress, { name: "classify", looked, found, certainty: "yes" });
}

/** MTU is about the payload: 14 bytes of addresses and type come on top. */
const headerBytes = 14;

function checkSize(progress: Progress, { mtu, name }: SwitchState, { sizeBytes }: Frame): void {
  if (mtu !== null && sizeBytes <= mtu + headerBytes) return;
  const limit = mtu === null ? "the PF's MTU is not known" : `MTU ${mtu} of ${name}`;
  note(progress, {
    name: "size",
    looked: `${sizeBytes} bytes, ${limit}`,
    found: "passes if card and receiver take frames of that size: a VF's own limit is not reported",
    certainty: "if",
  });
}

function admit(progress: Progress, state: SwitchState, frame: Frame, from: Port): Fate | null {
  const link = linkOf(state, from);
  const { certainty, why } = link;
  if (!note(progress, { name: "link", looked: portText(from), found: why, certainty })) {
    return "no-link";
  }
  const vf = from.kind === "vf" ? vfAtPort(state, from.vfIndex) : null;
  if (!classify(progress, state, frame, vf)) return "refused-type";
  checkSize(progress, state, frame);
  if (vf === null) return null;
  if (frame.source !== null && !note(progress, checkMac(state, vf, frame.source))) {
    return "spoofed-mac";
  }
  return enterVlan(progress, state, vf) ? null : "refused-tag";
}

const portText = (port: Port): string =>
  port.kind === "vf" ? `VF ${port.vfIndex}` : port.kind === "pf" ? "PF" : "uplink";

/** What the receiver is handed: a VF with a port VLAN never sees that tag. */
function tagsAt(state: SwitchState, port: Port, tags: readonly Tag[]): readonly Tag[] {
  if (port.kind !== "vf") return tags;
  const vlan = vfAtPort(state, port.vfIndex)?.vlan ?? null;
  return vlan !== null && isPortVlan(vlan) ? tags.slice(1) : tags;
}

function deliver(progress: Progress, state: SwitchState, takers: readonly Taker[]): Delivery[] {
  const { certainty: before, tags, stages } = progress;
  const deliveries: Delivery[] = [];
  for (const { port, certainty, why, reference = null } of takers) {
    const sure = lesser(before, certainty);
    stages.push({
      name: "delivery",
      looked: portText(port),
      found: why,
      certainty: sure,
      reference,
    });
    if (sure === "no") continue;
    deliveries.push({ port, certainty: sure, why, tags: tagsAt(state, port, tags) });
  }
  return deliveries;
}

/** What becomes of a frame that enters at this port. The port must be one of the switch. */
export function decide(state: SwitchState, frame: Frame, from: Port): Decision {
  const frameClass = classOf(frame.destination);
  const progress: Progress = {
    stages: [],
    certainty: "yes",
    tags: frame.tag === null ? [] : [frame.tag],
  };
  const ending = (fate: Fate, deliveries: readonly Delivery[] = []): Decision => {
    const { stages, tags } = progress;
    return { fate, frameClass, stages, tags, deliveries };
  };
  if (state.mode === "switchdev") {
    const found =
      "switchdev: the host's rules on the representors decide (tc, Open vSwitch), not this table";
    note(progress, { name: "mode", looked: "mode of the switch", found, certainty: "unknown" });
    return ending("undecided");
  }
  const refusal = admit(progress, state, frame, from);
  if (refusal !== null) return ending(refusal);
  const { step, takers } = lookUp(state, {
    destination: frame.destination,
    from,
    tags: progress.tags,
  });
  note(progress, step);
  if (takers === null) return ending("undecided");
  const others = takers.filter(({ port }) => !isSamePort(port, from));
  const deliveries = deliver(progress, state, others);
  return ending(deliveries.length === 0 ? "lost" : "forwarded", deliveries);
}
