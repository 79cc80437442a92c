// What the doctor looks at, read from a host: the whole inventory, the facts, and what the spec wants
// of the PFs that are here. The spec is the one that was named, or those of the configuration folder.

import { conflictsOn } from "../coexist/conflicts.ts";
import type { Wanted, Evidence } from "../doctor/view.ts";
import { fullInventory, type Host } from "../host/host.ts";
import { vfTarget } from "../model/bdf.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Spec } from "../model/spec.ts";
import { matchPfs } from "../plan/match.ts";
import { wantedPfs } from "../plan/wanted.ts";
import type { Arguments, Context } from "./context.ts";
import { readSpecDirectory } from "./spec-directory.ts";
import { parseSource, readSource } from "./spec-source.ts";

function wantedOf(spec: Spec, inventory: Inventory): Wanted {
  const { wanted } = wantedPfs(spec, matchPfs(spec, inventory).matched);
  return {
    physicalFunctions: wanted.map(({ pf, spec: { name, numVfs = null } }) => ({
      address: pf.address,
      name,
      numVfs,
    })),
    waivers: wanted.flatMap(({ pf, vfs }) =>
      [...vfs.values()].flatMap(({ vfIndex, policy: { waive } }) =>
        waive === undefined ? [] : [{ target: vfTarget(pf.address, vfIndex), ...waive }],
      ),
    ),
  };
}

/** null: there is none. Throws SpecProblems for one that was named. */
function specFor({ paths, log }: Context, args: Arguments): Spec | null {
  const named = args.text("file");
  if (named !== null) return parseSource(readSource(named));
  const { files, merged } = readSpecDirectory(paths.configDir);
  if (files.length === 0) return null;
  if (merged.problems.length > 0) {
    log.warn(`Specs of ${paths.configDir} have problems: sriovctl status shows them`);
  }
  return merged.spec;
}

/** Each claim is laid to each PF. A host has a few thousand pairs; what has more is no host. */
const pairsMax = 1_000_000;

/** Without the claims where there are too many, and with the gap that says so. */
function boundedClaims({ inventory, facts }: Pick<Evidence, "inventory" | "facts">) {
  const { claims = [], physicalFunctions, host, bridges, loadedDrivers, problems } = inventory;
  if (claims.length * physicalFunctions.length <= pairsMax) return { inventory, facts };
  const why = `${claims.length} claims on ${physicalFunctions.length} PFs are more than a host has`;
  const gaps = ["claims of managers", "reservations"].map((source) => ({ source, why }));
  return {
    inventory: { host, physicalFunctions, bridges, loadedDrivers, problems },
    facts: { ...facts, gaps: [...gaps, ...facts.gaps] },
  };
}

/** null: what others reserve could not be looked at. */
function conflictsIn({ physicalFunctions, claims = [], reservedElsewhere }: Inventory) {
  if (reservedElsewhere === undefined) return null;
  return physicalFunctions.flatMap((pf) => conflictsOn(pf, claims));
}

export async function readEvidence(
  host: Host,
  context: Context,
  args: Arguments,
): Promise<Evidence> {
  const spec = specFor(context, args);
  const options = { ...fullInventory, claims: true, reservations: "everything" } as const;
  const first = await host.inventory(options);
  // Overrides are read for those that are asked for.
  const detailOf = first.physicalFunctions.map(({ address }) => address);
  const read = await host.inventory({ ...options, detailOf });
  const { inventory, facts } = boundedClaims({ inventory: read, facts: await host.facts(read) });
  const wanted = spec === null ? null : wantedOf(spec, inventory);
  return { inventory, facts, wanted, conflicts: conflictsIn(inventory) };
}
