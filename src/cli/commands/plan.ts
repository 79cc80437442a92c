// `sriovctl plan -f SPEC`: what apply would do. Exit code 0 when nothing is in the way.

import { readingOf } from "../attaching.ts";
import { writeFileSync } from "node:fs";
import { SriovError } from "../../model/errors.ts";
import type { Host } from "../../host/host.ts";
import type { Consent } from "../../model/plan.ts";
import type { Spec } from "../../model/spec.ts";
import { consentOf } from "../consent.ts";
import { writeErrorOf } from "../../model/file-error.ts";
import { withHost, type Context, type RunCommand } from "../context.ts";
import { planJson, planJsonOfProblems } from "../plan-json.ts";
import { actionTable, planLines } from "../plan-report.ts";
import { exitCodeOfPlan, planOn, type Planned } from "../planning.ts";
import { formatSavedPlan, savedPlanOf } from "../saved-plan.ts";
import { SpecProblems } from "../spec-problems.ts";
import { parseSource, readSpecSource, type SpecSource } from "../spec-source.ts";

export const planCommand: RunCommand = async (context, args) => {
  const consent = consentOf(args);
  const source = readSpecSource(args);
  const spec = parseForPlan(source, context);
  const { planned, rehearsal } = await withHost(context, async (host) => {
    const planned = await planOn(host, spec, { consent, around: readingOf(context, host) });
    const { actions, problems } = planned.plan;
    const isAsked = args.isSet("rehearse") && problems.length === 0 && actions.length > 0;
    const rehearsal = isAsked ? await rehearsed(context, host, { spec, consent, planned }) : null;
    return { planned, rehearsal };
  });
  const { plan, inventory } = planned;
  context.printJson({
    ...planJson(plan),
    ...(rehearsal === null ? {} : { rehearsal: rehearsal.json }),
  });
  if (context.log.level !== "normal") context.print(...actionTable(plan), "");
  context.print(...planLines(plan, context.style));
  if (rehearsal !== null) context.print("", ...rehearsal.lines);
  const out = args.text("out");
  const exitCode = rehearsal?.isBad === true ? 1 : exitCodeOfPlan(plan);
  if (out === null) return exitCode;
  if (exitCode !== 0) {
    context.log.warn(
      `${out} was not written: ${rehearsal?.isBad === true ? "its rehearsal did not succeed" : "a plan with problems cannot be applied"}`,
    );
    return exitCode;
  }
  writePlan(out, formatSavedPlan(savedPlanOf(source, consent, inventory, plan.actions)));
  context.log.note(`Saved in ${out}; run it with: sriovctl apply ${out}`);
  return exitCode;
};

type Rehearsing = { readonly spec: Spec; readonly consent: Consent; readonly planned: Planned };

async function rehearsed(context: Context, host: Host, rehearsing: Rehearsing) {
  const { rehearse, rehearsalJson, rehearsalLines, wouldSucceed } = await import("../rehearse.ts");
  const rehearsal = await rehearse(context, host, rehearsing);
  const isBad = !wouldSucceed(rehearsal);
  return { json: rehearsalJson(rehearsal), lines: rehearsalLines(rehearsal), isBad };
}

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
