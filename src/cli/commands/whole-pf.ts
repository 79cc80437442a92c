// `sriovctl attach --whole PF --to VM` and `detach VM/DEVICE --whole PF`: the complete device instead of a VF,
// with the same plan, journal and way back. There is no lease: the census says who has it.

import { adapterFor, faultOf, isPlugged } from "../../apply/plugging.ts";
import {
  assertSound,
  consumersOf,
  lookAgain,
  runPlug,
  type Attaching,
} from "../../apply/plug-run.ts";
import { assertNothingUnfinished, readOwnJournals } from "../../apply/session.ts";
import { fullInventory } from "../../host/host.ts";
import {
  formatAssignTarget,
  type AssignKind,
  type AssignTarget,
} from "../../model/assign-target.ts";
import { SriovError } from "../../model/errors.ts";
import type { Inventory, Pf } from "../../model/inventory.ts";
import type { Plan } from "../../model/plan.ts";
import type { Plug } from "../../model/plug.ts";
import { givenUpWith, planWhole, planWholeBack } from "../../plan/whole-pf.ts";
import type { Plugged } from "../../vmm/consumer.ts";
import { printReport, reportJson } from "../apply-report.ts";
import { confirm, withProgress } from "../changing.ts";
import { consentOf } from "../consent.ts";
import type { Arguments, Context } from "../context.ts";
import { planJson } from "../plan-json.ts";
import { planLines } from "../plan-report.ts";
import { consumerOf, plugTermsOf, usage } from "../plug-wish.ts";
import { namedFunctions } from "../spec-labels.ts";
import { clean } from "../style.ts";

const kinds: readonly AssignKind[] = ["libvirt", "qemu", "pve"];

/** Options that are about a VF. */
const ofVfs = ["pool", "mac", "vlan", "qos", "failover", "form"];

type Found = { readonly inventory: Inventory; readonly pf: Pf };

async function findPf(context: Context, args: Arguments, { host }: Attaching): Promise<Found> {
  const name = args.text("whole") ?? "";
  const search = await host.inventory({ ...fullInventory, census: false });
  const { pf, vf } = await namedFunctions(context, args, search)(name);
  if (vf !== null) throw usage("attach", `Cannot give all of ${name}: it is a VF, wanted a PF`);
  const inventory = await host.inventory({ ...fullInventory, detailOf: [pf.address] });
  const now = inventory.physicalFunctions.find(({ address }) => address === pf.address);
  return { inventory, pf: now ?? pf };
}

/** Throws `usage`. */
function plugOf(args: Arguments, { address }: Pf, consumer: AssignTarget): Plug {
  if (!kinds.includes(consumer.kind)) {
    const message = `Cannot give a whole PF to ${formatAssignTarget(consumer)}: wanted a VM`;
    throw usage("attach", message, `One of ${kinds.join(", ")}`);
  }
  const wrong = ofVfs.find((option) => args.text(option) !== null);
  if (wrong !== undefined) {
    throw usage("attach", `Cannot use --${wrong} with --whole: it is about VFs`);
  }
  const form = consumer.kind === "libvirt" ? ("hostdev" as const) : null;
  const terms = { ...plugTermsOf(args, consumer), mac: null, vlan: null, form };
  return { ...terms, consumer, pf: address, vfIndex: 0, vf: address };
}

async function leasedOf({ readLeases }: Attaching, { address }: Pf) {
  const leases = (await readLeases?.()) ?? [];
  return leases.flatMap(({ vf, state, holder }) =>
    vf.pf === address && state !== "free" && holder !== null
      ? [{ vfIndex: vf.vfIndex, holder: holder.name }]
      : [],
  );
}

type Doing = {
  readonly plug: Plug;
  readonly plan: Plan;
  readonly inventory: Inventory;
  readonly question: string;
  /** What the VM says of it when it is as asked. */
  readonly isThere: (plugged: Plugged | null) => boolean;
  /** `is with`, before the VM's name. */
  readonly isNow: string;
};

const documentOf = ({ pf, consumer }: Plug) => ({
  format: "sriovctl-whole-pf/1",
  pf,
  consumer: formatAssignTarget(consumer),
});

function nothingToDo(context: Context, plug: Plug, words: string): number {
  context.printJson({ ...documentOf(plug), outcome: "nothing-to-do" });
  context.print(`Nothing to do: ${clean(formatAssignTarget(plug.consumer))} ${words} ${plug.pf}`);
  return 0;
}

/** Shows, asks, does it in a journal, and asks the VM what it has. */
async function carryOut(
  context: Context,
  args: Arguments,
  session: Attaching,
  { plug, plan, inventory, question, isThere, isNow }: Doing,
): Promise<number> {
  const to = formatAssignTarget(plug.consumer);
  context.print(...planLines(plan, context.style), "");
  const document = documentOf(plug);
  const isRefused = plan.problems.length > 0;
  if (args.isSet("dry-run") || isRefused) {
    const planned = planJson(plan);
    context.printJson({ ...document, outcome: planned.outcome, plan: planned });
    const [problem] = plan.problems;
    if (problem !== undefined) context.log.error("Nothing was changed", problem.hint);
    return isRefused ? 3 : 0;
  }
  if (!args.isSet("yes") && !(await confirm(context, question))) {
    context.log.note("Nothing was changed");
    return 3;
  }
  assertSound(plan, "attach PF");
  const consent = consentOf(args);
  const { commandLine: command } = context;
  const report = await withProgress(context, plan.actions, false, (options) =>
    runPlug(session, plan, { ...options, consent, command }, inventory),
  );
  const plugged = await lookAgain(session, plug);
  const isWell = report.outcome === "done" && isThere(plugged);
  context.printJson({ ...document, outcome: report.outcome, apply: reportJson(report) });
  if (!isWell) printReport(context, report, ["done"]);
  if (isWell) context.print(`${context.style("strong", plug.pf)} ${isNow} ${clean(to)}`);
  return isWell ? 0 : 1;
}

export async function attachWhole(
  context: Context,
  args: Arguments,
  session: Attaching,
): Promise<number> {
  assertNothingUnfinished(await readOwnJournals(session));
  if (args.operands.length > 0) {
    throw usage("attach", "Cannot attach a VF and a whole PF: wanted one of them");
  }
  const consumer = consumerOf(args.text("to"));
  const found = await findPf(context, args, session);
  const plug = plugOf(args, found.pf, consumer);
  const to = formatAssignTarget(consumer);
  const adapter = await adapterFor(plug, consumersOf(session));
  const plugged = await adapter.look(plug);
  if (faultOf(plug, plugged) === null) return nothingToDo(context, plug, "has all of");
  const leased = await leasedOf(session, found.pf);
  const plan = planWhole({ ...found, plug, consent: consentOf(args), leased });
  const [obstacle] = plan.problems.length > 0 ? [] : await adapter.check(plug);
  if (obstacle !== undefined) {
    const message = `Cannot give all of ${plug.pf} to ${to}: ${obstacle.message}`;
    const { hint } = obstacle;
    const detail = { operation: "attach PF", target: to, ...(hint === null ? {} : { hint }) };
    throw new SriovError("consumer-refused", message, detail);
  }
  context.print(
    `All of ${context.style("strong", plug.pf)} for ${clean(to)}. Against a VF that gives up:`,
  );
  for (const sentence of givenUpWith(found)) context.print(`  - ${clean(sentence)}`);
  for (const note of plugged.notes) context.print(`  - ${clean(note)}`);
  context.print("");
  const question = `Give all of ${plug.pf} to ${to}?`;
  const isThere = (now: Plugged | null): boolean => now !== null && isPlugged(now);
  return await carryOut(context, args, session, {
    ...found,
    plug,
    plan,
    question,
    isThere,
    isNow: "is with",
  });
}

export async function detachWhole(
  context: Context,
  args: Arguments,
  session: Attaching,
): Promise<number> {
  assertNothingUnfinished(await readOwnJournals(session));
  const [target = ""] = args.operands;
  const consumer = consumerOf(target);
  const found = await findPf(context, args, session);
  const plug = plugOf(args, found.pf, consumer);
  const plugged = await (await adapterFor(plug, consumersOf(session))).look(plug);
  if (!isPlugged(plugged) && found.pf.driver !== "vfio-pci") {
    return nothingToDo(context, plug, "has not got");
  }
  const plan = planWholeBack({ ...found, plug, consent: consentOf(args) });
  const question = `Take ${plug.pf} from ${target}?`;
  const isThere = (now: Plugged | null): boolean => now === null || !isPlugged(now);
  return await carryOut(context, args, session, {
    ...found,
    plug,
    plan,
    question,
    isThere,
    isNow: "is back from",
  });
}
