// The life of a lease as a pure state machine: who has a VF, since when, and in which generation.
//
//   free -> claimed -> prepared -> attached -> releasing -> free       any but attached -> quarantined
//
// Each change of hands raises the generation. Whoever acts for a holder says the generation that it
// was given, so one that was away while the VF went to somebody else is refused, not believed.

import { vfTarget, type Address } from "../model/bdf.ts";
import type { Plug } from "../model/plug.ts";

export const leaseStates = [
  "free",
  "claimed", // somebody's; it is being made ready
  "prepared", // ready, nobody has opened it
  "attached", // in use by its holder
  "releasing", // given back, being cleaned
  "quarantined", // could not be made ready or cleaned: nobody gets it
] as const;

export type LeaseState = (typeof leaseStates)[number];

/** A VF by what stays when cards move, and where it was when last seen. */
export type VfPlace = {
  /** Key of the PF (candidates.ts `pfKeysOf`). */
  readonly pfKey: string;
  readonly vfIndex: number;
  readonly pf: Address;
  readonly address: Address;
};

export type Holder = {
  /** `KIND:NAME`, for example `vm:web1`. */
  readonly name: string;
  /** Process with whose end the lease loses its holder; null: nobody looks. */
  readonly pid: number | null;
};

export type Lease = {
  readonly vf: VfPlace;
  readonly state: LeaseState;
  /** 0 before the first claim. */
  readonly generation: number;
  /** null while free or quarantined. */
  readonly holder: Holder | null;
  readonly pool: string | null;
  /** Boot in which its last event came: process IDs of another one mean nothing. */
  readonly bootId: string | null;
  /** When it came into this state, milliseconds since 1970. */
  readonly sinceMs: number;
  /** null: it does not expire. */
  readonly expiresAtMs: number | null;
  /** How its holder has it, if it was attached; null: nobody said. */
  readonly plug: Plug | null;
  /** Process that makes the VF ready or cleans it. */
  readonly worker: number | null;
  readonly reason: string;
  /** What was seen of a quarantined VF. */
  readonly evidence: readonly string[];
};

export type LeaseEvent =
  | {
      readonly kind: "claim";
      readonly holder: Holder;
      readonly pool: string | null;
      readonly expiresAtMs: number | null;
      readonly worker: number;
    }
  | { readonly kind: "prepared"; readonly generation: number }
  /** The holder has it now, whatever becomes of the process that got it for it. Again: otherwise. */
  | { readonly kind: "attached"; readonly generation: number; readonly plug: Plug | null }
  | { readonly kind: "renew"; readonly generation: number; readonly expiresAtMs: number | null }
  /** By its holder. */
  | { readonly kind: "release"; readonly generation: number; readonly worker: number }
  /** By the operator, from whoever has it; also takes over what a dead worker left. */
  | { readonly kind: "revoke"; readonly worker: number }
  | { readonly kind: "freed"; readonly generation: number }
  | {
      readonly kind: "quarantine";
      readonly generation: number;
      readonly evidence: readonly string[];
    }
  /** The host has no such VF any more. */
  | { readonly kind: "vanished" }
  /** The same VF has other addresses now. */
  | { readonly kind: "moved"; readonly pf: Address; readonly address: Address };

type LeaseEventKind = LeaseEvent["kind"];

/** What surrounds an event. */
export type Moment = {
  readonly nowMs: number;
  readonly bootId: string | null;
  readonly reason: string;
};

export type HistoryEntry = {
  readonly atMs: number;
  readonly vf: VfPlace;
  readonly event: LeaseEventKind;
  readonly from: LeaseState;
  readonly to: LeaseState;
  readonly generation: number;
  /** Of whom it is after a claim and before everything else. */
  readonly holder: string | null;
  readonly reason: string;
  readonly evidence: readonly string[];
};

type Step = { readonly lease: Lease; readonly entry: HistoryEntry };

/** Why an event cannot be: `stale` is a holder of the past, `state` anything else. */
type Refusal = { readonly why: "stale" | "state"; readonly message: string };

export const freeLease = (vf: VfPlace): Lease => ({
  vf,
  state: "free",
  generation: 0,
  holder: null,
  pool: null,
  bootId: null,
  sinceMs: 0,
  expiresAtMs: null,
  worker: null,
  plug: null,
  reason: "",
  evidence: [],
});

/** The holder has its VF, or it is ready for it. */
export const isInHand = ({ state }: Pick<Lease, "state">): boolean =>
  state === "prepared" || state === "attached";

export type AttachedLease = Lease & { readonly plug: Plug };

/** Somebody has it, perhaps only in the configuration of something that does not run. */
export const isPluggedIn = (lease: Lease): lease is AttachedLease =>
  lease.state === "attached" && lease.plug !== null;

const held: readonly LeaseState[] = ["claimed", "prepared", "attached"];

/** The states in which each event may come, its verb for refusals, and the state that it leads to;
 * null: the same. */
const rules: {
  readonly [Kind in LeaseEventKind]: {
    readonly from: readonly LeaseState[];
    readonly to: LeaseState | null;
    readonly verb: string;
  };
} = {
  claim: { from: ["free"], to: "claimed", verb: "claim" },
  prepared: { from: ["claimed"], to: "prepared", verb: "call prepared" },
  attached: { from: ["prepared", "attached"], to: "attached", verb: "attach" },
  renew: { from: held, to: null, verb: "renew" },
  release: { from: held, to: "releasing", verb: "release" },
  revoke: { from: [...held, "releasing", "quarantined"], to: "releasing", verb: "take back" },
  freed: { from: ["releasing"], to: "free", verb: "free" },
  quarantine: {
    from: ["free", "claimed", "prepared", "releasing"],
    to: "quarantined",
    verb: "quarantine",
  },
  vanished: { from: [...held, "releasing", "quarantined"], to: "free", verb: "forget" },
  moved: { from: leaseStates, to: null, verb: "move" },
};

/** After these nobody who knew the lease before may act on it. */
const raising: ReadonlySet<LeaseEventKind> = new Set(["claim", "revoke", "quarantine", "vanished"]);

export const targetOf = ({ pf, vfIndex }: VfPlace): string => vfTarget(pf, vfIndex);

/** `is prepared for vm:web1 in generation 3`. */
export function leaseWords({ state, holder, generation }: Lease): string {
  const whose = holder === null ? "" : ` for ${holder.name}`;
  return `is ${state}${whose} in generation ${generation}`;
}

function refusalOf(lease: Lease, event: LeaseEvent): Refusal | null {
  const { from, verb } = rules[event.kind];
  const cannot = `Cannot ${verb} ${targetOf(lease.vf)}`;
  if ("generation" in event && event.generation !== lease.generation) {
    const message = `${cannot} in generation ${event.generation}: it ${leaseWords(lease)}`;
    return { why: "stale", message };
  }
  if (from.includes(lease.state)) return null;
  return { why: "state", message: `${cannot}: it ${leaseWords(lease)}, wanted ${from.join(", ")}` };
}

/** Who has the lease after the event, on what terms, and who works on it. */
type Terms = Pick<Lease, "holder" | "pool" | "expiresAtMs" | "worker" | "plug" | "evidence">;

const nobody: Terms = {
  holder: null,
  pool: null,
  expiresAtMs: null,
  worker: null,
  plug: null,
  evidence: [],
};

function termsAfter(lease: Lease, event: LeaseEvent): Terms {
  const { holder, pool, expiresAtMs, worker, plug, evidence } = lease;
  switch (event.kind) {
    case "claim": {
      const { holder, pool, expiresAtMs, worker } = event;
      return { holder, pool, expiresAtMs, worker, plug: null, evidence: [] };
    }
    case "prepared":
      return { holder, pool, expiresAtMs, worker: null, plug, evidence };
    case "attached": {
      const { plug } = event;
      const its = holder === null ? null : { ...holder, pid: plug === null ? holder.pid : null };
      return { holder: its, pool, expiresAtMs, worker: null, plug, evidence };
    }
    case "renew":
      return { holder, pool, expiresAtMs: event.expiresAtMs, worker, plug, evidence };
    case "release":
    case "revoke":
      // It does not expire while it is cleaned, and whose it was helps whoever finds it so.
      return { holder, pool, expiresAtMs: null, worker: event.worker, plug, evidence };
    case "quarantine":
      return { ...nobody, pool, evidence: event.evidence };
    case "freed":
    case "vanished":
      return nobody;
    case "moved":
      return { holder, pool, expiresAtMs, worker, plug, evidence };
  }
}

/** What becomes of a lease. Nothing about it changes when the event is refused. */
export function stepLease(lease: Lease, event: LeaseEvent, moment: Moment): Step | Refusal {
  const refusal = refusalOf(lease, event);
  if (refusal !== null) return refusal;
  const { nowMs, bootId, reason } = moment;
  const to = rules[event.kind].to ?? lease.state;
  const vf =
    event.kind === "moved" ? { ...lease.vf, pf: event.pf, address: event.address } : lease.vf;
  const next: Lease = {
    ...termsAfter(lease, event),
    vf,
    state: to,
    generation: lease.generation + (raising.has(event.kind) ? 1 : 0),
    bootId,
    sinceMs: to === lease.state ? lease.sinceMs : nowMs,
    reason,
  };
  const entry: HistoryEntry = {
    atMs: nowMs,
    vf,
    event: event.kind,
    from: lease.state,
    to,
    generation: next.generation,
    holder: (next.holder ?? lease.holder)?.name ?? null,
    reason,
    evidence: event.kind === "quarantine" ? event.evidence : [],
  };
  return { lease: next, entry };
}
