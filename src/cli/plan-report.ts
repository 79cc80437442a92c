// Prints a plan for people: plan/plan-text.ts says the words, this gives them colour.

import type { Plan } from "../model/plan.ts";
import { formatPlan, type Paint } from "../plan/plan-text.ts";
import { clean, type Style, type Tone } from "./style.ts";

const tones = {
  add: "good",
  remove: "bad",
  change: "warn",
  dim: "dim",
  bad: "bad",
  warn: "warn",
  head: "strong",
} as const satisfies Record<Parameters<Paint>[0], Tone>;

export function planLines(plan: Plan, style: Style): string[] {
  // Names of guests and processes are foreign text; the plan's own lines have no control characters.
  const paint: Paint = (look, text) => style(tones[look], clean(text));
  return formatPlan(plan, paint).trimEnd().split("\n");
}
