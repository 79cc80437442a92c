// The data paths that can be built here, one row each: what it needs, and the steps that set it up
// between two ends. Steps are programs with their arguments and what takes them back; nothing here
// runs them. Switches are made in a namespace of their own, so the host's own bridges and firewall
// are not in the way and nothing of the host's changes.

import type { UndoStep } from "./undo-step.ts";

/** A netdev of the host that may be lent to the measurement. */
export type LentNetdev = {
  readonly name: string;
  readonly mtu: number;
  readonly isUp: boolean;
};

export type SiteVf = {
  /** `0000:3b:00.0/vf3`. */
  readonly label: string;
  /** Label of its PF. */
  readonly pf: string;
  readonly netdev: LentNetdev | null;
  readonly driver: string | null;
  /** Port VLAN; null: none. */
  readonly vlan: number | null;
  /** Why no traffic can pass: `PF 0000:3b:00.0 is down`; null: no reason is known. */
  readonly obstacle: string | null;
};

/** What there is to measure with. */
export type Site = {
  /** Programs that were found. */
  readonly programs: ReadonlySet<string>;
  /** Named by the operator, in this order. */
  readonly vfs: readonly SiteVf[];
  /** The other end of the PF's cable, as a netdev of this host; null: none was named. */
  readonly wire: LentNetdev | null;
  /** MTU that the largest frame needs. */
  readonly mtu: number;
};

export type Step = {
  readonly argv: readonly string[];
  readonly undo: UndoStep | null;
  /** Refused, it changes only what can be measured. */
  readonly mayFail?: true;
};

export type End = {
  readonly netns: string;
  readonly device: string;
  readonly address: string;
};

export type BuiltPath = { readonly steps: readonly Step[]; readonly ends: readonly [End, End] };

export type PathRow = {
  readonly id: string;
  readonly title: string;
  /** Why it cannot be measured here; null: it can. */
  readonly missing: (site: Site) => string | null;
  readonly build: (site: Site) => BuiltPath;
};

/** RFC 2544 C.2.2: addresses for benchmarks. Only our own namespaces have them. */
const ends: readonly [End, End] = [
  { netns: "sriovctl-bench-a", device: "bench0", address: "198.18.0.1" },
  { netns: "sriovctl-bench-b", device: "bench0", address: "198.18.0.2" },
];
const [sender, receiver] = ends;
const switchNetns = "sriovctl-bench-s";

const ip = (words: string, netns?: string): Step => ({
  argv: ["ip", ...(netns === undefined ? [] : ["-n", netns]), ...words.split(" ")],
  undo: null,
});

const addNetns = (netns: string): Step => ({
  argv: ["ip", "netns", "add", netns],
  undo: { kind: "drop-netns", netns },
});

const twoEnds: readonly Step[] = [sender, receiver].map(({ netns }) => addNetns(netns));

const bringUp: readonly Step[] = [sender, receiver].flatMap(({ netns, device, address }) => [
  ip(`address add ${address}/24 dev ${device}`, netns),
  ip(`link set ${device} up`, netns),
]);

/** Lent, renamed, and with the MTU that is wanted where its driver allows that. */
function lend({ name, mtu, isUp }: LentNetdev, { netns, device }: End, wantedMtu: number): Step[] {
  const setMtu: Step = { ...ip(`link set ${device} mtu ${wantedMtu}`, netns), mayFail: true };
  return [
    {
      argv: ["ip", "link", "set", "dev", name, "netns", netns],
      undo: { kind: "return-netdev", netns, name, mtu, isUp },
    },
    ip(`link set ${name} down`, netns),
    ip(`link set ${name} name ${device}`, netns),
    ...(wantedMtu > mtu ? [setMtu] : []),
  ];
}

const needs = (site: Site, ...programs: readonly string[]): string | null => {
  const missing = programs.filter((program) => !site.programs.has(program));
  return missing.length === 0 ? null : `${missing.join(", ")} not installed`;
};

/** A VF of the host's, with a netdev, and nothing known to be in its way. */
function missingOfVf(vf: SiteVf | undefined, which: string): string | null {
  if (vf === undefined) return `no ${which} VF was named with --use`;
  if (vf.netdev === null) {
    return `${vf.label} has no network interface (driver ${vf.driver ?? "none"})`;
  }
  return vf.obstacle;
}

const vethAndBridge: PathRow = {
  id: "ns-veth-bridge",
  title: "namespaces: veth, bridge",
  missing: (site) => needs(site, "ip"),
  build: ({ mtu }) => ({
    ends,
    steps: [
      ...twoEnds,
      addNetns(switchNetns),
      ip("link add name br0 type bridge", switchNetns),
      ...[sender, receiver].flatMap(({ netns, device }, at) => [
        ip(`link add name port${at} mtu ${mtu} type veth peer name tmp${at}`, switchNetns),
        ip(`link set tmp${at} mtu ${mtu} netns ${netns}`, switchNetns),
        ip(`link set tmp${at} name ${device}`, netns),
        ip(`link set port${at} master br0`, switchNetns),
        ip(`link set port${at} up`, switchNetns),
      ]),
      ip("link set br0 up", switchNetns),
      ...bringUp,
    ],
  }),
};

/** The parent is one end of a veth pair: what switches is macvlan alone. */
const macvlan: PathRow = {
  id: "ns-macvlan",
  title: "namespaces: macvlan",
  missing: (site) => needs(site, "ip"),
  build: ({ mtu }) => ({
    ends,
    steps: [
      ...twoEnds,
      addNetns(switchNetns),
      ip(`link add name parent mtu ${mtu} type veth peer name idle mtu ${mtu}`, switchNetns),
      ip("link set idle up", switchNetns),
      ip("link set parent up", switchNetns),
      ...[sender, receiver].flatMap(({ netns, device }, at) => [
        ip(`link add link parent name port${at} type macvlan mode bridge`, switchNetns),
        ip(`link set port${at} netns ${netns}`, switchNetns),
        ip(`link set port${at} name ${device}`, netns),
      ]),
      ...bringUp,
    ],
  }),
};

const betweenNetdevs = (first: LentNetdev, second: LentNetdev, mtu: number): BuiltPath => ({
  ends,
  steps: [...twoEnds, ...lend(first, sender, mtu), ...lend(second, receiver, mtu), ...bringUp],
});

const vlanWords = (vlan: number | null): string => (vlan === null ? "none" : `${vlan}`);

const vfToVf: PathRow = {
  id: "ns-vf-vf",
  title: "namespaces: VF to VF",
  missing: (site) => {
    const [first, second] = site.vfs;
    const missing =
      needs(site, "ip") ?? missingOfVf(first, "first") ?? missingOfVf(second, "second");
    if (missing !== null || first === undefined || second === undefined) return missing;
    if (first.vlan === second.vlan) return null;
    const vlans = `${vlanWords(first.vlan)} and ${vlanWords(second.vlan)}`;
    return `${first.label} and ${second.label} are in different VLANs (${vlans})`;
  },
  build: ({ vfs: [first, second], mtu }) => betweenNetdevs(lent(first), lent(second), mtu),
};

const vfToWire: PathRow = {
  id: "ns-vf-wire",
  title: "namespaces: VF to wire",
  missing: (site) => {
    const [first] = site.vfs;
    const missing = needs(site, "ip") ?? missingOfVf(first, "first");
    if (missing !== null) return missing;
    if (site.wire === null) return "no interface at the other end was named with --wire";
    const vlan = first?.vlan ?? null;
    return vlan === null ? null : `${first?.label} is in VLAN ${vlan}, the wire's end in none`;
  },
  build: ({ vfs: [first], wire, mtu }) => betweenNetdevs(lent(first), lent({ netdev: wire }), mtu),
};

/** `missing` has seen that it is there. */
function lent(owner: { readonly netdev: LentNetdev | null } | undefined): LentNetdev {
  if (owner?.netdev !== null && owner !== undefined) return owner.netdev;
  throw new Error("a path was built that misses its netdev");
}

export const pathTable: readonly PathRow[] = [vethAndBridge, macvlan, vfToVf, vfToWire];

/** What a link of this MTU carries, with header and checksum. */
export const largestFrame = (mtu: number): number => mtu + 18;
