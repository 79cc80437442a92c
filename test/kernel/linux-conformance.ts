// Runs in the lab: the conformance suite on the Linux host, on the lab's own devices. The test that
// boots the lab starts it; igb and nvme must be loaded, with no VFs.

import { LinuxHost } from "../../src/host/linux/linux-host.ts";
import { hostConformance } from "../../src/host/host.conformance.ts";

hostConformance(
  "linux",
  async () => {
    const host = new LinuxHost({ root: "/", runDirectory: "/run/sriovctl" });
    return {
      host,
      igb: "0000:01:00.0",
      otherIgb: "0000:02:00.0",
      igbWithoutAcs: "0000:04:00.0",
      portWithoutAcs: "0000:00:0c.0",
      nvme: "0000:03:00.0",
      close: () => host.close(),
    };
  },
  { differences: [] },
);
