// How this program starts itself again: as a checkout, as a bundle under Node, or as the single
// executable, which has no script to name.

import { join, resolve } from "node:path";

/** Whether this is the single executable: Node and the program in one file. */
export const isSingleExecutable = (): boolean =>
  process.getBuiltinModule("node:sea")?.isSea() === true;

/** The words before its own arguments. A checkout is started by its shim, a bundle by itself. */
export function ownCommand(): readonly [command: string, ...commandArguments: string[]] {
  if (isSingleExecutable()) return [process.execPath];
  // Word for word: a build puts something else in the place of import.meta.filename.
  const isCheckout = import.meta.filename.endsWith(".ts");
  const script = isCheckout
    ? join(import.meta.dirname, "..", "..", "..", "bin", "sriovctl.js")
    : resolve(process.argv[1] ?? import.meta.filename);
  return [process.execPath, script];
}
