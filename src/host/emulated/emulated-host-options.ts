// How an emulated host is opened: which machine, where it lives, what goes wrong on it.

import type { Fault } from "./faults.ts";
import type { LockModel, Profile } from "./profile.ts";
import type { MachineStore } from "./store.ts";

export type EmulatedHostOptions = {
  /** Name of a machine (`demo`, `igb-lab`, `dense`, `limit`) or a profile of one's own. */
  readonly name: string | Profile;
  /** File that the machine lives in; null keeps it in memory. */
  readonly statePath: string | null;
  /** A machine in memory that an earlier host left behind; goes before `statePath`. */
  readonly store?: MachineStore;
  /** Machine milliseconds in a real one, for people who watch; absent is "no real time at all". */
  readonly speed?: number;
  /** Replaces the machine's fault plan. */
  readonly faults?: readonly Fault[];
  readonly lockModel?: LockModel;
  /** Makes the machine anew. */
  readonly reset?: boolean;
  /** Folder that stands for the machine's root where other managers' files are concerned. */
  readonly configRoot?: string;
};
