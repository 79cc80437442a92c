// The table of all rules, in the order in which findings of equal severity are shown: what stands in
// the way of everything comes first.

import { bindingRules } from "./binding.ts";
import { deviceRules } from "./device.ts";
import { driverRules } from "./driver.ts";
import { isolationRules } from "./isolation.ts";
import { kernelLogRules } from "./kernel-log.ts";
import { platformRules } from "./platform.ts";
import { policyRules } from "./policy.ts";
import { reservationRules } from "./reservations.ts";
import type { Rule } from "./rule.ts";
import { hostSecurityRules } from "./security-host.ts";
import { pfSecurityRules } from "./security-pf.ts";
import { vfSecurityRules } from "./security-vf.ts";
import { trafficRules } from "./traffic.ts";
import { vmRules } from "./vm.ts";

export const ruleTable: readonly Rule[] = [
  ...platformRules,
  ...isolationRules,
  ...deviceRules,
  ...driverRules,
  ...kernelLogRules,
  ...policyRules,
  ...bindingRules,
  ...vmRules,
  ...reservationRules,
  ...trafficRules,
  ...hostSecurityRules,
  ...pfSecurityRules,
  ...vfSecurityRules,
];
