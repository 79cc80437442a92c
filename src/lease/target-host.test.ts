// Which VFs of another host could take the place of those here: of the same model, free, in a group of
// their own, one for each.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inventoryOf, netdevOf, pfOf, vfOf } from "../../test/inventory-of.ts";
import { parseAssignTarget } from "../model/assign-target.ts";
import type { Pf, Vf } from "../model/inventory.ts";
import { fitsOn, type VfHere } from "./target-host.ts";

const here = pfOf("0000:01:00.0", 4, {});
const address = "0000:41:00.0";

function wanted(...to: readonly string[]): VfHere[] {
  return to.map((text, vfIndex) => {
    const consumer = parseAssignTarget(text);
    assert(consumer !== null);
    return { consumer, pf: here, vfIndex };
  });
}

const owner = { kind: "vm", name: "db", pid: 7, evidence: "/proc/7/fd" } as const;

const there = (vfs: readonly Partial<Vf>[], change: Partial<Pf> = {}): Pf =>
  pfOf(address, vfs.length, {
    virtualFunctions: vfs.map((vf, index) =>
      vfOf(address, index, { iommuGroup: 20 + index, ...vf }),
    ),
    ...change,
  });

const used = { owners: [owner] };
const [web1, web1b, ci] = ["libvirt:web1/net1", "libvirt:web1/net2", "netns:ci/eth1"] as const;

type Row = readonly [what: string, pf: Pf, to: readonly string[], says: string];

const rows: readonly Row[] = [
  ["one that is free", there([used, {}]), [web1], "0000:41:00.0/vf1"],
  ["two for two", there([{}, used, {}]), [web1, web1b], "0000:41:00.0/vf0 0000:41:00.0/vf2"],
  [
    "one for two",
    there([{}, used]),
    [web1, web1b],
    "of 2 VFs of that model 1 used by vm:db, 1 taken by what comes before",
  ],
  ["no VFs", there([]), [web1], "there are such cards, without VFs"],
  ["another model", there([{}], { deviceId: 1 }), [web1], "there is no such card"],
  [
    "no IOMMU",
    there([{ iommuGroup: null }]),
    [web1],
    "of 1 VFs of that model 1 in no IOMMU group: the IOMMU is off",
  ],
  ["no IOMMU, for a namespace", there([{ iommuGroup: null }]), [ci], "0000:41:00.0/vf0"],
  [
    "one group for two",
    there([{ iommuGroup: 5 }, { iommuGroup: 5 }]),
    [web1],
    "of 2 VFs of that model 2 in an IOMMU group with others",
  ],
  [
    "a PF that is down",
    there([{}], { netdevs: [netdevOf({ name: "ens1", isUp: false })] }),
    [web1],
    "of 1 VFs of that model 1 its PF ens1 is down",
  ],
  [
    "a PF that changes",
    there([{}], { isChanging: true }),
    [web1],
    "of 1 VFs of that model 1 a change of its PF has not ended",
  ],
];

test("a target has a free VF of the same model for each, or says why not", () => {
  for (const [what, pf, to, says] of rows) {
    const { fits, problems } = fitsOn(inventoryOf([pf]), wanted(...to));
    const found = fits.map(({ there: { vf } }) => `${vf.pf}/vf${vf.vfIndex}`).join(" ");
    const [problem] = problems;
    const words = problem === undefined ? found : problem.message.replace(/^.* here: /, "");
    assert.ok(words.startsWith(says), `${what}: ${words}`);
    assert.equal(fits.length + problems.length, to.length, what);
  }
});
