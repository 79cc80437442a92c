// What to do about a frame that did not arrive. Each remedy says for which case it is, as only a
// person knows whether the frame was meant to arrive at all.

import { vfAtPort, type Decision } from "./decide.ts";
import { classOf, type Frame, type Port } from "./frame.ts";
import type { SwitchState, VfPort } from "./switch-state.ts";
import { isPortVlan, tagText } from "./vf-checks.ts";

export type Remedy = {
  readonly when: string;
  /** Command lines; the interface names in them are the host's. */
  readonly run: readonly string[];
};

type Sent = { readonly frame: Frame; readonly from: Port };

/** A word of a shell command: interface names may have any character but a slash and spaces. */
const word = (text: string): string =>
  /^[\w.:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

function spoofed({ name }: SwitchState, vf: VfPort, { frame }: Sent): Remedy[] {
  const set = `ip link set dev ${word(name)} vf ${vf.vfIndex}`;
  const own: Remedy[] =
    vf.netdev !== null && vf.sendMac === frame.source && vf.mac !== null
      ? [
          {
            when: `${vf.netdev} still has the MAC from before: give it the VF's`,
            run: [`ip link set dev ${word(vf.netdev)} address ${vf.mac}`],
          },
        ]
      : [];
  return [
    ...own,
    {
      when: "the guest is meant to have this MAC",
      run: [`${set} mac ${frame.source}`],
    },
    {
      when: "it is a router, a bridge or a VRRP pair, and sends with MACs of others",
      run: [`${set} spoofchk off`],
    },
  ];
}

function refusedTag({ name }: SwitchState, vf: VfPort): Remedy[] {
  const vlan = vf.vlan === null ? "its VLAN" : `VLAN ${vf.vlan.id}`;
  return [
    { when: `the guest belongs in ${vlan} alone: let it send untagged`, run: [] },
    {
      when: "the guest is meant to tag by itself",
      run: [`ip link set dev ${word(name)} vf ${vf.vfIndex} vlan 0`],
    },
  ];
}

/** The destination is, or may be, a guest of the bridge that the card has not been told of. */
function unknownToFilter(state: SwitchState, { frame, from }: Sent): Remedy[] {
  const { bridge, guests, filter, filterCapacity, mac } = state.pfPort;
  const { destination } = frame;
  const isHere =
    destination === mac ||
    filter?.includes(destination) === true ||
    state.vfs.some((vf) => vf.mac === destination);
  // From the wire a PF below a bridge takes everything: it is promiscuous there.
  if (bridge === null || from.kind !== "vf" || isHere) return [];
  const isKnown = guests?.some((guest) => guest.mac === destination) === true;
  // Who has not spoken for a while is not in the bridge's table either.
  const when = isKnown
    ? `the card has to know ${bridge}'s guest`
    : `${destination} is a guest of ${bridge}${guests === null ? "" : " that has been silent"}`;
  const isFull = filter !== null && filterCapacity !== null && filter.length >= filterCapacity;
  const full = isFull
    ? `; the filter is full (${filter.length} of ${filterCapacity}): ${state.traits.whenFilterIsFull.value}`
    : "";
  const add = `bridge fdb add ${destination} dev ${word(state.name)} self permanent`;
  return [{ when: `${when}${full}`, run: [add] }];
}

function otherVlans(state: SwitchState, { frame, from }: Sent, decision: Decision): Remedy[] {
  const id = decision.tags[0]?.id ?? 0;
  const isElsewhere = (vf: VfPort): boolean =>
    vf.mac === frame.destination && vf.vlan !== null && isPortVlan(vf.vlan) && vf.vlan.id !== id;
  return state.vfs.filter(isElsewhere).map(({ vfIndex, vlan }) => {
    const here = id === 0 ? "no VLAN" : `VLAN ${id}`;
    const there = vlan === null ? "" : tagText(vlan);
    return {
      when: `the two are meant to meet (VF ${vfIndex}: VLAN ${there}; the frame: ${here})`,
      run:
        from.kind === "vf"
          ? [`ip link set dev ${word(state.name)} vf ${from.vfIndex} vlan ${vlan?.id ?? 0}`]
          : [],
    };
  });
}

function vepa({ isVeb, name, vfs, pfPort }: SwitchState, { frame, from }: Sent): Remedy[] {
  const { destination } = frame;
  const isLocal = destination === pfPort.mac || vfs.some(({ mac }) => mac === destination);
  if (isVeb.value !== false || from.kind === "uplink" || !isLocal) return [];
  return [
    {
      when: "the network does not send frames back where they came from (reflective relay)",
      run: [`bridge link set dev ${word(name)} hwmode veb`],
    },
  ];
}

/** ixgbe: an address in the PF's filter is taken away from the VF that has it. */
function claimedTwice({ traits, pfPort, vfs, name }: SwitchState, { frame }: Sent): Remedy[] {
  const { destination } = frame;
  const isTwice =
    pfPort.filter?.includes(destination) && vfs.some(({ mac }) => mac === destination);
  if (isTwice !== true || traits.claimedTwice.value === "both") return [];
  return [
    {
      when: "a VF's own MAC has no place in the PF's filter",
      run: [`bridge fdb del ${destination} dev ${word(name)} self`],
    },
  ];
}

/** Where the rules are that decide instead: Linux, Documentation/networking/representors.rst. */
const switchdevRules: Remedy = {
  when: "the rules are wanted: find the sender's representor, then what is set on it",
  run: [
    "devlink port show",
    "tc -s filter show dev REPRESENTOR ingress",
    "ovs-appctl dpctl/dump-flows type=offloaded",
  ],
};

export function remediesOf(state: SwitchState, sent: Sent, decision: Decision): Remedy[] {
  if (state.mode === "switchdev") return [switchdevRules];
  const vf = sent.from.kind === "vf" ? vfAtPort(state, sent.from.vfIndex) : null;
  if (decision.fate === "spoofed-mac" && vf !== null) return spoofed(state, vf, sent);
  if (decision.fate === "refused-tag" && vf !== null) return refusedTag(state, vf);
  if (decision.fate !== "forwarded" && decision.fate !== "lost") return [];
  if (classOf(sent.frame.destination) !== "unicast") return [];
  return [
    ...claimedTwice(state, sent),
    ...vepa(state, sent),
    ...unknownToFilter(state, sent),
    ...otherVlans(state, sent, decision),
  ];
}
