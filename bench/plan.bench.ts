// How long planning takes: 8 PFs of 128 VFs with full policy, and one PF of 16,250, 32,500 and
// 65,000 VFs to see that the growth is linear. Inventories are built in memory; the first round
// warms up; the best of six counts.

import { spawnSync } from "node:child_process";
import { inventoryOf, pfOf } from "../test/inventory-of.ts";
import type { Inventory } from "../src/model/inventory.ts";
import type { PfSpec, Spec } from "../src/model/spec.ts";
import { plan } from "../src/plan/plan.ts";
import { cpuMsOf, printRows, type BenchRow } from "./row.ts";

const where = "bench";

function specOf(inventory: Inventory): Spec {
  const physicalFunctions = inventory.physicalFunctions.map(({ address, numVfs }): PfSpec => ({
    name: address,
    match: { address },
    protect: [],
    numVfs,
    where,
  }));
  const vfs = inventory.physicalFunctions.map(({ address, numVfs }) => ({
    pf: address,
    vfIndexes: Array.from({ length: numVfs }, (_, index) => index),
    where,
  }));
  const policy = {
    mac: "auto",
    vlan: { id: 120, qos: 3, protocol: "802.1q" },
    rate: { maxMbps: 500 },
    trust: true,
    spoofCheck: false,
    linkState: "enable",
  } as const;
  return {
    source: where,
    adapters: [{ name: "nic", match: {}, physicalFunctions, where }],
    pools: [],
    virtualFunctions: [{ vfs, driver: "vfio-pci", policy, where }],
    assign: [],
  };
}

function hostOf(numPfs: number, numVfs: number): Inventory {
  const pfs = Array.from({ length: numPfs }, (_, index) => {
    const address = `0000:${(index + 1).toString(16).padStart(2, "0")}:00.0`;
    const limits = { totalVfs: 65_535, driver: "mlx5_core" };
    return pfOf(address, numVfs, limits);
  });
  return inventoryOf(pfs);
}

function measure(numPfs: number, numVfs: number): { cpuMs: number; numActions: number } {
  const inventory = hostOf(numPfs, numVfs);
  const spec = specOf(inventory);
  let numActions = 0;
  const rounds = Array.from({ length: 6 }, () =>
    cpuMsOf(() => {
      numActions = plan({ spec, inventory, consent: [] }).actions.length;
    }),
  );
  return { cpuMs: Math.min(...rounds), numActions };
}

/** Peak memory of a process that plans 65,000 VFs once, GiB. */
function peakGiB(): number {
  const argv = [import.meta.filename, "--once"];
  const { stdout } = spawnSync(process.execPath, argv, { encoding: "utf8" });
  return Number(stdout) / 2 ** 20;
}

const row = (what: string, measured: string, goal: string, isMet: boolean | null): BenchRow => {
  return { what, measured, goal, isMet };
};

function report(): void {
  const dense = measure(8, 128);
  const sizes = [16_250, 32_500, 65_000].map((numVfs) => ({ numVfs, ...measure(1, numVfs) }));
  const perVfUs = sizes.map(({ numVfs, cpuMs }) => (cpuMs * 1000) / numVfs);
  const growth = (perVfUs[2] ?? 0) / (perVfUs[0] ?? 1);
  const largest = sizes[2]?.cpuMs ?? 0;
  const rssGiB = peakGiB();
  printRows([
    row("plan of 8 x 128 VFs, full policy", `${dense.cpuMs.toFixed(0)} ms CPU`, "", null),
    row(
      "growth from 16,250 to 65,000 VFs, cost a VF",
      `${growth.toFixed(2)} x (${perVfUs.map((us) => us.toFixed(1)).join(", ")} us)`,
      "<= 1.25 x (linear, with noise)",
      growth <= 1.25,
    ),
    row("plan of 65,000 VFs", `${largest.toFixed(0)} ms CPU`, "<= 2,000 ms", largest <= 2000),
    row("its peak memory, whole process", `${rssGiB.toFixed(2)} GiB`, "<= 1 GiB", rssGiB <= 1),
  ]);
}

if (process.argv.includes("--once")) {
  const inventory = hostOf(1, 65_000);
  plan({ spec: specOf(inventory), inventory, consent: [] });
  console.log(process.resourceUsage().maxRSS);
} else {
  report();
}
