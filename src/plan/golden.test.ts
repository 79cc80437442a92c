// Whole plans as the user reads them. A case is a folder whose name tells the story: spec.yaml,
// inventory.json (what differs from a plain igb host, and the consent given) and plan.txt.
// UPDATE_GOLDEN=1 rewrites plan.txt; review the difference.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { freshIgbPolicy, inventoryOf, netdevOf, pfOf, vfOf } from "../../test/inventory-of.ts";
import type { Bridge, Inventory, Netdev, Pf, Vf } from "../model/inventory.ts";
import { readClaims } from "../coexist/claims.ts";
import { parseSpec } from "../model/spec-text.ts";
import type { VfPolicy } from "../model/vf-attribute.ts";
import { formatPlan } from "./plan-text.ts";
import { plan } from "./plan.ts";

type VfPart = Partial<Omit<Vf, "policy">> & { readonly policy?: Partial<VfPolicy> };

type PfPart = Partial<Omit<Pf, "virtualFunctions" | "netdevs">> & {
  readonly address: string;
  readonly virtualFunctions?: Readonly<Record<string, VfPart>>;
  readonly netdevs?: readonly (Partial<Netdev> & { readonly name: string })[];
};

type Case = {
  readonly bridges?: readonly Pick<Bridge, "address" | "secondaryBus" | "subordinateBus">[];
  readonly physicalFunctions: readonly PfPart[];
  readonly loadedDrivers?: readonly string[];
  readonly consent?: readonly string[];
  /** Other managers' files by path, as lines. */
  readonly files?: Readonly<Record<string, readonly string[]>>;
};

function readPf({ virtualFunctions = {}, netdevs, ...part }: PfPart): Pf {
  const plain = pfOf(part.address, part.numVfs ?? 0, part);
  const isNetwork = plain.classCode >> 16 === 0x02;
  const vfs = plain.virtualFunctions.map(({ vfIndex }) => {
    const { policy, ...rest } = virtualFunctions[vfIndex] ?? {};
    return vfOf(part.address, vfIndex, {
      ...rest,
      policy: isNetwork ? { ...freshIgbPolicy, ...policy } : null,
    });
  });
  return { ...plain, netdevs: netdevs?.map(netdevOf) ?? plain.netdevs, virtualFunctions: vfs };
}

const plainBridge = {
  vendorId: 0x8086,
  deviceId: 0x347a,
  classCode: 0x060400,
  driver: "pcieport",
  iommuGroup: 1,
};

function readInventory({ bridges = [], files = {}, ...given }: Case): Inventory {
  const { physicalFunctions, loadedDrivers } = given;
  const texts = Object.entries(files).map(([path, lines]) => ({ path, text: lines.join("\n") }));
  return inventoryOf(physicalFunctions.map(readPf), {
    ...readClaims(texts),
    bridges: bridges.map((bridge) => ({ ...plainBridge, ...bridge })),
    ...(loadedDrivers === undefined ? {} : { loadedDrivers }),
  });
}

const root = join(import.meta.dirname, "golden");

for (const name of readdirSync(root)) {
  test(`plan of ${name.replaceAll("-", " ")}`, () => {
    const folder = join(root, name);
    const { spec, problems } = parseSpec(
      readFileSync(join(folder, "spec.yaml"), "utf8"),
      "spec.yaml",
    );
    assert.ok(spec !== null, JSON.stringify(problems));
    const given: Case = JSON.parse(readFileSync(join(folder, "inventory.json"), "utf8"));
    const made = plan({ spec, inventory: readInventory(given), consent: given.consent ?? [] });
    const text = formatPlan(made);
    const file = join(folder, "plan.txt");
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, text);
    assert.equal(text, readFileSync(file, "utf8"));
  });
}
