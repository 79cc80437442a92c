// Runs in the lab: the inventory of the Linux host in a fresh process, as JSON; usage: node
// read-inventory.ts [--census] [--detail ADDRESS]. It is taken twice and the second one is timed:
// the first loads modules, which takes seconds on an emulated processor.

import { parseArgs } from "node:util";
import { LinuxHost } from "../../src/host/linux/linux-host.ts";

export type TimedInventory = {
  readonly tookMs: number;
  readonly inventory: Awaited<ReturnType<LinuxHost["inventory"]>>;
};

const { values } = parseArgs({
  options: { census: { type: "boolean" }, detail: { type: "string" } },
});
const host = new LinuxHost({ root: "/", runDirectory: "/run/sriovctl" });
const options = {
  census: values.census === true,
  netdevAttributes: true,
  detailOf: values.detail === undefined ? [] : [values.detail],
  only: null,
};
await host.inventory(options);
const startMs = performance.now();
const inventory = await host.inventory(options);
const tookMs = Math.round(performance.now() - startMs);
await host.close();
console.log(JSON.stringify({ tookMs, inventory } satisfies TimedInventory));
