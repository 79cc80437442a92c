// What rules need to know, each with the question whether it is known. A need that is not met makes
// its rules "not checked", with the reason of the source that could not be read. A need of PFs may
// be met for some of them: then the rule looks at those, and the others are named.

import type { Pf } from "../model/inventory.ts";
import { isRemappingKnown } from "./interrupts.ts";
import type { View } from "./view.ts";
import { isNetwork, isVfioDriver } from "./view.ts";

export type Need = keyof typeof needs;

export type Missing = {
  readonly what: string;
  readonly why: string;
  /** PFs of which it is not known; null: of the whole host. */
  readonly pfs: readonly string[] | null;
  /** Of no PF that it is about: a rule with this need has nothing to look at. */
  readonly isTotal: boolean;
};

type NeedRow = {
  readonly what: string;
  /** Fits the `source` of the gap that says why. */
  readonly source: RegExp;
} & (
  | { readonly isKnown: (view: View) => boolean }
  | {
      readonly isKnownOf: (pf: Pf, view: View) => boolean;
      /** Which PFs have it at all; absent: all. */
      readonly isAbout?: (pf: Pf) => boolean;
    }
);

/** A module that is not loaded has no parameters that could be wrong. */
const hasVfio = ({ inventory }: View): boolean =>
  inventory.loadedDrivers.some((driver) => isVfioDriver(driver));

/** The one vendor whose tool tells it: for others it is not asked. */
const mellanox = 0x15b3;

const hasNetdev = (pf: Pf): boolean => isNetwork(pf) && pf.netdevs.length > 0;

const needs = {
  "command-line": {
    what: "kernel command line",
    source: /cmdline/,
    isKnown: ({ facts }) => facts.kernel.commandLine !== null,
  },
  "lockdown": {
    what: "kernel lockdown",
    source: /lockdown/,
    isKnown: ({ facts }) => facts.kernel.lockdown !== null,
  },
  "iommu": {
    what: "IOMMU instances",
    source: /iommu$|IOMMU/,
    isKnown: ({ facts }) => facts.iommu.instances !== null,
  },
  "groups": {
    what: "IOMMU groups",
    source: /iommu_groups|IOMMU groups/,
    isKnown: ({ facts }) => facts.iommuGroups !== null,
  },
  "drivers": {
    what: "drivers",
    source: /drivers$/,
    // A kernel that finds PCI devices has at least pcieport.
    isKnown: ({ inventory }) => inventory.loadedDrivers.length > 0,
  },
  "unsafe-interrupts": {
    what: "allow_unsafe_interrupts of VFIO",
    source: /vfio/,
    isKnown: (view) => view.facts.iommu.allowsUnsafeInterrupts !== null || !hasVfio(view),
  },
  "no-iommu-mode": {
    what: "no-IOMMU mode of VFIO",
    source: /vfio/,
    isKnown: (view) => view.facts.iommu.isNoIommuMode !== null || !hasVfio(view),
  },
  "kernel-log": {
    what: "kernel log",
    source: /kmsg|dmesg|journal|kernel log/,
    isKnown: ({ facts }) => facts.kernelLog !== null,
  },
  "interrupt-remapping": {
    what: "interrupt remapping",
    source: /kmsg|dmesg|journal|kernel log/,
    isKnown: isRemappingKnown,
  },
  "cards-without-sriov": {
    what: "network cards without SR-IOV",
    source: /cards/,
    isKnown: ({ facts }) => facts.cardsWithoutSriov !== undefined,
  },
  "config": {
    what: "config space",
    source: /config/,
    isKnownOf: (pf, { configAt }) => configAt(pf.address) !== null,
  },
  "resources": {
    what: "VF memory",
    source: /resource/,
    isKnownOf: (pf, { functionAt, facts }) =>
      (functionAt(pf.address)?.resources ?? null) !== null || facts.kernelLog !== null,
  },
  "policy": {
    what: "VF attributes",
    source: /netlink|ip-link/,
    isAbout: (pf) => isNetwork(pf) && pf.numVfs > 0,
    isKnownOf: (pf) => pf.virtualFunctions.some((vf) => vf.policy !== null),
  },
  "private-flags": {
    what: "private flags",
    source: /ethtool|^driver of/,
    isAbout: hasNetdev,
    isKnownOf: (pf, { nicOf }) => (nicOf(pf)?.privateFlags ?? null) !== null,
  },
  "pause": {
    what: "pause frames",
    source: /ethtool|^driver of/,
    isAbout: hasNetdev,
    isKnownOf: (pf, { nicOf }) => (nicOf(pf)?.pause ?? null) !== null,
  },
  "own-filter": {
    what: "MAC filter",
    source: /bridge|ethtool|^driver of/,
    isAbout: hasNetdev,
    isKnownOf: (pf, { nicOf }) => (nicOf(pf)?.selfFdb ?? null) !== null,
  },
  "firmware-vfs": {
    what: "VF counts of the firmware",
    source: /mstconfig|devlink|^driver of/,
    isAbout: ({ vendorId }) => vendorId === mellanox,
    isKnownOf: (pf, { nicOf }) => (nicOf(pf)?.firmwareVfs ?? null) !== null,
  },
  "reservations": {
    what: "who is to have which VF",
    source: /reservations/,
    isKnown: ({ conflicts }) => conflicts !== null,
  },
  "locked-memory": {
    what: "locked memory of guests",
    source: /locked memory/,
    isKnown: ({ facts }) => facts.guests !== undefined,
  },
  "guest-nodes": {
    what: "where guests run",
    source: /guests' processors/,
    isKnown: ({ facts }) =>
      facts.numaNodes?.length === 1 ||
      facts.guests?.every(({ nodes }) => (nodes ?? null) !== null) === true,
  },
  "vfio-nodes": {
    what: "permissions of VFIO nodes",
    source: /^stat |VFIO nodes/,
    isKnown: ({ facts }) => (facts.vfioNodes ?? null) !== null,
  },
  "claims": {
    what: "configuration of network managers",
    source: /claims|managers/,
    isKnown: ({ inventory }) => inventory.claims !== undefined,
  },
} as const satisfies Record<string, NeedRow>;

/** null: it is known, of everything that it is about. */
export function missing(need: Need, view: View): Missing | null {
  const row: NeedRow = needs[need];
  const { what } = row;
  const gap = view.facts.gaps.find(({ source }) => row.source.test(source));
  const why = gap === undefined ? "this host does not tell" : `${gap.source}: ${gap.why}`;
  if ("isKnown" in row) return row.isKnown(view) ? null : { what, why, pfs: null, isTotal: true };
  const { isKnownOf, isAbout = () => true } = row;
  const concerned = view.pfs.filter((pf) => isAbout(pf));
  const unknown = concerned.filter((pf) => !isKnownOf(pf, view));
  if (unknown.length === 0) return null;
  const isTotal = unknown.length === concerned.length;
  return { what, why, pfs: unknown.map(({ address }) => address), isTotal };
}
