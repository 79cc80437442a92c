// Who uses a VF that a VM was started with, from its start until it has let go of it.

import assert from "node:assert/strict";
import type { Case } from "./asking.ts";
import { expectDone, loadModule, makeBareVfs, numVfs, override, probe } from "./asking.ts";

/** QEMU says that a device is gone before it closes it, and the kernel counts a guest's time in ticks. */
const afterwardsMs = 20_000;

export const userCases: Readonly<Record<string, Case>> = {
  "a VM uses what it was started with until it has let go of it": async (subject) => {
    const { host, igb, startVm } = subject;
    await expectDone(host, loadModule("vfio-pci"));
    const vfs = await makeBareVfs(host, igb, 2);
    for (const vf of vfs) await expectDone(host, override(vf, "vfio-pci"), probe(vf));
    const users = async (): Promise<string[]> => {
      const owners = await host.owners(vfs);
      return vfs.map((vf) =>
        (owners.get(vf) ?? []).map(({ kind, name }) => `${kind}:${name}`).join(),
      );
    };
    const becomes = async (expected: readonly string[]): Promise<void> => {
      const untilMs = host.now() + afterwardsMs;
      let found = await users();
      while (found.join() !== expected.join() && host.now() < untilMs) {
        await host.sleep(200);
        found = await users();
      }
      assert.deepEqual(found, expected);
    };
    assert.deepEqual(await users(), ["", ""]);
    const vm = await startVm("web1", vfs);
    assert.deepEqual(await users(), ["vm:web1", "vm:web1"]);
    await vm.letGo(vfs[0] ?? "");
    await becomes(["", "vm:web1"]);
    await vm.end();
    await becomes(["", ""]);
    await expectDone(host, numVfs(igb, 0));
  },
};
