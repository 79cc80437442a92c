// `sriovctl drift -f SPEC`: does the host still have what the spec says? The comparison is the
// plan itself; exit code 4 when it is not empty, 2 when the spec means what the host does not have.

import { readingOf } from "../attaching.ts";
import { exitCodeOf } from "../../model/errors.ts";
import { plural } from "../list-text.ts";
import { withHost, type RunCommand } from "../context.ts";
import { problemJson } from "../inventory-json.ts";
import { planJson } from "../plan-json.ts";
import { planLines } from "../plan-report.ts";
import {
  exitCodeOfPendingReboot,
  exitCodeOfPlan,
  isEmptyPlan,
  isRefusal,
  isWaiting,
  planOn,
} from "../planning.ts";
import { parseSource, readSpecSource } from "../spec-source.ts";

const driftFormat = "sriovctl-drift/1";

export const drift: RunCommand = async (context, args) => {
  const spec = parseSource(readSpecSource(args));
  const { plan: found } = await withHost(context, (host) =>
    planOn(host, spec, { around: readingOf(context, host) }),
  );
  // Whom a repair would hit is the repair's question.
  const plan = { ...found, problems: found.problems.filter((problem) => !isRefusal(problem)) };
  const { empty, actions, problems, unverifiable } = planJson(plan);
  const waiting = plan.warnings.filter(isWaiting);
  const rest = { actions, problems, unverifiable, waiting: waiting.map(problemJson) };
  context.printJson({ format: driftFormat, drift: !empty, ...rest });
  for (const { message, hint } of waiting) context.log.warn(message, hint);
  if (isEmptyPlan(plan)) {
    const unseen = plan.unverifiable.length;
    context.print(
      context.style("good", "No drift: the host is as the spec says"),
      ...(unseen === 0 ? [] : [`${unseen} attribute(s) are not reported by the driver`]),
    );
    return 0;
  }
  context.print(...planLines({ ...plan, losses: [], warnings: [] }, context.style));
  if (problems.length > 0) {
    const [first] = problems;
    const count = plural(problems.length, "problem");
    const exitCode = exitCodeOfPlan(plan);
    context.log.error(`${whatFor(exitCode)}: ${count}`, first?.hint ?? undefined);
    return exitCode;
  }
  context.log.error(
    "The host differs from the spec",
    "Run sriovctl apply to bring it back, or sriovctl import to keep what it has",
  );
  return exitCodeOf("drift");
};

function whatFor(exitCode: number): string {
  if (exitCode === exitCodeOfPendingReboot)
    return "The host is not as the spec says until its next boot";
  return exitCode === 3 ? "Somebody else has PFs of the spec" : "The spec does not fit the host";
}
