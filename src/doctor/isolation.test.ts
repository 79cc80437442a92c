// Cases of the rules on IOMMU groups, and the drawn path.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bridgeOf,
  checkRules,
  evidenceOf,
  functionOf,
  pfConfig,
  portConfig,
} from "../../test/evidence-of.ts";
import { pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import type { Vf } from "../model/inventory.ts";
import { acsPath, brokenHop, drawPath } from "./acs-path.ts";
import { isolationRules } from "./isolation.ts";
import { viewOf } from "./view.ts";

const address = "0000:03:00.0";
const port = "0000:00:1c.0";
const fine = evidenceOf([pfOf(address, 2)]);

type GroupOf = { readonly group: number; readonly vfPart?: Partial<Vf>; readonly numVfs?: number };

/** A PF below a root port without ACS, all in one group. */
function sharing({ group, vfPart = {}, numVfs = 7 }: GroupOf) {
  const vfs = Array.from({ length: numVfs }, (_, vfIndex) =>
    vfOf(address, vfIndex, { iommuGroup: group, ...vfPart }),
  );
  const pf = pfOf(address, numVfs, { iommuGroup: group, path: [port], virtualFunctions: vfs });
  return evidenceOf([pf], {
    inventory: { bridges: [bridgeOf(port, { iommuGroup: group })] },
    facts: {
      functions: [
        functionOf(address),
        functionOf(port, { config: portConfig({ acs: "absent" }), driver: "pcieport" }),
      ],
    },
  });
}

checkRules(isolationRules, {
  "acs-override": {
    fires: {
      "on the command line": {
        evidence: evidenceOf([pfOf(address)], {
          kernel: { commandLine: ["pcie_acs_override=downstream,multifunction"] },
        }),
        targets: ["host"],
      },
    },
    silent: {
      "other arguments": evidenceOf([pfOf(address)], { kernel: { commandLine: ["pci=realloc"] } }),
    },
  },
  "iommu-group-shared": {
    fires: {
      "PF, VFs and the port above": {
        evidence: sharing({ group: 12 }),
        targets: [address],
        says: /^PF 0000:03:00.0 \(ens3\) and its 7 VFs share IOMMU group 12 with 0000:00:1c.0: only one VM can have any of them$/,
      },
      "a PF whose VFs will land in it": {
        evidence: sharing({ group: 12, numVfs: 0 }),
        targets: [address],
        severity: "warning",
        says: /its VFs will be in it too/,
      },
      "VFs of two PFs in one group": {
        evidence: evidenceOf(
          ["0000:03:00.0", "0000:03:00.1"].map((each) =>
            pfOf(each, 1, { virtualFunctions: [vfOf(each, 0, { iommuGroup: 40 })] }),
          ),
        ),
        targets: ["0000:03:00.0/vf0", "0000:03:00.1/vf0"],
        says: /^2 VFs share IOMMU group 40/,
      },
    },
    silent: {
      "each VF has its own": fine,
      "two ports of a card share, their VFs do not": evidenceOf([
        pfOf("0000:03:00.0", 1, { iommuGroup: 5 }),
        pfOf("0000:03:00.1", 0, { iommuGroup: 5 }),
      ]),
      "no-IOMMU groups": evidenceOf(
        [
          pfOf(address, 1, {
            iommuGroup: 0,
            virtualFunctions: [vfOf(address, 0, { iommuGroup: 0 })],
          }),
        ],
        { facts: { iommuGroups: [{ number: 0, type: null, name: "vfio-noiommu", members: [] }] } },
      ),
    },
  },
  "iommu-group-not-viable": {
    fires: {
      "a guest's VF beside one of the host": {
        evidence: sharing({ group: 12, vfPart: { driver: "igbvf", owners: [vmOwner("web1")] } }),
        targets: Array.from({ length: 7 }, (_, vfIndex) => `${address}/vf${vfIndex}`),
        says: /0000:03:00.0 is on igb/,
      },
    },
    silent: {
      "nobody wants one": sharing({ group: 12, vfPart: { driver: "igbvf" } }),
      "own groups": evidenceOf([
        pfOf(address, 1, { virtualFunctions: [vfOf(address, 0, { driver: "vfio-pci" })] }),
      ]),
    },
  },
});

test("the path is drawn from the root port down, and the port that does not isolate is marked", () => {
  const [upstream, downstream] = ["0000:85:00.0", "0000:86:00.0"];
  const root = "0000:80:02.0";
  const pf = pfOf(address, 0, { path: [downstream, upstream, root] });
  const view = viewOf(
    evidenceOf([pf], {
      facts: {
        functions: [
          functionOf(root, { config: portConfig() }),
          functionOf(upstream, { config: portConfig({ kind: 5, acs: "absent" }) }),
          functionOf(downstream, { config: portConfig({ kind: 6, acs: "off" }) }),
          functionOf(address, { config: pfConfig() }),
        ],
      },
    }),
  );
  const hops = acsPath(view, pf);
  assert.equal(brokenHop(hops)?.address, downstream);
  assert.deepEqual(drawPath(hops), [
    "0000:80:02.0  root port, ACS SV+ RR+ CR+ UF+",
    "└─ 0000:85:00.0  upstream port, no ACS",
    "   └─ 0000:86:00.0  downstream port, ACS SV- RR- CR- UF-  <-- does not isolate",
    "      └─ 0000:03:00.0  endpoint, no ACS",
  ]);
});

test("a hop that cannot be read is not judged", () => {
  const pf = pfOf(address, 0, { path: [port] });
  const functions = [functionOf(port, { config: portConfig().subarray(0, 64) })];
  const hops = acsPath(viewOf(evidenceOf([pf], { facts: { functions } })), pf);
  assert.deepEqual(
    hops.map(({ kind, isIsolated }) => [kind, isIsolated]),
    [
      ["not readable", null],
      ["not readable", null],
    ],
  );
});
