// What a rule is: data and pure functions. A rule looks at a View and gives sightings; the doctor
// (doctor.ts) merges those of one cause into one finding, drops consequences of other findings and
// says what could not be looked at. Adding a rule is adding one entry and its cases.

import type { Need } from "./needs.ts";
import type { Step, System } from "./remedy.ts";
import type { View } from "./view.ts";

export type Severity = "error" | "warning" | "info";

export type RuleGroup =
  | "platform"
  | "device"
  | "driver"
  | "policy"
  | "binding"
  | "vm"
  | "traffic"
  | "security";

/** `host`, a BDF, `BDF/vfN`. */
export type Target = string;

export type Sighting = {
  readonly targets: readonly Target[];
  /** One sentence: what is there, colon, what follows. No final period. */
  readonly says: string;
  /** What was seen, as it was seen. */
  readonly evidence: readonly string[];
  /** Where it differs from the rule's. */
  readonly severity?: Severity;
  readonly fix?: readonly Step[];
  readonly needsReboot?: boolean;
};

export type Rule = {
  readonly id: string;
  readonly group: RuleGroup;
  readonly title: string;
  /** The worst that it says. */
  readonly severity: Severity;
  /** Without one of these the rule is not checked. */
  readonly needs: readonly Need[];
  readonly test: (view: View) => readonly Sighting[];
  /** Why it is as it is, and what comes of it. */
  readonly cause: string;
  readonly fix: (system: System) => readonly Step[];
  readonly needsReboot: boolean;
  /** The authority: kernel file, driver's documentation, paper. */
  readonly reference: string;
  /** Points of the catalogue that it answers: diagnosis rules P01 to T08, audit points S1 to S28. */
  readonly answers: readonly string[];
  /** It tells what happened, not how something is set: a waiver, which accepts a setting, does not
   * accept it. */
  readonly isEvent?: true;
  /** It has something to say of a host without any PF. */
  readonly isAboutAnyHost?: true;
  /** Not shown where one of these is found on the host or on the same PF. */
  readonly consequenceOf?: readonly string[];
};
