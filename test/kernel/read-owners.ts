// Runs in the lab: who uses the functions that are named, as the Linux host's census sees it, as
// `ADDRESS kind:name` lines; usage: node read-owners.ts ADDRESS...

import { LinuxHost } from "../../src/host/linux/linux-host.ts";

const host = new LinuxHost({ root: "/", runDirectory: "/run/sriovctl" });
const owners = await host.owners(process.argv.slice(2));
await host.close();
for (const [address, list] of owners) {
  for (const { kind, name, evidence } of list)
    console.log(`${address} ${kind}:${name} ${evidence}`);
}
