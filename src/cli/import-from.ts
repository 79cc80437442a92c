// `sriovctl import --from MANAGER [PATH...]`: a spec of what another network manager sets up, from
// the host's own configuration or from files that are named. What did not get into it is said, and
// part of the JSON document.

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { isNameOf, readClaimsOf } from "../coexist/claims.ts";
import type { ConfigFile } from "../coexist/config-file.ts";
import { fullInventory } from "../host/host.ts";
import type { Claim } from "../model/claim.ts";
import { SriovError } from "../model/errors.ts";
import type { Problem } from "../model/problem.ts";
import { formatSpec } from "../model/spec-format.ts";
import { importable, type Importable, isImportable } from "../plan/co-owned.ts";
import { importClaims } from "../plan/import-claims.ts";
import { importFormat, writeNew } from "./commands/import.ts";
import { type Arguments, type Context, withHost } from "./context.ts";
import { problemJson } from "./inventory-json.ts";
import { problemSentence } from "./logger.ts";
import { maxFileBytes, readText } from "./read-file.ts";

export async function importFrom(context: Context, args: Arguments, from: string): Promise<number> {
  if (!isImportable(from)) {
    const message = `Cannot import from ${from}: wanted ${importable.join(", ")}`;
    throw new SriovError("usage", message, { operation: "import", target: from });
  }
  const files = args.operands.length === 0 ? null : filesIn(args.operands, from);
  const inventory = await withHost(context, (host) =>
    host.inventory({ ...fullInventory, claims: files === null }),
  );
  const named = files === null ? null : readClaimsOf(from, files);
  const ofHost = inventory.claims?.filter(({ manager }) => manager === from) ?? [];
  const claims: readonly Claim[] = named?.claims ?? ofHost;
  const { document, comments, left } = importClaims(inventory, claims);
  const problems: readonly Problem[] = [...inventory.problems, ...(named?.problems ?? []), ...left];
  for (const problem of problems) context.log.warn(problemSentence(problem), problem.hint);
  if (document.adapters?.length === 0) throw nothingFound(from, args.operands);
  const head = `What ${from} sets up on ${inventory.host.name}, as sriovctl import found it`;
  const text = formatSpec(document, { "": head, ...comments });
  const out = args.text("out");
  if (out === null) context.print(...text.trimEnd().split("\n"));
  else {
    writeNew(out, text);
    context.log.note(`Wrote ${out}; remove these settings from ${from} before you apply it`);
  }
  const host = inventory.host.name;
  const leftJson = left.map(problemJson);
  context.printJson({ format: importFormat, host, spec: document, from, left: leftJson });
  return 0;
}

function nothingFound(from: Importable, paths: readonly string[]): SriovError {
  const where = paths.length === 0 ? "its files" : paths.join(" ");
  const message = `Cannot import from ${from}: nothing in ${where} sets up VFs of a PF of this host`;
  const hint = "See sriovctl list for the PFs of this host";
  return new SriovError("not-found", message, { operation: "import", target: from, hint });
}

const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** The files that were named; of a folder those that count, and those of its drop-in folders. */
function filesIn(paths: readonly string[], manager: Importable): ConfigFile[] {
  return paths.flatMap((path): ConfigFile[] => {
    if (!isFolder(path)) return [{ path, text: readText(path, maxFileBytes) }];
    return readdirSync(path)
      .sort()
      .flatMap((name) => {
        const inside = join(path, name);
        if (isFolder(inside)) return name.endsWith(".d") ? filesIn([inside], manager) : [];
        return isNameOf(manager, name)
          ? [{ path: inside, text: readText(inside, maxFileBytes) }]
          : [];
      });
  });
}
