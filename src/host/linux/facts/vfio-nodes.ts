// Who may open VFs that wait for guests: mode and owner of the VFIO nodes. A program says it, because
// nothing else that a capture keeps does.

import type { VfioNodeFacts } from "../../../model/host-facts.ts";
import type { Inventory } from "../../../model/inventory.ts";
import type { FactSources } from "./fact-reader.ts";
import { textOf } from "./fact-reader.ts";

/** As many as fit into one command line. */
const nodesMax = 2000;

/** `600 0:0 /dev/vfio/41`, one a line: numbers, because names of users are nobody's business. */
export function parseStat(text: string): VfioNodeFacts[] {
  return text.split("\n").flatMap((line) => {
    const [, mode, owner, path] =
      /^([0-7]{1,4}) ([0-9]{1,10}:[0-9]{1,10}) (\/dev\/vfio\/\S+)$/.exec(line) ?? [];
    if (mode === undefined || owner === undefined || path === undefined) return [];
    return [{ path, mode: Number.parseInt(mode, 8), owner }];
  });
}

/** null: a program could not be asked. */
export async function readVfioNodes(
  sources: FactSources,
  { physicalFunctions }: Inventory,
): Promise<readonly VfioNodeFacts[] | null> {
  const { run, reader, paths } = sources;
  if (run === null) return null;
  const functions = physicalFunctions.flatMap((pf) => [pf, ...pf.virtualFunctions]);
  const groups = new Set(functions.flatMap(({ iommuGroup }) => iommuGroup ?? []));
  const { length: numProblems } = reader.problems;
  const present = reader.namesIfThere(paths.vfioNodes);
  // A folder that is not in an old capture is not an empty one.
  if (reader.problems.length > numProblems) return null;
  const wanted = present.filter((name) =>
    groups.has(Number(/^(?:noiommu-)?([0-9]+)$/.exec(name)?.[1])),
  );
  if (wanted.length === 0) return [];
  const nodes = wanted.slice(0, nodesMax).map((name) => `/dev/vfio/${name}`);
  const text = await textOf(sources, ["stat", "-c", "%a %u:%g %n", ...nodes]);
  return text === null ? null : parseStat(text);
}
