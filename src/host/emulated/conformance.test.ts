// The emulated host keeps the contract that a real kernel keeps in the lab, in memory and in a file.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StartVm } from "../conformance/asking.ts";
import { hostConformance } from "../host.conformance.ts";
import { type EmulatedHost, openEmulatedHost } from "./emulated-host.ts";
import { igbLab } from "./machines/igb-lab.ts";

const addresses = {
  igb: "0000:01:00.0",
  otherIgb: "0000:02:00.0",
  igbWithoutAcs: "0000:04:00.0",
  portWithoutAcs: "0000:00:0c.0",
  nvme: "0000:03:00.0",
};

const name = { ...igbLab, guests: [{ name: "web1", pid: 4100, holds: [] }] };

/** The guest is on: it takes the VFs, and is started again with them. */
const startVmOf =
  (host: EmulatedHost): StartVm =>
  async (guest, vfs) => {
    for (const vf of vfs) host.happen({ event: "guest-opens", guest, vf });
    host.happen({ event: "guest-ends", guest });
    host.happen({ event: "guest-starts", guest });
    return {
      letGo: async (vf) => host.happen({ event: "guest-closes", guest, vf }),
      end: async () => host.happen({ event: "guest-ends", guest }),
    };
  };

hostConformance(
  "emulated, in memory",
  async () => {
    const host = await openEmulatedHost({ name, statePath: null });
    return { host, ...addresses, startVm: startVmOf(host), close: () => host.close() };
  },
  { differences: [] },
);

hostConformance(
  "emulated, in a file, with a lock a PF",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "sriovctl-conformance-"));
    const statePath = join(folder, "machine");
    const host = await openEmulatedHost({ name, statePath, lockModel: "per-pf" });
    const close = async (): Promise<void> => {
      await host.close();
      rmSync(folder, { recursive: true });
    };
    return { host, ...addresses, startVm: startVmOf(host), close };
  },
  { differences: [] },
);
