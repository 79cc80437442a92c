// What a run of traffic found, as data: each way with the same frames.

import type { Address } from "../../../model/bdf.ts";
import type { FrameEnd } from "./frame-ends.ts";

/** One sender and one receiver, by VF index. */
export type TrafficPair = { readonly from: number; readonly to: number };

export type TrafficWish = {
  readonly pf: Address;
  /** null: each VF to the next one, the last to the first. */
  readonly pair: TrafficPair | null;
  /** Of each sender. */
  readonly frames: number;
  readonly sizeBytes: number;
  readonly burst: number;
  /** Tag of the guests' own; null: none. */
  readonly vlan: number | null;
};

export type PathCounts = {
  readonly path: "vf" | "virtio" | "emulated";
  readonly frames: number;
  /** Those that are not 0. */
  readonly ends: readonly { readonly end: FrameEnd; readonly frames: number }[];
  /** Still in the ring of a sender that does not send. */
  readonly unsent: number;
  readonly exits: number;
  /** By a CPU of the host. */
  readonly copies: number;
  readonly bridgeLookups: number;
  readonly switchLookups: number;
  readonly translations: number;
  readonly faults: number;
  readonly interrupts: number;
};

export type TrafficReport = {
  readonly kind: "traffic";
  readonly pf: Address;
  readonly wish: TrafficWish;
  readonly pairs: number;
  /** VFs that got a guest for this run. */
  readonly testGuests: readonly number[];
  /** VFs that take no part, with why. */
  readonly leftOut: readonly { readonly vfIndex: number; readonly why: string }[];
  readonly paths: readonly PathCounts[];
};

export type PolicyCheck = {
  readonly vfIndex: number;
  readonly guest: string;
  readonly check: PolicyCheckName;
  /** `passes`: the policy itself lets it through. */
  readonly outcome: "as-wanted" | "passes" | "wrong" | "not-tried";
  readonly found: string;
};

type PolicyCheckName =
  | "own MAC"
  | "spoofed MAC"
  | "other VLAN"
  | "foreign memory"
  | "bus master off"
  | "reset";

export type PolicyReport = {
  readonly kind: "checks";
  readonly pf: Address;
  readonly testGuests: readonly number[];
  readonly leftOut: TrafficReport["leftOut"];
  readonly checks: readonly PolicyCheck[];
};

export type TrafficAsked =
  | { readonly kind: "traffic"; readonly wish: TrafficWish }
  | { readonly kind: "checks"; readonly pf: Address };

export type TrafficFound = TrafficReport | PolicyReport;
