// `sriovctl plan -f SPEC`: what apply would do. Exit code 0 when nothing is in the way.

import { writeFileSync } from "node:fs";
import { SriovError } from "../../model/errors.ts";
import type { Spec } from "../../model/spec.ts";
import { consentOf } from "../consent.ts";
import { writeErrorOf } from "../../model/file-error.ts";
import { withHost, type Context, type RunCommand } from "../context.ts";
import { planJson, planJsonOfProblems } from "../plan-json.ts";
import { actionTable, planLines } from "../plan-report.ts";
import { exitCodeOfPlan, planOn } from "../planning.ts";
import { formatSavedPlan, savedPlanOf } from "../saved-plan.ts";
import { SpecProblems } from "../spec-problems.ts";
import { parseSource, readSpecSource, type SpecSource } from "../spec-source.ts";

export const planCommand: RunCommand = async (context, args) => {
  const consent = consentOf(args);
  const source = readSpecSource(args);
  const spec = parseForPlan(source, context);
  const { plan, inventory } = await withHost(context, (host) => planOn(host, spec, consent));
  context.printJson(planJson(plan));
  if (context.log.level !== "normal") context.print(...actionTable(plan), "");
  context.print(...planLines(plan, context.style));
  const out = args.text("out");
  const exitCode = exitCodeOfPlan(plan);
  if (out === null) return exitCode;
  if (exitCode !== 0) {
    context.log.warn(`${out} was not written: a plan with problems cannot be applied`);
    return exitCode;
  }
  writePlan(out, formatSavedPlan(savedPlanOf(source, consent, inventory, plan.actions)));
  context.log.note(`Saved in ${out}; run it with: sriovctl apply ${out}`);
  return exitCode;
};

function parseForPlan(source: SpecSource, context: Context): Spec {
  try {
    return parseSource(source);
  } catch (error) {
    if (error instanceof SpecProblems) context.printJson(planJsonOfProblems(error.problems));
    throw error;
  }
}

function writePlan(path: string, text: string): void {
  try {
    // It says who uses what on this host: nobody else's business.
    writeFileSync(path, text, { mode: 0o600 });
  } catch (cause) {
    const detail = { operation: "write plan", target: path, cause };
    throw new SriovError("file-unreadable", `Cannot write ${path}: ${writeErrorOf(cause)}`, detail);
  }
}
