// What consumers have and are to have, as the planner needs it: VFs that are attached, by their leases, and
// the spec's `assign` entries with the VF that each has or would get. Whoever makes it has asked leases and
// consumers; it claims nothing.

import type { Plug } from "./plug.ts";

export type Assignment = {
  /** As the spec has it: `libvirt:web1/net1`. */
  readonly to: string;
  readonly plug: Plug;
  /** The consumer says so. */
  readonly isPlugged: boolean;
  /** What it has instead on the same PF, another VF or this one on other terms, and gives up for it; null: nothing. */
  readonly from: Plug | null;
  /** What it means for the consumer, where it has not got it yet: `a VF pins all 2048 MiB ...`. */
  readonly notes: readonly string[];
};

/** An entry that nothing is attached for now, and why. */
export type WaitingEntry = { readonly to: string; readonly message: string; readonly hint: string };

/** What a consumer has and would be without for a while. */
export type HandOver = {
  readonly plug: Plug;
  /** Why it cannot let go of it while it runs; empty where it can. */
  readonly refusals: readonly { readonly message: string; readonly hint: string | null }[];
};

export type Holdings = {
  /** Of VFs that are attached now. */
  readonly plugs: readonly Plug[];
  readonly assignments: readonly Assignment[];
  readonly waiting: readonly WaitingEntry[];
  /** Where that was agreed to: all that consumers really have; empty otherwise. */
  readonly handOvers: readonly HandOver[];
};
