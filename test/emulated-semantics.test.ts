// The tables of kernel facts that the lab pins on a real kernel, asked of the emulated host's
// sysfs: same machine, same order, from a boot without drivers. What the tables leave out there is
// left out here; nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { EmulatedHost } from "../src/host/emulated/emulated-host.ts";
import { openEmulatedHost } from "../src/host/emulated/emulated-host.ts";
import { igbLab } from "../src/host/emulated/machines/igb-lab.ts";
import { linkSysfs, listSysfs, modeSysfs, readSysfs } from "../src/host/emulated/sysfs.ts";
import { writeSysfs } from "../src/host/emulated/sysfs-write.ts";
import type { Row } from "./kernel/pinned-facts.ts";
import type { Step } from "./kernel/probe.ts";
import { tables } from "./kernel/semantics-tables.ts";

const withoutDrivers = {
  ...igbLab,
  loadedDrivers: ["pcieport"],
  loadableModules: [...igbLab.loadedDrivers, ...igbLab.loadableModules],
  functions: igbLab.functions.map((plan) => ({ ...plan, isBound: false })),
};

async function answer(host: EmulatedHost, step: Step): Promise<string> {
  const look = (ask: typeof readSysfs, path: string): string =>
    host.store.transact((machine) => ask(machine, path));
  switch (step.verb) {
    case "write":
      return writeSysfs(host, step.path, step.value);
    case "read":
      return look(readSysfs, step.path);
    case "link":
      return look(linkSysfs, step.path);
    case "mode":
      return look(modeSysfs, step.path);
    case "list": {
      const names = host.store.transact((machine) => listSysfs(machine, step.path));
      const pattern = new RegExp(step.pattern);
      return names === null ? "ENOENT" : names.filter((name) => pattern.test(name)).join(" ");
    }
    case "run": {
      const [program, module = ""] = step.argv;
      assert.equal(program, "modprobe", "the tables run nothing else");
      await host.perform({ verb: "loadModule", module }, { deadlineMs: 60_000, lockFd: null });
      return "ok";
    }
    case "hold":
      throw new Error("the tables hold nothing open");
  }
}

const rowText = ({ verb, ...rest }: Step, outcome: string): string =>
  `${verb} ${Object.values(rest).flat().map(String).join(" ")} -> ${outcome}`;

const machine = openEmulatedHost({ name: withoutDrivers, statePath: null });

for (const [name, rows] of Object.entries<readonly Row[]>(tables)) {
  test(`emulated kernel: ${name}`, async () => {
    const host = await machine;
    const found: string[] = [];
    for (const { step } of rows) found.push(rowText(step, await answer(host, step)));
    assert.deepEqual(
      found,
      rows.map(({ step, expected }) => rowText(step, expected)),
    );
  });
}
