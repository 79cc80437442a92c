// The data paths that can be built here, one row each: what it needs, and the steps that set it up
// between two ends. Steps are programs with their arguments and what takes them back; nothing here
// runs them. Switches are made in a namespace of their own, so the host's own bridges and firewall
// are not in the way and nothing of the host's changes. Long because it is a table.

import { receiverAddress, receiverMac, type GuestNic } from "./guest-machine.ts";
import { testpmdBytes, type PolledEnd } from "./testpmd.ts";
import type { UndoStep } from "./undo-step.ts";

/** A netdev of the host that may be lent to the measurement. */
export type LentNetdev = {
  readonly name: string;
  readonly mtu: number;
  readonly isUp: boolean;
};

/** A function that may be lent, and given to a guest. */
type SiteFunction = {
  /** `0000:3b:00.0/vf3`. */
  readonly label: string;
  readonly address: string;
  readonly netdev: LentNetdev | null;
  readonly mac: string | null;
  readonly driver: string | null;
  /** null: none is set. */
  readonly driverOverride: string | null;
  /** Why no guest can have it: `it has no IOMMU group`; null: no reason is known. */
  readonly guestObstacle: string | null;
};

export type SiteVf = SiteFunction & {
  /** Port VLAN; null: none. */
  readonly vlan: number | null;
  /** Why no traffic can pass: `PF 0000:3b:00.0 is down`; null: no reason is known. */
  readonly obstacle: string | null;
  /** Of the PF: what the card passes. */
  readonly pfMtu: number;
  /** DPDK works it beside the driver that the kernel has for it. */
  readonly isBifurcated: boolean;
};

/** What there is to measure with. */
export type Site = {
  /** Programs that were found. */
  readonly programs: ReadonlySet<string>;
  /** Named by the operator, in this order. */
  readonly vfs: readonly SiteVf[];
  /** A whole device that nobody needs; null: none was named. */
  readonly spare: SiteFunction | null;
  /** The other end of the PF's cable, as a netdev of this host; null: none was named. */
  readonly wire: LentNetdev | null;
  /** MTU that the largest frame needs. */
  readonly mtu: number;
  /** Why no guest can be started; null: one can. */
  readonly guestObstacle: string | null;
  readonly hasVhost: boolean;
  /** Those that are online, as the kernel lists them: `0-3,8`. */
  readonly processors: string;
  readonly freeHugepageBytes: number;
};

export type ProgramStep = {
  readonly argv: readonly string[];
  readonly undo: UndoStep | null;
  /** Refused, it changes only what can be measured. */
  readonly mayFail?: true;
};

/** A function leaves its driver for vfio-pci. */
export type VfioStep = { readonly vfio: string; readonly undo: UndoStep };

type Step = ProgramStep | VfioStep;

export type End = {
  readonly netns: string;
  readonly device: string;
  readonly address: string;
};

/** A guest that answers, by its NIC. */
type GuestEnd = { readonly nic: GuestNic };

/** Between two ends that the kernel of the host or of a guest works, or with one or two of testpmd's. */
export type BuiltPath = { readonly steps: readonly Step[] } & (
  | { readonly sender: End; readonly receiver: End | GuestEnd | PolledEnd }
  | { readonly sender: PolledEnd; readonly receiver: PolledEnd }
);

export type PathRow = {
  readonly id: string;
  readonly title: string;
  /** Why it cannot be measured here; null: it can. */
  readonly missing: (site: Site) => string | null;
  readonly build: (site: Site) => BuiltPath;
};

/** RFC 2544 C.2.2: addresses for benchmarks. Only our own namespaces have them. */
const sender: End = { netns: "sriovctl-bench-a", device: "bench0", address: "198.18.0.1" };
const receiver: End = { netns: "sriovctl-bench-b", device: "bench0", address: receiverAddress };
const ends = { sender, receiver };
/** Of the switches, of QEMU and of testpmd. */
export const switchNetns = "sriovctl-bench-s";

const ip = (words: string, netns?: string): ProgramStep => ({
  argv: ["ip", ...(netns === undefined ? [] : ["-n", netns]), ...words.split(" ")],
  undo: null,
});

const addNetns = (netns: string): ProgramStep => ({
  argv: ["ip", "netns", "add", netns],
  undo: { kind: "drop-netns", netns },
});

const twoEnds: readonly Step[] = [sender, receiver].map(({ netns }) => addNetns(netns));

const bringUpEnd = ({ netns, device, address }: End): Step[] => [
  ip(`address add ${address}/24 dev ${device}`, netns),
  ip(`link set ${device} up`, netns),
];
const bringUp: readonly Step[] = [sender, receiver].flatMap(bringUpEnd);

/** Lent, renamed, and with the MTU that is wanted where its driver allows that. */
function lend({ name, mtu, isUp }: LentNetdev, { netns, device }: End, wantedMtu: number): Step[] {
  const setMtu: ProgramStep = {
    ...ip(`link set ${device} mtu ${wantedMtu}`, netns),
    mayFail: true,
  };
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

const bridgePort = ({ netns, device }: End, at: number, mtu: number): Step[] => [
  ip(`link add name port${at} mtu ${mtu} type veth peer name tmp${at}`, switchNetns),
  ip(`link set tmp${at} mtu ${mtu} netns ${netns}`, switchNetns),
  ip(`link set tmp${at} name ${device}`, netns),
  ip(`link set port${at} master br0`, switchNetns),
  ip(`link set port${at} up`, switchNetns),
];

const vethAndBridge: PathRow = {
  id: "ns-veth-bridge",
  title: "namespaces: veth, bridge",
  missing: (site) => needs(site, "ip"),
  build: ({ mtu }) => ({
    ...ends,
    steps: [
      ...twoEnds,
      addNetns(switchNetns),
      ip("link add name br0 type bridge", switchNetns),
      ...[sender, receiver].flatMap((end, at) => bridgePort(end, at, mtu)),
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
    ...ends,
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
  ...ends,
  steps: [...twoEnds, ...lend(first, sender, mtu), ...lend(second, receiver, mtu), ...bringUp],
});

/** Words of what is in the way; null: they hear each other. */
function inOneVlan(first: SiteVf, second: SiteVf): string | null {
  if (first.vlan === second.vlan) return null;
  const vlans = [first, second].map(({ vlan }) => vlan ?? "none").join(" and ");
  return `${first.label} and ${second.label} are in different VLANs (${vlans})`;
}

const vfToVf: PathRow = {
  id: "ns-vf-vf",
  title: "namespaces: VF to VF",
  missing: (site) => {
    const [first, second] = site.vfs;
    const missing =
      needs(site, "ip") ?? missingOfVf(first, "first") ?? missingOfVf(second, "second");
    if (missing !== null || first === undefined || second === undefined) return missing;
    return inOneVlan(first, second);
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

const missingOfGuest = (site: Site): string | null =>
  needs(site, "ip", "qemu-system-x86_64", "iperf3", "sockperf", "ldd", "insmod") ??
  site.guestObstacle;

/** A tap on a bridge, and the sender beside it; QEMU runs in the switch's namespace and ends with it. */
const guestOnBridge = (
  row: Pick<PathRow, "id" | "title">,
  nicOf: (site: Site) => GuestNic,
): PathRow => ({
  ...row,
  missing: missingOfGuest,
  build: (site) => ({
    sender,
    receiver: { nic: nicOf(site) },
    steps: [
      addNetns(sender.netns),
      addNetns(switchNetns),
      ip("link add name br0 type bridge", switchNetns),
      ...bridgePort(sender, 0, guestMtu),
      ip("tuntap add dev tap0 mode tap", switchNetns),
      ip("link set tap0 master br0", switchNetns),
      ip("link set tap0 up", switchNetns),
      ip("link set br0 up", switchNetns),
      ...bringUpEnd(sender),
    ],
  }),
});

/** The guest's NIC keeps Ethernet's own: what a guest gets unless somebody configures it. */
const guestMtu = 1500;

const virtioOnBridge = guestOnBridge(
  { id: "guest-virtio-bridge", title: "guest: virtio, bridge" },
  ({ hasVhost }) => ({ kind: "tap", model: "virtio-net-pci", isVhost: hasVhost }),
);
const e1000OnBridge = guestOnBridge({ id: "guest-e1000", title: "guest: e1000, bridge" }, () => ({
  kind: "tap",
  model: "e1000",
  isVhost: false,
}));

/** As `macvlan`, but one of the two is the guest's. Frames go to its address only. */
const macvtap: PathRow = {
  id: "guest-macvtap",
  title: "guest: virtio, macvtap",
  missing: missingOfGuest,
  build: ({ hasVhost }) => ({
    sender,
    receiver: {
      nic: { kind: "macvtap", netns: switchNetns, device: "guest0", isVhost: hasVhost },
    },
    steps: [
      addNetns(sender.netns),
      addNetns(switchNetns),
      ip("link add name parent type veth peer name idle", switchNetns),
      ip("link set idle up", switchNetns),
      ip("link set parent up", switchNetns),
      ip("link add link parent name port0 type macvlan mode bridge", switchNetns),
      ip(`link set port0 netns ${sender.netns}`, switchNetns),
      ip(`link set port0 name ${sender.device}`, sender.netns),
      ip(
        `link add link parent name guest0 address ${receiverMac} type macvtap mode bridge`,
        switchNetns,
      ),
      ip("link set guest0 up", switchNetns),
      ...bringUpEnd(sender),
    ],
  }),
};

const guestWithVf: PathRow = {
  id: "guest-vf",
  title: "guest: VF",
  missing: (site) => {
    const [first, second] = site.vfs;
    const missing =
      missingOfGuest(site) ??
      (first === undefined ? "no first VF was named with --use" : first.obstacle) ??
      missingOfVf(second, "second");
    if (missing !== null || first === undefined || second === undefined) return missing;
    if (first.guestObstacle !== null) return `${first.label}: ${first.guestObstacle}`;
    return inOneVlan(first, second);
  },
  build: ({ vfs: [first, second] }) => ({
    sender,
    receiver: { nic: { kind: "vfio", address: first?.address ?? "" } },
    steps: [
      addNetns(sender.netns),
      ...(first === undefined ? [] : [giveToVfio(first)]),
      // After it, so that QEMU is ended before the function goes back.
      addNetns(switchNetns),
      ...lend(lent(second), sender, guestMtu),
      ...bringUpEnd(sender),
    ],
  }),
};

/** The other end is the wire's: whoever has the whole card has no switch beside it. */
const guestWithPf: PathRow = {
  id: "guest-pf",
  title: "guest: whole device",
  missing: (site) => {
    const { spare, wire } = site;
    const missing = missingOfGuest(site);
    if (missing !== null) return missing;
    if (spare === null) return "no whole device was named with --spare";
    if (spare.guestObstacle !== null) return `${spare.label}: ${spare.guestObstacle}`;
    return wire === null ? "no interface at the other end was named with --wire" : null;
  },
  build: ({ spare, wire }) => ({
    sender,
    receiver: { nic: { kind: "vfio", address: spare?.address ?? "" } },
    steps: [
      addNetns(sender.netns),
      ...(spare === null ? [] : [giveToVfio(spare)]),
      addNetns(switchNetns),
      ...lend(lent({ netdev: wire }), sender, guestMtu),
      ...bringUpEnd(sender),
    ],
  }),
};

function giveToVfio({ address, driver, driverOverride, netdev, mac }: SiteFunction): VfioStep {
  const kept = netdev === null ? null : { ...netdev, mac };
  const undo = { kind: "rebind", address, driver, override: driverOverride, netdev: kept } as const;
  return { vfio: address, undo };
}

/** What testpmd works leaves its driver for vfio-pci, as for a guest. */
function missingOfPolled(vf: SiteVf | undefined, which: string): string | null {
  if (vf === undefined) return `no ${which} VF was named with --use`;
  if (vf.isBifurcated) {
    return `${vf.label}: DPDK works beside its driver ${vf.driver}, which is not built here`;
  }
  return vf.guestObstacle === null ? vf.obstacle : `${vf.label}: ${vf.guestObstacle}`;
}

const polledEnd = ({ mtu }: Site, { address, pfMtu }: SiteVf): PolledEnd => ({
  polled: address,
  mtu: Math.min(mtu, pfMtu),
});

const mebibyte = 1 << 20;

/** The pages of one testpmd after the other must be free. */
function missingHugepages(site: Site, vfs: readonly SiteVf[]): string | null {
  const bytes = vfs.reduce((sum, vf) => sum + testpmdBytes(polledEnd(site, vf).mtu), 0);
  if (site.freeHugepageBytes >= bytes) return null;
  const [free, wanted] = [
    Math.floor(site.freeHugepageBytes / mebibyte),
    Math.ceil(bytes / mebibyte),
  ];
  const pages = Math.ceil(wanted / 2);
  return `${free} MiB of hugepages are free, wanted ${wanted} (sysctl vm.nr_hugepages=${pages})`;
}

const missingOfTestpmd = (site: Site): string | null =>
  needs(site, "ip", "dpdk-testpmd", "stdbuf") ?? missingOfPolled(site.vfs[0], "first");

/** `missing` has seen that there are as many. */
function namedVf({ vfs }: Site, at: number): SiteVf {
  const vf = vfs[at];
  if (vf !== undefined) return vf;
  throw new Error("a path was built that misses a VF");
}

/** What the kernel sends, taken by a program that polls. */
const vfToTestpmd: PathRow = {
  id: "ns-vf-testpmd",
  title: "namespace: VF to testpmd",
  missing: (site) => {
    const [first, second] = site.vfs;
    const missing =
      missingOfTestpmd(site) ?? needs(site, "sockperf", "ping") ?? missingOfVf(second, "second");
    if (missing !== null || first === undefined || second === undefined) return missing;
    return missingHugepages(site, [first]) ?? inOneVlan(first, second);
  },
  build: (site) => ({
    sender,
    receiver: polledEnd(site, namedVf(site, 0)),
    steps: [
      addNetns(sender.netns),
      giveToVfio(namedVf(site, 0)),
      addNetns(switchNetns),
      ...lend(lent(site.vfs[1]), sender, site.mtu),
      ...bringUpEnd(sender),
    ],
  }),
};

/** Neither end is the kernel's. */
const testpmdToTestpmd: PathRow = {
  id: "testpmd-vf-vf",
  title: "testpmd: VF to VF",
  missing: (site) => {
    const [first, second] = site.vfs;
    const missing = missingOfTestpmd(site) ?? missingOfPolled(second, "second");
    if (missing !== null || first === undefined || second === undefined) return missing;
    return missingHugepages(site, [first, second]) ?? inOneVlan(first, second);
  },
  build: (site) => ({
    sender: polledEnd(site, namedVf(site, 1)),
    receiver: polledEnd(site, namedVf(site, 0)),
    steps: [
      giveToVfio(namedVf(site, 0)),
      giveToVfio(namedVf(site, 1)),
      // After them, so that testpmd is ended before the functions go back.
      addNetns(switchNetns),
    ],
  }),
};

/** Their ends keep a processor busy whatever arrives. */
export const polledPaths: ReadonlySet<string> = new Set([vfToTestpmd.id, testpmdToTestpmd.id]);

export const hasGuest = (row: PathRow, site: Site): boolean => "nic" in row.build(site).receiver;

export const pathTable: readonly PathRow[] = [
  vethAndBridge,
  macvlan,
  vfToVf,
  vfToWire,
  vfToTestpmd,
  testpmdToTestpmd,
  e1000OnBridge,
  virtioOnBridge,
  macvtap,
  guestWithVf,
  guestWithPf,
];

export const stepWords = (step: Step): string =>
  "vfio" in step ? `bind ${step.vfio} to vfio-pci` : step.argv.join(" ");

/** What a link of this MTU carries, with header and checksum. */
export const largestFrame = (mtu: number): number => mtu + 18;
