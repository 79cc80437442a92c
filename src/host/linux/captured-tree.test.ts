// The inventory against sysfs trees of real machines, where a corpus is beside the checkout.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { corpusAbsent, corpusDirectory } from "../../../test/corpus.ts";
import { inventoryOfTree } from "../../../test/read-tree.ts";

const scratch = mkdtempSync(join(tmpdir(), "sriovctl-captured-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

function unpack(archive: string): string {
  const folder = mkdtempSync(join(scratch, "captured-"));
  const { status } = spawnSync("tar", ["-xf", archive, "-C", folder]);
  assert.equal(status, 0, archive);
  return folder;
}

const corpus = corpusDirectory();
const skip = corpus === null ? corpusAbsent : false;

test("a captured lab host is read as the kernel showed it", { skip }, async () => {
  const root = join(unpack(join(corpus ?? "", "emulated", "sysfs-vfs-on.tar.gz")), "vfs-on");
  const { physicalFunctions, problems } = await inventoryOfTree(root, ["0000:01:00.0"]);
  assert.deepEqual(
    problems.map(({ code }) => code),
    ["captured-tree"],
  );
  assert.deepEqual(
    physicalFunctions.map(({ address, driver, totalVfs, capabilityTotalVfs, numVfs }) => [
      address,
      driver,
      totalVfs,
      capabilityTotalVfs,
      numVfs,
    ]),
    [
      ["0000:01:00.0", "igb", 7, 8, 4],
      ["0000:02:00.0", "nvme", 7, 7, 3],
    ],
  );
  const [igbPf, nvmePf] = physicalFunctions;
  assert.equal(igbPf?.virtualFunctions[0]?.driverOverride, "vfio-pci");
  assert.deepEqual(
    nvmePf?.virtualFunctions.map(({ address, iommuGroup }) => [address, iommuGroup]),
    [
      ["0000:02:00.1", 12],
      ["0000:02:00.2", 13],
      ["0000:02:00.3", 14],
    ],
  );
});

/** Captured trees, the folder inside that is the root, and their PFs with totalvfs. */
const captured: readonly (readonly [string, string, readonly (readonly [string, number])[]])[] = [
  ["opae/mock_sys_dfl_d5005_nlb0.tar.gz", "tmp", [["0000:05:00.0", 1]]],
  ["opae/mock_sys_tmp-1socket-nlb0.tar.gz", "tmp", [["0000:5e:00.0", 1]]],
  [
    "hwloc/32intel64-2p8co2t+8ve.tar.bz2",
    "32intel64-2p8co2t+8ve",
    [
      ["0000:60:00.0", 64],
      ["0000:60:00.1", 64],
    ],
  ],
  ["ghw/linux-amd64-8581cf3a.tar.gz", ".", []],
];

for (const [archive, folder, pfs] of captured) {
  const file = join(corpus ?? "", "sysfs", archive);
  const reason = corpus === null || !existsSync(file) ? corpusAbsent : false;
  test(`captured tree ${archive}`, { skip: reason }, async () => {
    const { physicalFunctions } = await inventoryOfTree(join(unpack(file), folder));
    assert.deepEqual(
      physicalFunctions.map(({ address, totalVfs }) => [address, totalVfs]),
      pfs,
    );
  });
}
