// Specs for tests, short: PFs by their place in a machine of machines.ts, VF sets by their text.
// They go through the real parser.

import assert from "node:assert/strict";
import { parseSpec } from "../../src/model/spec-text.ts";
import type { Spec } from "../../src/model/spec.ts";
import { pfAddress } from "./machines.ts";

/** Keys of a `virtualFunctions` entry, as in the spec file. */
export type VfKeys = Readonly<Record<string, unknown>>;

export type PfKeys = {
  readonly numVfs?: number;
  readonly adminState?: "up" | "down";
  readonly mtu?: number;
  readonly eswitchMode?: "legacy" | "switchdev";
  /** VF sets (`0-3`) and what they get. */
  readonly vfs?: Readonly<Record<string, VfKeys>>;
};

export type SpecKeys = {
  readonly unassigned?: string;
  /** By the place of the PF in the machine; null leaves it out. */
  readonly pfs: readonly (PfKeys | null)[];
};

export function specOf({ unassigned, pfs }: SpecKeys): Spec {
  const adapters = pfs.flatMap((pf, index) => {
    if (pf === null) return [];
    const { vfs: _, eswitchMode, ...keys } = pf;
    const match = { address: pfAddress(index) };
    const physicalFunctions = [{ name: `p${index}`, match, ...keys }];
    return [{ name: `nic${index}`, ...(eswitchMode && { eswitchMode }), physicalFunctions }];
  });
  const virtualFunctions = pfs.flatMap((pf, index) =>
    Object.entries(pf?.vfs ?? {}).map(([set, keys]) => ({ vfs: `p${index}/${set}`, ...keys })),
  );
  const document = {
    apiVersion: "sriovctl/v1",
    ...(unassigned === undefined ? {} : { defaults: { unassigned } }),
    adapters,
    ...(virtualFunctions.length === 0 ? {} : { virtualFunctions }),
  };
  const parsed = parseSpec(JSON.stringify(document), "spec.json");
  assert.deepEqual(parsed.problems, []);
  assert.ok(parsed.spec !== null);
  return parsed.spec;
}
