// `sriovctl import`: a spec of what the host has, to start from or to keep. Importing and then
// planning is empty.

import { closeSync, openSync, rmSync, writeFileSync } from "node:fs";
import { fullInventory } from "../../host/host.ts";
import { SriovError } from "../../model/errors.ts";
import { formatSpec } from "../../model/spec-format.ts";
import { importSpec } from "../../plan/import.ts";
import { errnoOf, writeErrorOf } from "../../model/file-error.ts";
import { attachedPlugs } from "../attaching.ts";
import { withHost, type RunCommand } from "../context.ts";
import { problemSentence } from "../logger.ts";

export const importFormat = "sriovctl-import/1";

export const importCommand: RunCommand = async (context, args) => {
  const from = args.text("from");
  if (from !== null) {
    const { importFrom } = await import("../import-from.ts");
    return await importFrom(context, args, from);
  }
  if (args.operands.length > 0) {
    throw new SriovError(
      "usage",
      `Cannot import ${args.operands[0]}: whose file it is was not said`,
      {
        operation: "import",
        target: args.operands[0] ?? "",
        hint: "Name the manager with --from",
      },
    );
  }
  const inventory = await withHost(context, (host) => host.inventory(fullInventory));
  const plugs = await attachedPlugs(context.hostPaths.leaseFile);
  const document = importSpec(inventory, plugs);
  const head = `What ${inventory.host.name} has, as sriovctl import found it`;
  const text = formatSpec(document, { "": head });
  for (const problem of inventory.problems) {
    context.log.warn(problemSentence(problem), problem.hint);
  }
  const out = args.text("out");
  if (out === null) {
    context.print(...text.trimEnd().split("\n"));
  } else {
    writeNew(out, text);
    context.log.note(`Wrote ${out}; see that it changes nothing with: sriovctl plan -f ${out}`);
  }
  context.printJson({ format: importFormat, host: inventory.host.name, spec: document });
  return 0;
};

/** Refuses to overwrite: a spec is somebody's work. */
export function writeNew(path: string, text: string, mode = 0o666): void {
  try {
    const descriptor = openSync(path, "wx", mode);
    try {
      writeFileSync(descriptor, text);
    } catch (error) {
      // A part of it is no spec, and would stand in the way of the next try.
      rmSync(path, { force: true });
      throw error;
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    const isThere = errnoOf(cause) === "EEXIST";
    const reason = isThere ? "it exists already" : writeErrorOf(cause);
    throw new SriovError("usage", `Cannot write ${path}: ${reason}`, {
      operation: "write spec",
      target: path,
      hint: isThere ? "Name another file, or remove this one first" : "Check the folder",
      cause,
    });
  }
}
