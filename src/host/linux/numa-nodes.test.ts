// NUMA nodes from a tree as sysfs has it: functions, CPUs, and what says nothing.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../../test/run-program.ts";
import { readNumaNodes } from "./numa-nodes.ts";
import { linuxPaths } from "./paths.ts";

test("readNumaNodes() reads functions and CPUs", (context) => {
  const root = temporaryDirectory(context);
  const paths = linuxPaths(root, join(root, "run"));
  for (const [address, node] of [
    ["0000:c1:00.0", "1\n"],
    ["0000:01:00.0", "-1\n"],
  ] as const) {
    mkdirSync(join(root, "sys/bus/pci/devices", address), { recursive: true });
    writeFileSync(join(root, "sys/bus/pci/devices", address, "numa_node"), node);
  }
  for (const [cpu, node] of [0, 0, 1].entries()) {
    mkdirSync(join(root, `sys/devices/system/cpu/cpu${cpu}/node${node}`), { recursive: true });
    mkdirSync(join(root, `sys/devices/system/cpu/cpu${cpu}/cache`), { recursive: true });
  }
  const ofFunction = (address: string) => readNumaNodes(paths, { kind: "function", address });
  const ofCpus = (...cpus: readonly number[]) => readNumaNodes(paths, { kind: "cpus", cpus });
  assert.deepEqual(
    [ofFunction("0000:c1:00.0"), ofFunction("0000:01:00.0"), ofFunction("0000:99:00.0")],
    [[1], [], []],
  );
  assert.deepEqual([ofCpus(0, 1), ofCpus(2, 0), ofCpus(7)], [[0], [0, 1], []]);
});
