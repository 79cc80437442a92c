// The policy of a VF that a consumer has: as it was given to it, which may be otherwise than its pool says.

import type { Plug } from "../model/plug.ts";
import type { PolicySpec } from "../model/spec.ts";

export const heldPolicy = (
  policy: PolicySpec,
  { mac, vlan }: Pick<Plug, "mac" | "vlan">,
): PolicySpec => ({
  ...policy,
  ...(mac === null ? {} : { mac }),
  ...(vlan === null && policy.vlan === undefined ? {} : { vlan: vlan ?? "none" }),
});
