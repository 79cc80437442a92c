// What a plan is made of. An action is data: it can be printed, saved, journalled and run later,
// by another process, and so can its inverse. Targets are a BDF, `BDF/vfN`, or `host`.

import type { Address } from "./bdf.ts";
import type { EswitchMode, Owner } from "./inventory.ts";
import type { Plug } from "./plug.ts";
import type { DriverChoice } from "./spec.ts";
import type { VfAttribute } from "./vf-attribute.ts";

/** One change of the host. `pf` groups actions: serial inside a PF, PFs side by side. */
export type Change =
  | { readonly kind: "load-module"; readonly module: string }
  | { readonly kind: "set-eswitch-mode"; readonly pf: Address; readonly mode: EswitchMode }
  | { readonly kind: "set-admin-state"; readonly pf: Address; readonly isUp: boolean }
  | { readonly kind: "set-mtu"; readonly pf: Address; readonly mtu: number }
  | { readonly kind: "set-autoprobe"; readonly pf: Address; readonly isOn: boolean }
  /** Every VF of the PF goes. */
  | { readonly kind: "remove-vfs"; readonly pf: Address }
  /** From 0 to `numVfs`; done when all have arrived. */
  | { readonly kind: "create-vfs"; readonly pf: Address; readonly numVfs: number }
  | {
      readonly kind: "set-vf";
      readonly pf: Address;
      readonly vfIndex: number;
      readonly attribute: VfAttribute;
    }
  | {
      readonly kind: "set-msix-count";
      readonly pf: Address;
      readonly vfIndex: number;
      readonly msixCount: number;
    }
  /** Ends with the VF on this driver, or on none. */
  | {
      readonly kind: "bind-driver";
      readonly pf: Address;
      readonly vfIndex: number;
      readonly driver: DriverChoice;
    }
  /** A further name of the VF's netdev; nothing to do where it has none. */
  | {
      readonly kind: "set-alt-name";
      readonly pf: Address;
      readonly vfIndex: number;
      readonly altName: string;
      readonly isPresent: boolean;
    }
  /** What the kernel does with a new VF by itself; whether a driver takes it is nobody's wish. */
  | { readonly kind: "probe-vf"; readonly pf: Address; readonly vfIndex: number }
  /** The PF itself, without VFs then: ends with it on this driver, or on none. */
  | { readonly kind: "bind-pf"; readonly pf: Address; readonly driver: DriverChoice }
  /** The whole device into a VM, and out of it again: `plug.vf` is the PF. */
  | { readonly kind: "attach-pf"; readonly pf: Address; readonly plug: Plug }
  | { readonly kind: "detach-pf"; readonly pf: Address; readonly plug: Plug }
  /** Into its consumer, and out of it again: each is the other's inverse. */
  | PlugStep<"attach-vf">
  | PlugStep<"detach-vf">;

type PlugStep<Kind extends string> = {
  readonly kind: Kind;
  readonly pf: Address;
  readonly vfIndex: number;
  readonly plug: Plug;
};

export type PlugChange = PlugStep<"attach-vf"> | PlugStep<"detach-vf">;

export type ChangeKind = Change["kind"];

/** Changes of one PF or of a VF of it. */
export type PfChange = Exclude<Change, { readonly kind: "load-module" }>;

export const isPfChange = (change: Change): change is PfChange => "pf" in change;

export type VfChange = Extract<PfChange, { readonly vfIndex: number }>;

export const isOnVf = (change: Change): change is VfChange => "vfIndex" in change;

export const isPlugChange = (change: Change): change is PlugChange =>
  change.kind === "attach-vf" || change.kind === "detach-vf";

export type WholeChange = Extract<Change, { readonly kind: "attach-pf" | "detach-pf" }>;

/** A user of a function that an action hits. */
export type Disruption = Pick<Owner, "kind" | "name"> & {
  /** BDF of the PF or `BDF/vfN` of the VF that it uses. */
  readonly target: string;
  readonly evidence: string;
};

export type Action = {
  /** Unique in its plan, stable between printing and running: `a1`, `a2` ... */
  readonly id: string;
  readonly change: Change;
  /** BDF, `BDF/vfN` or `host`. */
  readonly target: string;
  /** Adapter that a problem would leave untouched (`PlanProblem.adapter`); null for the host. */
  readonly adapter: string | null;
  /** A sentence for people. */
  readonly because: string;
  readonly disrupts: readonly Disruption[];
  /** `BDF/vfN` of every VF that the change takes away; absent where it takes none. */
  readonly removes?: readonly string[];
  /** Runs in this order and brings back what a spec can say, plus bindings. */
  readonly inverse: readonly Change[];
};
