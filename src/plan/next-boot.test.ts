// What status says of the next boot, on the emulated machine whose VFs are there already: a boot
// begins with none, whoever uses them now.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openEmulatedHost } from "../host/emulated/emulated-host.ts";
import { fullInventory } from "../host/host.ts";
import { parseSpec } from "../model/spec-text.ts";
import { predictBoot } from "./next-boot.ts";

const examples = join(import.meta.dirname, "..", "..", "examples");

async function predicted(text: string) {
  const host = await openEmulatedHost({ name: "demo", statePath: null });
  const inventory = await host.inventory(fullInventory);
  const { spec, problems } = parseSpec(text, "host.yaml");
  assert.ok(spec !== null, JSON.stringify(problems));
  return predictBoot(spec, inventory);
}

const linesOf = ({ physicalFunctions }: Awaited<ReturnType<typeof predicted>>): string[] =>
  physicalFunctions.map(({ name, numVfs, drivers, isProbed }) =>
    [
      `${name} ${numVfs}`,
      ...drivers.map((group) => `${group.numVfs} ${group.driver}`),
      isProbed ? "probed" : "not probed",
    ].join(", "),
  );

test("the next boot makes every VF anew, also those that a guest holds today", async () => {
  const prediction = await predicted(readFileSync(join(examples, "demo-resize.yaml"), "utf8"));
  assert.deepEqual(prediction.problems, []);
  assert.deepEqual(linesOf(prediction), [
    "p0 16, 9 vfio-pci, 4 kernel, 3 none, not probed",
    "p1 8, 4 vfio-pci, 4 kernel, not probed",
    "cx 8, 1 vfio-pci, 7 kernel, not probed",
    "nvme 4, 4 vfio-pci, not probed",
  ]);
});

test("more VFs than there can be, and a PF that is gone, are seen before the boot", async () => {
  const prediction = await predicted(
    JSON.stringify({
      apiVersion: "sriovctl/v1",
      adapters: [
        {
          physicalFunctions: [
            { name: "big", match: { address: "0000:3b:00.0" }, numVfs: 200 },
            { name: "gone", match: { address: "0000:99:00.0" }, numVfs: 2 },
          ],
        },
      ],
    }),
  );
  assert.deepEqual(
    prediction.problems.map(({ message }) => message.split(":")[0]),
    ["Cannot find gone", "Cannot set 200 VFs on big (0000"],
  );
});
