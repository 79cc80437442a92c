// The fault plan: what goes wrong, at which request, as plain data that a simulation can make up.
// A fault says which request it waits for, how many of those it lets pass, and what then happens.

import type { Address } from "../../model/bdf.ts";
import type { VfAttributeName } from "../../model/vf-attribute.ts";
import type { HostRequest } from "../host.ts";
import type { MachineEvent } from "./events.ts";
import type { Errno, MachineState } from "./state.ts";

/** What a fault can wait for: a request; one of two reads: an inventory as a whole, and the
 * netlink VF list of one PF in it; or a consumer that is to take a VF or to let go of it. */
export type FaultMoment = HostRequest["verb"] | "inventory" | "vfList" | "plug" | "unplug";

/** Keys that are absent match everything. */
export type FaultTrigger = {
  readonly verb: FaultMoment;
  /** PF or VF that the request names. */
  readonly target?: Address;
  readonly vfIndex?: number;
  readonly attribute?: VfAttributeName;
  /** Matching requests that pass before this one; absent is 0. */
  readonly skip?: number;
  /** Matching requests that it then hits; absent is 1. */
  readonly times?: number;
};

export type FaultEffect =
  /** The request never ends and keeps its locks. */
  | { readonly kind: "hang" }
  /** `sriov_numvfs` takes the write and makes fewer VFs. */
  | { readonly kind: "short-count"; readonly numVfs: number }
  | { readonly kind: "no-netdev"; readonly vfIndexes: readonly number[] }
  | { readonly kind: "slow-probe"; readonly vfIndexes: readonly number[]; readonly delayMs: number }
  | { readonly kind: "probe-fails"; readonly vfIndexes: readonly number[] }
  /** The kernel refuses; nothing changes. */
  | { readonly kind: "refuse"; readonly errno: Errno }
  /** The PF's netlink VF list ends early. */
  | { readonly kind: "truncated-list"; readonly numVfs: number }
  /** The kernel says yes and does nothing. */
  | { readonly kind: "ignore" }
  /** Something else happens right before the request reaches the kernel. */
  | { readonly kind: "event"; readonly event: MachineEvent };

export type Fault = { readonly on: FaultTrigger; readonly effect: FaultEffect };

/** What a fault plan sees of a request. */
type FaultKey = {
  readonly verb: FaultMoment;
  readonly target: Address | null;
  readonly vfIndex: number | null;
  readonly attribute: VfAttributeName | null;
};

export function faultKeyOf(request: HostRequest): FaultKey {
  const { verb } = request;
  const target = "pf" in request ? request.pf : "address" in request ? request.address : null;
  if (verb !== "setVf") return { verb, target, vfIndex: null, attribute: null };
  return { verb, target, vfIndex: request.vfIndex, attribute: request.attribute.name };
}

const matches = (on: FaultTrigger, key: FaultKey): boolean =>
  on.verb === key.verb &&
  (on.target === undefined || on.target === key.target) &&
  (on.vfIndex === undefined || on.vfIndex === key.vfIndex) &&
  (on.attribute === undefined || on.attribute === key.attribute);

/** Faults that hit this request; counts it. */
export function takeFaults(state: MachineState, key: FaultKey): Fault[] {
  const hits: Fault[] = [];
  for (const entry of state.core.faults) {
    const { on } = entry.fault;
    if (!matches(on, key)) continue;
    const nth = entry.seen++;
    const skip = on.skip ?? 0;
    if (nth >= skip && nth < skip + (on.times ?? 1)) hits.push(entry.fault);
  }
  return hits;
}

/** The effect of this kind among faults that hit an operation, or null. */
export function effectOf<Kind extends FaultEffect["kind"]>(
  faults: readonly Fault[],
  kind: Kind,
): Extract<FaultEffect, { kind: Kind }> | null {
  for (const { effect } of faults) {
    if (effect.kind === kind) return effect as Extract<FaultEffect, { kind: Kind }>;
  }
  return null;
}
