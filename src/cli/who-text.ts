// `who` for people: each user of a function with everything that was seen of it, strongest first,
// and what an apply has to name to disrupt it.

import type { Owner, Pf, Vf } from "../model/inventory.ts";
import { rangesOf } from "../model/vf-range.ts";
import { consentWord } from "../plan/disruption.ts";
import { plural } from "./list-text.ts";
import { clean, type Style } from "./style.ts";

const netdevNames = ({ netdevs }: Pf | Vf): string[] => netdevs.map(({ name }) => clean(name));

const driverWords = (driver: string | null): string =>
  driver === null ? "no driver" : `driver ${clean(driver)}`;

function userLines(owner: Owner, style: Style): string[] {
  const { pid, evidence, moreEvidence = [] } = owner;
  const process = pid === null ? "" : style("dim", ` (process ${pid})`);
  return [
    `${style("warn", clean(consentWord(owner)))}${process}`,
    ...[evidence, ...moreEvidence].map((sign) => `    ${clean(sign)}`),
  ];
}

const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

const usedBy = ({ owners }: Pf | Vf, style: Style): string[] =>
  owners.length === 0
    ? ["used by nobody"]
    : ["used by", ...indented(owners.flatMap((owner) => userLines(owner, style)))];

/** Nobody is disrupted whom the consent does not name: say how it is named. */
function consentLines(owners: readonly Owner[], style: Style): string[] {
  const words = [...new Set(owners.map(consentWord))];
  if (words.length === 0) return [];
  const options = words.map((word) => `--allow-disruption ${clean(word)}`).join(" ");
  return ["", style("dim", `An apply that disrupts them needs ${options}`)];
}

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

function pfText(pf: Pf, style: Style): string[] {
  const names = [...netdevNames(pf), driverWords(pf.driver), plural(pf.numVfs, "VF")].join(", ");
  const used = pf.virtualFunctions.filter(({ owners }) => owners.length > 0);
  const free = pf.virtualFunctions.filter(({ owners }) => owners.length === 0);
  const vfLines = used.flatMap((vf) => [
    `vf${vf.vfIndex} ${style("dim", vf.address)} ${usedBy(vf, style)[0]}`,
    ...usedBy(vf, style).slice(1),
  ]);
  const freeVfs = `vf${rangesOf(free.map(({ vfIndex }) => vfIndex))} used by nobody`;
  return [
    `${style("strong", `PF ${pf.address}`)}  ${style("dim", names)}`,
    ...usedBy(pf, style),
    ...(pf.numVfs === 0 ? [] : ["", ...vfLines, ...(free.length === 0 ? [] : [freeVfs])]),
    ...consentLines([...pf.owners, ...used.flatMap(({ owners }) => owners)], style),
  ];
}

export const whoText = (pf: Pf, vf: Vf | null, style: Style): string[] =>
  vf === null ? pfText(pf, style) : vfText(pf, vf, style);
