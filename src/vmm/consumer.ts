// What receives VFs: a VM, a network namespace, a container, a DPDK application. One interface, so that
// attaching is planned, journalled, undone and recovered once (apply/), whoever the consumer is. An
// adapter only plugs, unplugs and looks; it never chooses a VF, binds drivers, programs the PF or leases.

import type { AssignKind } from "../model/assign-target.ts";
import type { Plug } from "../model/plug.ts";
import type { Vlan } from "../model/vf-attribute.ts";

/** What the consumer says of the VF, read back; null where it cannot have or tell it. */
export type Plugged = {
  /** null also where the consumer does not run. */
  readonly isLive: boolean | null;
  readonly isPersistent: boolean | null;
  readonly mac: string | null;
  readonly vlan: Vlan | "none" | null;
  /** The NIC that stands in for it; null: none. Absent: such consumers have no pairs, or cannot tell. */
  readonly failover?: string | null;
  /** How it is there, where such consumers have forms. */
  readonly form?: Plug["form"];
  /** Its name over there: alias, device ID, interface; null while it is not plugged. */
  readonly device: string | null;
  /** For people: `in root port rp2`, `EAL arguments: -a 0000:3b:02.1`. */
  readonly notes: readonly string[];
};

/** Of a consumer that knows no next start. */
export const notPlugged: Plugged = {
  isLive: false,
  isPersistent: null,
  mac: null,
  vlan: null,
  device: null,
  notes: [],
};

/** What stands in the way of a plug, seen without changing anything. */
export type PlugProblem = { readonly message: string; readonly hint: string | null };

/** Of a failover pair: two VFs of one MAC would be one interface to the guest. */
export const oneEachHint = "A NIC stands in for one VF: name another one that can";

/** `pending`: the guest was asked and has not let go within the deadline. */
export type Unplugged =
  | { readonly status: "done" }
  | { readonly status: "pending"; readonly message: string; readonly hint: string | null };

/** Errors: SriovError `not-found` where the consumer is not there, `consumer-refused` with its own
 * words otherwise. */
export interface ConsumerAdapter {
  /** Changes nothing. */
  look(plug: Plug): Promise<Plugged>;
  /** Changes nothing; everything that would make `plug` fail and can be known before. The VF has not
   * got its driver yet, nor the PF its settings. */
  check(plug: Plug): Promise<readonly PlugProblem[]>;
  /** Changes nothing; everything known to keep the consumer from letting go while it runs, and from
   * taking the VF again. */
  checkUnplug(plug: Plug): Promise<readonly PlugProblem[]>;
  /** Idempotent: what is plugged already as asked is left. */
  plug(plug: Plug, deadlineMs: number): Promise<Plugged>;
  /** Idempotent; waits for the guest's consent by event until the deadline. `isForced`: without
   * waiting for it where the consumer has such a way. */
  unplug(
    plug: Plug,
    options: { readonly deadlineMs: number; readonly isForced: boolean },
  ): Promise<Unplugged>;
}

/** The adapter of a kind of consumer; null where there is none. */
export type Consumers = (kind: AssignKind) => Promise<ConsumerAdapter | null>;
