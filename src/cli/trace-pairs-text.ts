// The reachability of all pairs for people: who cannot be told apart shares a row and a column, so
// that 256 VFs are a table of a few lines; below it the leaks, counted by who is concerned.

import type { AllPairs, Endpoint, Leak, Reach } from "../eswitch/all-pairs.ts";
import type { SwitchState } from "../eswitch/switch-state.ts";
import { rangesOf } from "../model/vf-range.ts";
import { plural } from "./list-text.ts";
import { clean, cleanLine, type Style } from "./style.ts";
import { alignRows } from "./table.ts";

const letters = { yes: "yes", if: "if", unknown: "?", no: "-" } as const;

const letterOf = (reach: Reach = null): string =>
  reach === null ? "" : letters[reach.certainty] + (reach.tag === null ? "" : ` @${reach.tag}`);

const labelOf = ({ kind, vlan, tenant }: Endpoint): string =>
  [kind, vlan, tenant].map(String).join("\0");

/** Endpoints of one kind, VLAN and tenant that reach and are reached alike. */
function classesOf({ endpoints, reach }: AllPairs): number[][] {
  const rowOf = (index: number, other: number): string =>
    endpoints
      .map((_, at) => (at === index || at === other ? "" : letterOf(reach[index]?.[at])))
      .join(",");
  const columnOf = (index: number, other: number): string =>
    endpoints
      .map((_, at) => (at === index || at === other ? "" : letterOf(reach[at]?.[index])))
      .join(",");
  const classes: number[][] = [];
  endpoints.forEach((endpoint, index) => {
    const found = classes.find(([first = 0]) => {
      const representative = endpoints[first];
      return (
        representative !== undefined &&
        labelOf(representative) === labelOf(endpoint) &&
        rowOf(first, index) === rowOf(index, first) &&
        columnOf(first, index) === columnOf(index, first)
      );
    });
    if (found === undefined) classes.push([index]);
    else found.push(index);
  });
  return classes;
}

function className(members: readonly Endpoint[]): string {
  const vfs = members.flatMap(({ vfIndex }) => (vfIndex === null ? [] : [vfIndex]));
  const [first] = members;
  return vfs.length > 0 ? `vf${rangesOf(vfs)}` : (first?.name ?? "");
}

function aboutClass([first]: readonly Endpoint[]): string {
  if (first === undefined) return "";
  const { kind, vlan, tenant, mac } = first;
  const place = vlan === null ? "VLAN ?" : vlan === 0 ? "" : `VLAN ${vlan}`;
  const words = [kind === "vf" ? place : "", tenant ?? "", mac === null ? "MAC not known" : ""];
  return words.filter((word) => word !== "").join(", ");
}

/** Within a class: what one member reaches of another. */
function cellOf({ reach }: AllPairs, from: readonly number[], to: readonly number[]): string {
  const [sender = -1] = from;
  const receiver = to.find((index) => index !== sender);
  return receiver === undefined ? "" : letterOf(reach[sender]?.[receiver]);
}

/** What is certain comes first. */
const shownLeaks = 20;

function leakLines(leaks: readonly Leak[], style: Style): string[] {
  const groups = new Map<string, Leak[]>();
  for (const leak of leaks) {
    const { from, to, certainty, tag, because } = leak;
    const key = [from.tenant, to.tenant, certainty, tag, because].join("\0");
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [leak]);
    else group.push(leak);
  }
  const isSure = ([leak]: readonly Leak[]): boolean => leak?.certainty === "yes";
  const all = [...groups.values()];
  const sorted = [...all.filter(isSure), ...all.filter((group) => !isSure(group))];
  const rest = sorted.length - shownLeaks;
  const more = rest > 0 ? [`and ${plural(rest, "more group")} of pairs: --json has them all`] : [];
  return [...sorted.slice(0, shownLeaks).map((group) => leakLine(group, style)), ...more];
}

function leakLine(group: readonly Leak[], style: Style): string {
  const [first] = group;
  if (first === undefined) return "";
  const { from, to, certainty, tag, because } = first;
  const why = because === "owners" ? "different owners" : "different VLANs";
  const how = [
    certainty === "if" ? "perhaps" : null,
    tag === null ? null : `by tagging ${tag} itself`,
    group.length === 1 ? null : plural(group.length, "pair"),
  ].filter((word) => word !== null);
  const pair = `${from.tenant} (${from.name}) reaches ${to.tenant} (${to.name})`;
  return `${style("bad", "LEAK")}  ${clean(pair)}: ${[why, ...how].join(", ")}`;
}

export function pairsText(state: SwitchState, pairs: AllPairs, style: Style): string[] {
  const classes = classesOf(pairs);
  const membersOf = (indexes: readonly number[]): Endpoint[] =>
    indexes.flatMap((index) => pairs.endpoints[index] ?? []);
  const names = classes.map((indexes) => className(membersOf(indexes)));
  const rows = classes.map((indexes, at) => [
    `${at + 1}`,
    `${names[at]}`,
    style("dim", aboutClass(membersOf(indexes))),
    ...classes.map((others) => cellOf(pairs, indexes, others)),
  ]);
  // Columns are numbered like the rows: names would make the table too wide.
  const numbers = names.map((_, at) => style("dim", `${at + 1}`));
  const heading = ["", style("dim", "from \\ to"), "", ...numbers];
  const { leaks } = pairs;
  const about = `${state.pf}, ${state.traits.driver}, ${state.mode}`;
  const found =
    leaks.length === 0
      ? style("good", "no leak between tenants")
      : style("bad", `${plural(leaks.length, "pair")} of tenants that reach each other`);
  return [
    `${style("strong", state.name)}  ${style("dim", about)}: ${found}`,
    "",
    ...alignRows([heading, ...rows]),
    ...(leaks.length === 0 ? [] : ["", ...leakLines(leaks, style)]),
  ].map((line) => cleanLine(line));
}
