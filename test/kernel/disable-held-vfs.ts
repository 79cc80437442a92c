// Runs in the lab: asks the Linux host to remove the VFs of a PF of which one is held, prints the
// outcome as JSON and ends; usage: node disable-held-vfs.ts ADDRESS DEADLINE_MS

import { LinuxHost } from "../../src/host/linux/linux-host.ts";

const [, , pf = "", deadlineMs = "1000"] = process.argv;
const host = new LinuxHost({ root: "/", runDirectory: "/run/sriovctl" });
const outcome = await host.perform(
  { verb: "setNumVfs", pf, numVfs: 0 },
  { deadlineMs: Number(deadlineMs), lockFd: null },
);
await host.close();
console.log(JSON.stringify(outcome));
