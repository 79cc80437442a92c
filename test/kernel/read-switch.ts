// Runs in the lab: what `trace` reads of the host, as JSON: the inventory, and the facts of network
// PFs; usage: node read-switch.ts.

import { fullInventory } from "../../src/host/host.ts";
import { LinuxHost } from "../../src/host/linux/linux-host.ts";

const host = new LinuxHost({ root: "/", runDirectory: "/run/sriovctl" });
const inventory = await host.inventory(fullInventory);
const { nics } = await host.facts(inventory);
await host.close();
console.log(JSON.stringify({ inventory, nics }));
