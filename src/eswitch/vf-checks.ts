// What a VF's own port checks before a frame is let in: source MAC and tag. Each answer is a stage of
// the decision, with what was looked at and the authority where a driver's behaviour decides.

import type { Vlan } from "../model/vf-attribute.ts";
import type { Tag } from "./frame.ts";
import type { Certainty, SwitchState, VfPort } from "./switch-state.ts";

type StageName =
  | "mode"
  | "link"
  | "classify"
  | "size"
  | "mac-check"
  | "vlan-check"
  | "tag"
  | "lookup"
  | "delivery";

export type Stage = {
  readonly name: StageName;
  /** What was looked at. */
  readonly looked: string;
  /** What came of it, and why. */
  readonly found: string;
  /** Whether the frame goes on from here; `no` ends it. */
  readonly certainty: Certainty;
  /** Where the knowledge of a driver comes from. */
  readonly reference: string | null;
};

export type Step = Omit<Stage, "reference"> & { readonly reference?: string };

/** Vlan 0 with priority 0 is no port VLAN: the guest's own tags pass. */
export const isPortVlan = (vlan: Vlan): boolean => vlan.id !== 0 || vlan.qos !== 0;

const macStep = (
  certainty: Certainty,
  looked: string,
  found: string,
  reference?: string,
): Step => ({
  name: "mac-check",
  looked,
  found,
  certainty,
  ...(reference === undefined ? {} : { reference }),
});

/** The anti-spoofing of one VF for a source that is not null. */
export function checkMac({ traits }: SwitchState, vf: VfPort, source: string): Step {
  const own = vf.mac === null ? "its MAC is not known" : `its MAC is ${vf.mac}`;
  const looked = `source ${source}, spoof check ${onOff(vf.spoofCheck)}, ${own}`;
  if (vf.mac === source) return macStep("yes", looked, "the source is the VF's own");
  if (vf.spoofCheck === null) {
    return macStep("unknown", looked, "whether the spoof check is on is not known");
  }
  if (!vf.spoofCheck) return macStep("yes", looked, "any source may pass");
  if (vf.mac === null) return macStep("unknown", looked, "there is nothing to compare with");
  const { value, reference } = traits.checksOneMac;
  if (value === null) {
    const found = `which addresses the check of ${traits.driver} allows is not known`;
    return macStep("unknown", looked, found);
  }
  if (value) return macStep("no", looked, "the source is not the VF's MAC: spoofed", reference);
  // Who has an administrator's MAC and no trust cannot register another one.
  if (vf.hasReportedMac && vf.trust === false) {
    const found = "the source is not the VF's MAC, and without trust it may have no other: spoofed";
    return macStep("no", looked, found, reference);
  }
  const found = "passes if the guest has registered this MAC with the PF; otherwise spoofed";
  return macStep("if", looked, found, reference);
}

const onOff = (value: boolean | null): string =>
  value === null ? "not known" : value ? "on" : "off";

export const tagText = ({ id, qos, protocol }: Tag): string =>
  `${id}${qos === 0 ? "" : ` priority ${qos}`}${protocol === "802.1q" ? "" : ` (${protocol})`}`;

/** A VF without a port VLAN: its guest tags, as far as the check lets it. */
export function checkOwnTag({ traits }: SwitchState, vf: VfPort, tag: Tag): Step {
  const looked = `tag ${tagText(tag)} from the guest, spoof check ${onOff(vf.spoofCheck)}`;
  const step = (certainty: Certainty, found: string, reference?: string): Step => ({
    name: "vlan-check",
    looked,
    found,
    certainty,
    ...(reference === undefined ? {} : { reference }),
  });
  const { value, reference } = traits.checksVlan;
  if (tag.id === 0) return step("yes", "a priority tag is in no VLAN");
  if (vf.spoofCheck === false) return step("yes", "the VF has no port VLAN: its own tags pass");
  if (value === false) return step("yes", "the spoof check is not about VLANs", reference);
  if (value === null || vf.spoofCheck === null) {
    return step("unknown", `whether ${traits.driver} checks the VLAN here is not known`);
  }
  const found = `passes if the guest has an interface in VLAN ${tag.id}, whose driver asks the PF for it`;
  return step("if", found, reference);
}

export const hexType = (etherType: number): string =>
  `0x${etherType.toString(16).padStart(4, "0")}`;
