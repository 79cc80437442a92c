// The emulated host keeps the contract that a real kernel keeps in the lab, in memory and in a file.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostConformance } from "../host.conformance.ts";
import { openEmulatedHost } from "./emulated-host.ts";

const addresses = {
  igb: "0000:01:00.0",
  otherIgb: "0000:02:00.0",
  igbWithoutAcs: "0000:04:00.0",
  portWithoutAcs: "0000:00:0c.0",
  nvme: "0000:03:00.0",
};

hostConformance(
  "emulated, in memory",
  async () => {
    const host = await openEmulatedHost({ name: "igb-lab", statePath: null });
    return { host, ...addresses, close: () => host.close() };
  },
  { differences: [] },
);

hostConformance(
  "emulated, in a file, with a lock a PF",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "sriovctl-conformance-"));
    const statePath = join(folder, "machine");
    const host = await openEmulatedHost({ name: "igb-lab", statePath, lockModel: "per-pf" });
    const close = async (): Promise<void> => {
      await host.close();
      rmSync(folder, { recursive: true });
    };
    return { host, ...addresses, close };
  },
  { differences: [] },
);
