// The lab's topologies as QEMU is told them: no name or place twice, whatever they hold.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deviceArguments, fullTopology, nvmeSerials, smallTopology } from "./topology.ts";

function values(args: readonly string[], pattern: RegExp): string[] {
  return args.flatMap((argument) => pattern.exec(argument)?.[0] ?? []);
}

for (const [name, topology] of Object.entries({ fullTopology, smallTopology })) {
  test(`topology: ${name} has every id, MAC and root-bus place once`, () => {
    const args = deviceArguments(topology, "/run-directory");
    for (const pattern of [
      /\bid=[^,]*/,
      /\bmac=[^,]*/,
      /bus=pcie\.0,addr=[^,]*/,
      /\bchassis=\d+/,
    ]) {
      const found = values(args, pattern);
      assert.deepEqual(found, [...new Set(found)]);
    }
  });
}

test("topology: a bus that a device names exists", () => {
  const args = deviceArguments(fullTopology, "/run-directory");
  const ids = new Set(values(args, /\bid=[^,]*/).map((id) => id.slice("id=".length)));
  const buses = values(args, /\bbus=[^,]*/).map((bus) => bus.slice("bus=".length));
  assert.deepEqual(
    buses.filter((bus) => bus !== "pcie.0" && !ids.has(bus)),
    [],
  );
});

test("topology: each nvme has a disk image of its own", () => {
  const drives = values(deviceArguments(fullTopology, "/run-directory"), /file=[^,]*/);
  assert.deepEqual(
    drives,
    nvmeSerials(fullTopology).map((serial) => `file=/run-directory/${serial}.img`),
  );
});
