// `who` for people: each user of a function with everything that was seen of it, strongest first,
// what an apply has to name to disrupt it, whose configuration names it beside, and conflicts.

import type { Conflict } from "../model/conflict.ts";
import type { Owner, Pf, Vf } from "../model/inventory.ts";
import type { Reservation } from "../model/reservation.ts";
import { rangesOf } from "../model/vf-range.ts";
import { consentWord } from "../plan/disruption.ts";
import { plural } from "./list-text.ts";
import { clean, type Style } from "./style.ts";
import type { WhoAnswer } from "./who-json.ts";

const netdevNames = ({ netdevs }: Pf | Vf): string[] => netdevs.map(({ name }) => clean(name));

const driverWords = (driver: string | null): string =>
  driver === null ? "no driver" : `driver ${clean(driver)}`;

const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

const signLines = (signs: readonly string[]): string[] => signs.map((sign) => `    ${clean(sign)}`);

function userLines(owner: Owner, style: Style): string[] {
  const { pid, evidence, moreEvidence = [] } = owner;
  const process = pid === null ? "" : style("dim", ` (process ${pid})`);
  const name = style("warn", clean(consentWord(owner)));
  return [`${name}${process}`, ...signLines([evidence, ...moreEvidence])];
}

const roleWords: Readonly<Record<Reservation["role"], string>> = {
  function: "",
  vfs: ", any VF of it",
  shares: ", beside others",
  manages: ", sets the interface up",
};

const reservationLines = (
  { kind, name, manager, role, evidence }: Reservation,
  style: Style,
): string[] => [
  `${clean(kind)}:${clean(name)}${style("dim", ` (${clean(manager)}${roleWords[role]})`)}`,
  ...signLines(evidence),
];

function usedBy({ owners, reservations = [] }: Pf | Vf, style: Style): string[] {
  const users =
    owners.length === 0
      ? ["used by nobody"]
      : ["used by", ...indented(owners.flatMap((owner) => userLines(owner, style)))];
  const lines = reservations.flatMap((each) => reservationLines(each, style));
  return lines.length === 0 ? users : [...users, "configured for", ...indented(lines)];
}

/** Nobody is disrupted whom the consent does not name: say how it is named. */
function consentLines(owners: readonly Owner[], style: Style): string[] {
  const words = [...new Set(owners.map(consentWord))];
  if (words.length === 0) return [];
  const options = words.map((word) => `--allow-disruption ${clean(word)}`).join(" ");
  return ["", style("dim", `An apply that disrupts them needs ${options}`)];
}

const conflictLines = (conflicts: readonly Conflict[], style: Style): string[] =>
  conflicts.length === 0
    ? []
    : ["", ...conflicts.map(({ sentence }) => `${style("bad", "conflict:")} ${clean(sentence)}`)];

function vfText(pf: Pf, vf: Vf, style: Style): string[] {
  const names = [...netdevNames(vf), driverWords(vf.driver)].join(", ");
  const group = vf.iommuGroup === null ? "" : `, IOMMU group ${vf.iommuGroup}`;
  const place = `VF ${vf.vfIndex} of ${[pf.address, ...netdevNames(pf)].join(" ")}`;
  return [
    `${style("strong", `VF ${vf.address}`)}  ${style("dim", `${place}, ${names}${group}`)}`,
    ...usedBy(vf, style),
    ...consentLines(vf.owners, style),
  ];
}

const isOfInterest = ({ owners, reservations = [] }: Vf): boolean =>
  owners.length > 0 || reservations.length > 0;

function vfLines(vf: Vf, style: Style): string[] {
  const [first = "", ...rest] = usedBy(vf, style);
  return [`vf${vf.vfIndex} ${style("dim", clean(vf.address))} ${first}`, ...indented(rest)];
}

function pfText(pf: Pf, style: Style): string[] {
  const names = [...netdevNames(pf), driverWords(pf.driver), plural(pf.numVfs, "VF")].join(", ");
  const free = pf.virtualFunctions.filter((vf) => !isOfInterest(vf));
  const lines = [
    ...pf.virtualFunctions.filter(isOfInterest).flatMap((vf) => vfLines(vf, style)),
    ...(free.length === 0
      ? []
      : [`vf${rangesOf(free.map(({ vfIndex }) => vfIndex))} used by nobody`]),
  ];
  const vfOwners = pf.virtualFunctions.flatMap(({ owners }) => owners);
  return [
    `${style("strong", `PF ${pf.address}`)}  ${style("dim", names)}`,
    ...usedBy(pf, style),
    ...(lines.length === 0 ? [] : ["", ...lines]),
    ...consentLines([...pf.owners, ...vfOwners], style),
  ];
}

export const whoText = ({ pf, vf, conflicts }: WhoAnswer, style: Style): string[] => [
  ...(vf === null ? pfText(pf, style) : vfText(pf, vf, style)),
  ...conflictLines(conflicts, style),
];
