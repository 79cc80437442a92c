// Prints a plan for people: plan/plan-text.ts says the words, this gives them colour.

import type { Plan } from "../model/plan.ts";
import { changeWords, formatPlan, type Paint } from "../plan/plan-text.ts";
import { clean, type Style, type Tone } from "./style.ts";
import { alignRows } from "./table.ts";

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
  const paint: Paint = (look, text) => style(tones[look], clean(text));
  return formatPlan(plan, paint).trimEnd().split("\n");
}

/** Every action on a line of its own, for -v: its id in the journal, and how much undoing it takes. */
export const actionTable = ({ actions }: Plan): string[] =>
  alignRows(
    actions.map(({ id, target, change, inverse }) => [
      `  ${id}`,
      target,
      changeWords(change),
      inverse.length === 0 ? "" : `undone by ${inverse.map(changeWords).join(", ")}`,
    ]),
  );
