// A plan as people read it: per PF the changes with their reasons, equal changes of neighbouring
// VFs on one line, then who would be hit, what would be lost, and what stands in the way. Plain
// text; the CLI adds colour by `paint`.

import type { Action, Change } from "../model/action.ts";
import { formatAssignTarget } from "../model/assign-target.ts";
import { pendingReboot, type Plan } from "../model/plan.ts";
import { bindingWords } from "./creation.ts";
import { rangesOf } from "../model/vf-range.ts";
import { settingWords } from "./vf-policy.ts";

/** How a piece of the text is to look; the default leaves it plain. */
export type Paint = (
  style: "add" | "remove" | "change" | "dim" | "bad" | "warn" | "head",
  text: string,
) => string;

const plain: Paint = (_style, text) => text;

type Line = { readonly sign: "+" | "-" | "~"; readonly words: string };

function lineOf(change: Change): Line {
  switch (change.kind) {
    case "load-module":
      return { sign: "+", words: `load module ${change.module}` };
    case "set-eswitch-mode":
      return { sign: "~", words: `set eswitch mode ${change.mode}` };
    case "set-admin-state":
      return { sign: "~", words: `set the PF ${change.isUp ? "up" : "down"}` };
    case "set-mtu":
      return { sign: "~", words: `set MTU ${change.mtu}` };
    case "set-autoprobe":
      return { sign: "~", words: `set autoprobe ${change.isOn ? "on" : "off"}` };
    case "remove-vfs":
      return { sign: "-", words: "remove all VFs" };
    case "create-vfs":
      return { sign: "+", words: `create ${change.numVfs} VFs` };
    case "set-vf":
      return { sign: "~", words: `set ${settingWords(change.attribute)}` };
    case "set-msix-count":
      return { sign: "~", words: `set ${change.msixCount} MSI-X vectors` };
    case "bind-driver":
      return { sign: "~", words: `bind to ${bindingWords(change.driver)}` };
    case "set-alt-name": {
      const { altName, isPresent } = change;
      return { sign: isPresent ? "+" : "-", words: `alternative name ${altName}` };
    }
    case "probe-vf":
      return { sign: "~", words: "let the kernel probe it" };
    case "bind-pf":
      return { sign: "~", words: `bind the PF to ${bindingWords(change.driver)}` };
    case "attach-pf":
      return {
        sign: "+",
        words: `attach all of it to ${formatAssignTarget(change.plug.consumer)}`,
      };
    case "detach-pf":
      return { sign: "-", words: `detach it from ${formatAssignTarget(change.plug.consumer)}` };
    case "attach-vf": {
      const { consumer, failover, ipAddresses } = change.plug;
      const pair = failover === null ? "" : `, ${failover} standing in for it`;
      const addresses = ipAddresses.length === 0 ? "" : ` with ${ipAddresses.join(", ")}`;
      return { sign: "+", words: `attach to ${formatAssignTarget(consumer)}${addresses}${pair}` };
    }
    case "detach-vf":
      return { sign: "-", words: `detach from ${formatAssignTarget(change.plug.consumer)}` };
  }
}

/** The reason without the setting that it begins with: the line says it already. */
function reasonOf({ change, because }: Action): string {
  const setting = change.kind === "set-vf" ? `${settingWords(change.attribute)}: ` : "";
  return because.startsWith(setting) ? because.slice(setting.length) : because;
}

/** `create 8 VFs`, `set vlan 120`: the change without its target. */
export const changeWords = (change: Change): string => lineOf(change).words;

/** What each VF has of its own, with the words before it: those that come for one reason are shown
 * as one line. */
function ownOf(change: Change): Own | null {
  if (change.kind === "set-alt-name") return { words: "alternative name", value: change.altName };
  const isMac = change.kind === "set-vf" && change.attribute.name === "mac";
  return isMac ? { words: "set mac", value: change.attribute.mac } : null;
}

type Own = { readonly words: string; readonly value: string };

/** What equal changes of many VFs have in common: `set mac` without the MAC. */
export const commonWords = (change: Change): string => ownOf(change)?.words ?? changeWords(change);

type Group = {
  readonly line: Line;
  readonly because: string;
  readonly vfIndexes: number[];
  readonly own: Own[];
};

function groupWords({ line, own }: Group): string {
  const [first, ...others] = own;
  const last = others.at(-1);
  if (first === undefined || last === undefined) return line.words;
  return `${first.words}s ${first.value} ... ${last.value}`;
}

/** Neighbouring actions that say the same of different VFs become one line. */
function groupsOf(actions: readonly Action[]): Group[] {
  const groups: Group[] = [];
  const byText = new Map<string, Group>();
  for (const action of actions) {
    const { change } = action;
    const because = reasonOf(action);
    const line = lineOf(change);
    const vfIndex = "vfIndex" in change ? change.vfIndex : null;
    const own = ownOf(change);
    const key = `${line.sign}${own?.words ?? line.words}\n${because}`;
    const known = vfIndex === null ? undefined : byText.get(key);
    if (known !== undefined && vfIndex !== null) {
      known.vfIndexes.push(vfIndex);
      if (own !== null) known.own.push(own);
      continue;
    }
    const vfIndexes = vfIndex === null ? [] : [vfIndex];
    const group = { line, because, vfIndexes, own: own === null ? [] : [own] };
    // A PF-wide step ends the grouping: what comes after it must not appear before it.
    if (vfIndex === null) byText.clear();
    else byText.set(key, group);
    groups.push(group);
  }
  return groups;
}

const signStyle = { "+": "add", "-": "remove", "~": "change" } as const;

function pfOf({ change, target }: Action): string {
  return "pf" in change ? change.pf : target;
}

function actionLines(actions: readonly Action[], paint: Paint): string[] {
  const byPf = Map.groupBy(actions, pfOf);
  return [...byPf].flatMap(([pf, ofPf]) => [
    paint("head", pf),
    ...groupsOf(ofPf).map((group) => {
      const { line, because, vfIndexes } = group;
      const vfs = vfIndexes.length === 0 ? "" : `VF ${rangesOf(vfIndexes)}: `;
      const sign = paint(signStyle[line.sign], line.sign);
      return `  ${sign} ${vfs}${groupWords(group)}  ${paint("dim", `(${because})`)}`;
    }),
  ]);
}

function disruptionLines(actions: readonly Action[], paint: Paint): string[] {
  const users = actions.flatMap(({ disrupts }) => disrupts);
  const lines = new Set(
    users.map(({ kind, name, target, evidence }) => {
      return `  ${paint("bad", `${kind}:${name}`)} on ${target}  ${paint("dim", `(${evidence})`)}`;
    }),
  );
  return lines.size === 0 ? [] : ["", paint("head", "Disrupts"), ...lines];
}

function section(title: string, lines: readonly string[], paint: Paint): string[] {
  return lines.length === 0 ? [] : ["", paint("head", title), ...lines.map((line) => `  ${line}`)];
}

/** One line for each attribute of a PF's VFs, however many they are. */
function unverifiableWords(unverifiable: Plan["unverifiable"]): string[] {
  const groups = Map.groupBy(unverifiable, ({ target, attribute }) => {
    return `${attribute} of ${target.replace(/\/vf\d+$/, "")}`;
  });
  return [...groups].map(([words, members]) => {
    const indexes = members.map(({ target }) => Number(/\/vf(\d+)$/.exec(target)?.[1] ?? -1));
    const vfs = indexes.includes(-1) ? "" : ` VF ${rangesOf(indexes)}`;
    return `${words}${vfs}: not reported`;
  });
}

const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? "" : "s"}`;

/** `handing over 2 VFs, ` where VFs are taken from their consumers and given back. */
function handOverWords(actions: readonly Action[]): string {
  const targetsOf = (kind: Change["kind"]): string[] =>
    actions.flatMap(({ change, target, disrupts }) =>
      change.kind === kind && disrupts.length === 0 ? [target] : [],
    );
  const back = new Set(targetsOf("attach-vf"));
  const numVfs = targetsOf("detach-vf").filter((target) => back.has(target)).length;
  return numVfs === 0 ? "" : `handing over ${counted(numVfs, "VF")}, `;
}

/** `62 actions on 3 PFs, disrupting nobody`. */
export function summaryOf({ actions, problems }: Plan): string {
  if (problems.length > 0 && problems.every(({ code }) => code === pendingReboot)) {
    const rest =
      actions.length === 0 ? "" : `; ${counted(actions.length, "action")} could be done now`;
    return `Pending reboot: nothing will be done to the adapters concerned until then${rest}`;
  }
  if (problems.length > 0) {
    return `${counted(problems.length, "problem")}: nothing will be done to the adapters concerned`;
  }
  if (actions.length === 0) return "Nothing to do: the host is as the spec says";
  const pfs = new Set(actions.flatMap(({ change }) => ("pf" in change ? [change.pf] : [])));
  const hits = actions.flatMap(({ disrupts }) =>
    disrupts.map(({ kind, name }) => `${kind}:${name}`),
  );
  const users = hits.length === 0 ? "nobody" : [...new Set(hits)].join(", ");
  const begin = `${counted(actions.length, "action")} on ${counted(pfs.size, "PF")}`;
  return `${begin}, ${handOverWords(actions)}disrupting ${users}`;
}

/** The whole plan; ends with one line that sums it up. */
export function formatPlan(plan: Plan, paint: Paint = plain): string {
  const { actions, problems, warnings, losses, unverifiable } = plan;
  const problemLines = problems.flatMap(({ where, message, hint }) => [
    `${paint("bad", where)}: ${message}`,
    ...(hint === undefined ? [] : [paint("dim", `  ${hint}`)]),
  ]);
  const lines = [
    ...actionLines(actions, paint),
    ...disruptionLines(actions, paint),
    ...section(
      "Lost for good",
      losses.map(({ sentence }) => sentence),
      paint,
    ),
    ...section("Cannot be verified", unverifiableWords(unverifiable), paint),
    ...section(
      "Warnings",
      warnings.map(({ where, message }) => `${where}: ${message}`),
      paint,
    ),
    ...section("Problems", problemLines, paint),
    "",
    problems.length > 0 ? paint("bad", summaryOf(plan)) : summaryOf(plan),
  ];
  return `${lines.join("\n").trimStart()}\n`;
}
