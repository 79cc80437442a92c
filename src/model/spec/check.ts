// The rules between keys: names are unique, references lead somewhere, VF sets are disjoint and
// fit their PF, and what is written together makes sense together. Works on what could be read,
// so that one refused value hides no other problem, and a reference into it is not a second one.

import type { Problem } from "../problem.ts";
import { checkSets } from "./check-sets.ts";
import { checkAssignments, checkPolicy, checkUse } from "./check-use.ts";
import type { Places } from "./places.ts";
import { maxProblems } from "./read.ts";
import {
  type Check,
  checkUnique,
  type KnownNames,
  knownNames,
  type LooseAdapter,
  type LoosePf,
  type LooseSpec,
  pfsOf,
  setsOf,
} from "./reference.ts";

const strongKeys = ["permanentMac", "serial", "address"] as const;

/** Written in a match counts, also where it was refused: that is a problem already. */
function hasStrongKey(
  { places }: Check,
  holder: LoosePf | LooseAdapter,
  keys: readonly string[],
): boolean {
  const { match } = holder;
  return match === undefined
    ? places.has(holder, "match")
    : keys.some((key) => places.has(match, key));
}

function checkMatch(check: Check, adapter: LooseAdapter, pf: LoosePf): void {
  const { places, report } = check;
  const name = pf.name ?? "without a name";
  const hasSerial = hasStrongKey(check, pf, ["serial"]) || hasStrongKey(check, adapter, ["serial"]);
  if (pf.match?.port !== undefined && !hasSerial) {
    report({
      code: "weak-match",
      where: places.at(pf.match, "port"),
      message: `PF ${name} matches by port without a serial: wanted a serial here or on the adapter`,
    });
  } else if (!hasSerial && !hasStrongKey(check, pf, strongKeys)) {
    report({
      code: "weak-match",
      where: places.of(pf),
      message: `PF ${name} has no strong key: wanted match with permanentMac, serial or address`,
      hint: "Names and drivers change, and an addressHint may be wrong, so neither is identity",
    });
  }
}

function checkAdapters(check: Check): void {
  const { spec, places, report } = check;
  checkUnique(check, "Adapter", spec.adapters ?? []);
  checkUnique(check, "PF", pfsOf(spec));
  for (const adapter of spec.adapters ?? []) {
    for (const pf of adapter.physicalFunctions ?? []) checkMatch(check, adapter, pf);
  }
  for (const key of ["permanentMac", "address"] as const) {
    const placeByValue = new Map<string, string>();
    for (const { match } of pfsOf(spec)) {
      const value = match?.[key];
      if (match === undefined || value === undefined) continue;
      const where = places.at(match, key);
      const first = placeByValue.get(value);
      if (first === undefined) placeByValue.set(value, where);
      else {
        const message = `${key} ${value} matches two PFs: wanted one, first at ${first}`;
        report({ code: "duplicate-match", where, message });
      }
    }
  }
}

/** All problems between the keys of `spec`, in no particular order. */
export function checkSpec(
  spec: LooseSpec,
  places: Places,
  known: KnownNames = knownNames(spec, places),
): Problem[] {
  const problems: Problem[] = [];
  const report: Check["report"] = (problem) => {
    if (problems.length >= maxProblems) return;
    problems.push(typeof problem === "function" ? problem() : problem);
  };
  const check: Check = { spec, places, known, report };
  checkAdapters(check);
  checkSets(check);
  checkUnique(check, "Pool", spec.pools ?? []);
  for (const policy of Object.values(spec.profiles ?? {})) {
    if (policy !== undefined) checkPolicy(check, policy);
  }
  for (const entry of [...(spec.pools ?? []), ...(spec.virtualFunctions ?? [])]) {
    checkUse(check, entry, setsOf(entry, places));
  }
  for (const entry of spec.assign ?? []) checkUse(check, entry, []);
  checkAssignments(check);
  return problems;
}
