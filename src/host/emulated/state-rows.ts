// A machine as the rows of its file: `core`, `pf ADDRESS`, and its VFs by pages in `vfs ADDRESS PAGE`.
// The shape of rows is checked as far as a file of something else, or of a draft of the format, would
// differ; what a row says of hardware is believed.

import type { CoreState, MachineState, PfState, VfState } from "./state.ts";
import { stateFormat } from "./state.ts";

/** VFs to a row. */
export const pageVfs = 64;

/** As many as routing IDs. */
const maxVfs = 65_536;

export type PfRow = Omit<PfState, "vfs"> & { readonly vfCount: number };

type Refuse = (what: string) => Error;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function parseRow(key: string, text: string, refuse: Refuse): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refuse(`row ${key} is no JSON`);
  }
}

const kindOf = (value: unknown): string => {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "a list";
  return isObject(value) ? "a mapping" : typeof value;
};

const coreKinds: {
  readonly [Key in keyof CoreState]: "string" | "number" | "boolean" | "a list" | "a mapping";
} = {
  format: "string",
  name: "string",
  about: "string",
  kernelRelease: "string",
  machineId: "string",
  bootId: "string",
  lockModel: "string",
  hasIommu: "boolean",
  naming: "string",
  loadedDrivers: "a list",
  loadableModules: "a list",
  dynamicIds: "a list",
  clockMs: "number",
  nextOperationId: "number",
  nextIfindex: "number",
  macSeed: "number",
  ports: "a list",
  guests: "a list",
  operations: "a list",
  locks: "a mapping",
  faults: "a list",
  log: "a list",
  uevents: "a list",
};

function coreOf(rows: ReadonlyMap<string, string>, refuse: Refuse): CoreState {
  const text = rows.get("core");
  if (text === undefined) throw refuse(`there is no machine in it, wanted ${stateFormat}`);
  const core = parseRow("core", text, refuse);
  const format = isObject(core) ? core["format"] : undefined;
  if (format !== stateFormat) {
    throw refuse(`its format is ${JSON.stringify(format) ?? "not said"}, wanted ${stateFormat}`);
  }
  const values = new Map(Object.entries(core ?? {}));
  for (const [key, kind] of Object.entries(coreKinds)) {
    const found = kindOf(values.get(key));
    if (found !== kind) throw refuse(`its ${key} is ${found}, wanted ${kind}`);
  }
  return core as CoreState;
}

function pfRowOf(key: string, text: string, refuse: Refuse): PfRow {
  const row = parseRow(key, text, refuse);
  const isPf = isObject(row) && `pf ${String(row["address"])}` === key;
  const count = isPf ? Number(row["vfCount"]) : NaN;
  if (Number.isInteger(count) && count >= 0 && count <= maxVfs) return row as PfRow;
  throw refuse(`row ${key} is no PF`);
}

function vfPageOf(key: string, text: string | undefined, refuse: Refuse): (VfState | null)[] {
  if (text === undefined) throw refuse(`row ${key} is missing`);
  const vfs = parseRow(key, text, refuse);
  const isPage = Array.isArray(vfs) && vfs.every((vf) => vf === null || isObject(vf));
  if (isPage && vfs.length <= pageVfs) return vfs as (VfState | null)[];
  throw refuse(`row ${key} is no list of VFs`);
}

/** Throws what `refuse` makes of the reason. */
export function stateOf(rows: ReadonlyMap<string, string>, refuse: Refuse): MachineState {
  const core = coreOf(rows, refuse);
  const pfs: PfState[] = [];
  for (const [key, text] of rows) {
    if (!key.startsWith("pf ")) continue;
    const { vfCount, ...pf } = pfRowOf(key, text, refuse);
    const vfs: (VfState | null)[] = [];
    for (let page = 0; page * pageVfs < vfCount; page++) {
      const pageKey = `vfs ${pf.address} ${page}`;
      vfs.push(...vfPageOf(pageKey, rows.get(pageKey), refuse));
    }
    pfs.push({ ...pf, vfs });
  }
  return { core, pfs };
}
