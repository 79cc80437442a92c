// Rules made of the table of log lines: a line is laid to the PF or VF that it names. What a device
// logged that is no PF or VF here is not ours; a line without any address is the host's.

import type { LogRow } from "./kernel-log-lines.ts";
import { logRows } from "./kernel-log-lines.ts";
import type { Rule, Sighting, Target } from "./rule.ts";
import type { View } from "./view.ts";
import type { Pf } from "../model/inventory.ts";
import { vfTarget } from "../model/bdf.ts";

const addressPattern = /\b[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]\b/g;

/** `VF 3`, `VF# 3`, `VF number 0x03`. */
const vfPattern = /\bVF(?: number|#)? (0x[0-9a-f]+|\d+)\b(?! VFs)/;

type Place = { readonly target: Target; readonly pf: Pf | null };

/** null: of a device that is none of ours. */
function placeOf(view: View, line: string): Place | null {
  const addresses: readonly string[] = line.match(addressPattern) ?? [];
  if (addresses.length === 0) return { target: "host", pf: null };
  const places = addresses.flatMap((address) => view.placeAt(address) ?? []);
  const vf = places.find((place) => place.vf !== null);
  if (vf?.vf) return { target: vfTarget(vf.pf.address, vf.vf.vfIndex), pf: vf.pf };
  const pf = places[0]?.pf;
  if (pf === undefined) return null;
  const number = vfPattern.exec(line)?.[1];
  const target = number === undefined ? pf.address : vfTarget(pf.address, Number(number));
  return { target, pf };
}

function sightingsOf(row: LogRow, view: View): Sighting[] {
  return view.logged(row.pattern).flatMap((line): Sighting[] => {
    const place = placeOf(view, line);
    if (place === null) return [];
    const { target, pf } = place;
    const base = { targets: [target], evidence: [line] };
    const isOver = row.isOverWithVfs === true && pf !== null && pf.numVfs > 0;
    if (!isOver) return [{ ...base, says: `${row.title}, says the kernel's log` }];
    const says = `${row.title}, says the kernel's log; there are VFs now, so it is over`;
    return [{ ...base, says, severity: "info", fix: [], needsReboot: false }];
  });
}

const ruleOf = (row: LogRow): Rule => ({
  ...row,
  needs: ["kernel-log"],
  isEvent: true,
  needsReboot: row.needsReboot ?? false,
  test: (view) => sightingsOf(row, view),
});

export const kernelLogRules: readonly Rule[] = logRows.map(ruleOf);
