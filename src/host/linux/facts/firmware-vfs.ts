// How many VFs a card's firmware gives now and from its next start on: what devlink keeps as
// permanent parameters, and for Mellanox cards, whose driver has them only since Linux 6.18, what
// mstconfig reads. Both are stored settings: writing them changes nothing until the card starts.

import { firmwareQuestion } from "../../../capture/questions.ts";
import type { FirmwareVfs, Inventory, Pf } from "../../../model/inventory.ts";
import type { FactSources } from "./fact-reader.ts";
import { textOf } from "./fact-reader.ts";
import { parseJson, treeIn } from "./json-tree.ts";

/** `SRIOV_EN  False(0)  True(1)  True(1)`: default, current and next boot (mstconfig -e query). */
function mstconfigRow(text: string, name: string): readonly [now: number, nextBoot: number] | null {
  const value = String.raw`(?:\w+\()?(\d+)\)?`;
  const row = new RegExp(String.raw`\b${name}\s+${value}\s+${value}\s+${value}`).exec(text);
  return row === null ? null : [Number(row[2]), Number(row[3])];
}

export function parseMstconfig(text: string): FirmwareVfs | null {
  const counts = mstconfigRow(text, "NUM_OF_VFS");
  const isOn = mstconfigRow(text, "SRIOV_EN") ?? [1, 1];
  if (counts === null) return null;
  return { now: isOn[0] === 0 ? 0 : counts[0], nextBoot: isOn[1] === 0 ? 0 : counts[1] };
}

type DevlinkParam = { readonly name: string; readonly value: unknown };

/** Permanent values of `devlink -j dev param show HANDLE`. */
function permanentParams(text: string, handle: string): DevlinkParam[] {
  const rows: unknown = treeIn(parseJson(text), "param")[handle];
  if (!Array.isArray(rows)) return [];
  return rows.flatMap((row: unknown): DevlinkParam[] => {
    const { name, values } = { ...(row as { name?: unknown; values?: unknown } | null) };
    if (typeof name !== "string" || !Array.isArray(values)) return [];
    const stored = values.find(
      (entry: unknown) => treeIn({ entry }, "entry")["cmode"] === "permanent",
    );
    return stored === undefined ? [] : [{ name, value: treeIn({ stored }, "stored")["value"] }];
  });
}

/** Documentation/networking/devlink/devlink-params.rst: `enable_sriov` and `total_vfs`. */
export function parseDevlinkParams(text: string, handle: string): Pick<FirmwareVfs, "nextBoot"> {
  const params = new Map(permanentParams(text, handle).map(({ name, value }) => [name, value]));
  const total = params.get("total_vfs");
  if (params.get("enable_sriov") === false) return { nextBoot: 0 };
  return { nextBoot: typeof total === "number" && Number.isSafeInteger(total) ? total : null };
}

const mellanox = 0x15b3;

/** null: nothing tells. A PF that devlink does not know has no parameters there. */
export async function readFirmwareVfs(
  sources: Pick<FactSources, "run" | "report">,
  { vendorId, address, totalVfs }: Pf,
  isInDevlink: boolean,
): Promise<FirmwareVfs | null> {
  const handle = `pci/${address}`;
  const words = ["devlink", "-j", "dev", "param", "show", handle];
  const params = isInDevlink ? await textOf(sources, words) : null;
  const { nextBoot } = params === null ? { nextBoot: null } : parseDevlinkParams(params, handle);
  if (nextBoot !== null) return { now: totalVfs, nextBoot };
  if (vendorId !== mellanox) return null;
  const text = await textOf(sources, firmwareQuestion(address));
  return text === null ? null : parseMstconfig(text);
}

/** The inventory with what the firmware of these PFs' cards gives. A PF that somebody is changing is
 * not asked: the answer would wait. */
export async function withFirmwareVfs(
  inventory: Inventory,
  addresses: readonly string[],
  { run }: Pick<FactSources, "run">,
): Promise<Inventory> {
  const asked = inventory.physicalFunctions.filter(
    ({ address, isChanging }) => addresses.includes(address) && !isChanging,
  );
  if (run === null || asked.length === 0) return inventory;
  // What no program tells is not known, and a plan needs no more than that.
  const sources = { run, report: (): void => {} };
  const found = new Map<string, FirmwareVfs | null>();
  for (const pf of asked) found.set(pf.address, await readFirmwareVfs(sources, pf, true));
  return {
    ...inventory,
    physicalFunctions: inventory.physicalFunctions.map((pf) => {
      const firmwareVfs = found.get(pf.address);
      return firmwareVfs === undefined ? pf : { ...pf, firmwareVfs };
    }),
  };
}
