// Two who believe that they own a PF or a VF, as data: coexist/conflicts.ts finds them, `who` and the
// doctor tell them.

import type { Address } from "./bdf.ts";

export type ConflictKind =
  | "function" // several are to have this very function
  | "pools" // several hand out VFs of one PF
  | "pool-and-guest" // a pool hands out a VF that is somebody's by name
  | "whole-pf" // one is to have the PF, others its VFs
  | "vf-managers" // several set up the VFs of one PF
  | "interface-managers"; // several set up a PF's interface

export type Conflict = {
  readonly kind: ConflictKind;
  /** BDF, or `BDF/vfN`. */
  readonly target: string;
  readonly address: Address;
  /** Who: `vm:web1`, `pool:tenants`, `networkd`. */
  readonly parties: readonly string[];
  readonly sentence: string;
};
