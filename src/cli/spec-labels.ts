// Labels of a spec where a PF or VF is to be named: `p0/3`, `vf:p0/3`, `pf:p0`. What the host itself
// calls so comes first; only then is a spec read, the one that was named or those of the
// configuration folder, so that a trace without labels never loads the YAML parser.

import { parseBdf } from "../model/bdf.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Spec } from "../model/spec.ts";
import { matchPfs } from "../plan/match.ts";
import type { Arguments, Context } from "./context.ts";
import { findFunction, type FoundFunction } from "./find-function.ts";

/** Takes a label out of what a person typed, and leaves all else as it is. */
type LabelReader = (text: string) => Promise<string>;

const named = /^(?:(vf|pf|uplink):)?([A-Za-z][A-Za-z0-9._-]{0,63})(?:\/(?:vf)?(\d{1,5}))?$/;

const isOnHost = ({ physicalFunctions }: Inventory, name: string): boolean =>
  parseBdf(name) !== null ||
  physicalFunctions.some((pf) =>
    [pf, ...pf.virtualFunctions].some(({ netdevs }) => netdevs.some((each) => each.name === name)),
  );

async function readSpec(context: Context, args: Arguments): Promise<Spec> {
  const path = args.text("file");
  if (path === null) {
    const { readSpecDirectory } = await import("./spec-directory.ts");
    return readSpecDirectory(context.paths.configDir).merged.spec;
  }
  const { parseSource, readSource } = await import("./spec-source.ts");
  return parseSource(readSource(path));
}

/** The reader throws SriovError `file-unreadable`, and SpecProblems of a file that was named. */
export function labelReader(context: Context, args: Arguments, inventory: Inventory): LabelReader {
  let addresses: Promise<ReadonlyMap<string, string>> | null = null;
  const read = async (): Promise<ReadonlyMap<string, string>> => {
    const { matched } = matchPfs(await readSpec(context, args), inventory);
    return new Map(matched.map(({ spec, pf }) => [spec.name, pf.address]));
  };
  return async (text) => {
    const [, kind, name = "", index] = named.exec(text) ?? [];
    if (name === "" || isOnHost(inventory, name)) return text;
    addresses ??= read();
    const address = (await addresses).get(name);
    if (address === undefined) return text;
    if (index !== undefined) return `vf:${address}/${index}`;
    return kind === undefined ? address : `${kind}:${address}`;
  };
}

/** Functions as a person names them, by a spec's labels too. Throws as `findFunction` and the reader. */
export function namedFunctions(context: Context, args: Arguments, inventory: Inventory) {
  const read = labelReader(context, args, inventory);
  return async (text: string): Promise<FoundFunction> =>
    findFunction(inventory, (await read(text)).replace(/^vf:(.+)\/(\d+)$/, "$1/vf$2"));
}
