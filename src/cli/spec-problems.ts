// A spec, or another file that a person writes, that does not parse, with every problem of its
// text. Apart from spec-source.ts because commands know it without loading the YAML parser.

import { SriovError } from "../model/errors.ts";
import type { Problem } from "../model/problem.ts";

export class SpecProblems extends SriovError {
  constructor(source: string, problems: readonly Problem[], kind = "spec") {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super("spec-problems", `Cannot use ${source}: it has ${count}`, {
      operation: `parse ${kind}`,
      target: source,
      hint: `Correct the ${kind} where the problems point`,
      problems,
    });
  }
}
