// Others bind the VFs that we made: Proxmox VE by the vfio-pci driver's new_id, libvirt's managed
// mode by driver_override and back. For that autoprobe is what it was after VFs were created, and
// an override stays only on VFs that the spec gives to a driver by name. The same is asked of a
// real kernel in test/kernel/main-job.kernel.test.ts.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openEmulatedHost } from "../src/host/emulated/emulated-host.ts";
import { linkSysfs, readSysfs } from "../src/host/emulated/sysfs.ts";
import { writeSysfs } from "../src/host/emulated/sysfs-write.ts";
import { runProgram, stateIn, temporaryDirectory } from "./run-program.ts";

const pf = "0000:01:00.0";
const devices = "/sys/bus/pci/devices";
const vfio = "/sys/bus/pci/drivers/vfio-pci";

const spec = `apiVersion: sriovctl/v1
defaults: { unassigned: none }
adapters:
  - physicalFunctions:
      - { name: p, match: { address: "${pf}" }, numVfs: 4 }
virtualFunctions:
  - { vfs: p/0, driver: vfio-pci }
  - { vfs: p/1, driver: kernel }
`;

async function appliedMachine(context: TestContext) {
  const directory = temporaryDirectory(context);
  const file = join(directory, "host.yaml");
  writeFileSync(file, spec);
  const host = await openEmulatedHost({ name: "igb-lab", statePath: null });
  const { store } = host;
  const openHost = () => openEmulatedHost({ name: "igb-lab", statePath: null, store });
  const setting = { openHost, env: stateIn(directory) };
  const run = (...argv: readonly string[]) =>
    runProgram(["--host", "emulated:igb-lab", ...argv, "-f", file], setting);
  const applied = await run("apply", "--yes");
  assert.equal(applied.exitCode, 0, applied.stderr);
  const look = <Answer>(ask: (machine: never, path: string) => Answer, path: string): Answer =>
    store.transact((machine) => ask(machine as never, path));
  const vf = (index: number): string => `${devices}/0000:01:10.${index * 2}`;
  return {
    run,
    store,
    vf,
    read: (path: string): string => look(readSysfs, path).trim(),
    drivers: (): string[] =>
      [0, 1, 2, 3].map(
        (index) =>
          look(linkSysfs, `${vf(index)}/driver`)
            .split("/")
            .at(-1) ?? "",
      ),
    write: async (path: string, value: string): Promise<void> => {
      assert.equal(await writeSysfs(host, path, value), "ok", `${path} ${value}`);
    },
  };
}

test("after an apply, probing is as it was and unclaimed VFs have no override", async (context) => {
  const { read, vf, drivers } = await appliedMachine(context);
  assert.deepEqual(drivers(), ["vfio-pci", "igbvf", "ENOENT", "ENOENT"]);
  assert.equal(read(`${devices}/${pf}/sriov_drivers_autoprobe`), "1");
  const overrides = [0, 1, 2, 3].map((index) => read(`${vf(index)}/driver_override`));
  assert.deepEqual(overrides, ["vfio-pci", "(null)", "(null)", "(null)"]);
});

test("new_id binds the VFs that nobody has, and takes none away", async (context) => {
  const { run, write, drivers } = await appliedMachine(context);
  await write(`${vfio}/new_id`, "8086 10ca");
  assert.deepEqual(drivers(), ["vfio-pci", "igbvf", "vfio-pci", "vfio-pci"]);
  await write(`${vfio}/remove_id`, "8086 10ca");
  for (const address of ["0000:01:10.4", "0000:01:10.6"]) await write(`${vfio}/unbind`, address);
  assert.equal((await run("drift")).exitCode, 0);
});

test("a VF that vfio-pci takes by new_id before its kernel driver is told as such", async (context) => {
  const { run, write, drivers, store } = await appliedMachine(context);
  await write(`${vfio}/new_id`, "8086 10ca");
  await write(`${devices}/${pf}/sriov_numvfs`, "0");
  // As where vfio-pci is loaded at boot: drivers are asked in the order in which they came.
  store.transact(({ state }) => state.core.loadedDrivers.reverse());
  const { exitCode, stderr } = await run("apply", "--yes");
  assert.equal(exitCode, 1);
  assert.match(stderr, /01:00\.0\/vf1: its driver is vfio-pci, wanted kernel/);
  assert.match(stderr, /since its new_id was written; name the driver in the spec/);
  assert.equal(drivers()[1], "vfio-pci");
});

test("a VF that libvirt took by override goes back to its kernel driver", async (context) => {
  const { run, write, vf, drivers } = await appliedMachine(context);
  const rebind = async (from: string, override: string): Promise<void> => {
    await write(`${vf(1)}/driver_override`, override);
    await write(`/sys/bus/pci/drivers/${from}/unbind`, "0000:01:10.2");
    await write("/sys/bus/pci/drivers_probe", "0000:01:10.2");
  };
  await rebind("igbvf", "vfio-pci");
  assert.equal(drivers()[1], "vfio-pci");
  await rebind("vfio-pci", "\n");
  assert.equal(drivers()[1], "igbvf");
  assert.equal((await run("drift")).exitCode, 0);
});
