// Who drives a function: overrides, probes, autoprobe, modules, and vfio-pci.

import assert from "node:assert/strict";
import type { Case } from "./asking.ts";
import {
  answerOf,
  expectAnswers,
  expectDone,
  numVfs,
  autoprobe,
  override,
  probe,
  unbind,
  loadModule,
  adminState,
  msix,
  reset,
  pfOf,
  vfOf,
  makeBareVfs,
  waitForLink,
  zeroMac,
} from "./asking.ts";

export const bindingCases: Readonly<Record<string, Case>> = {
  "with autoprobe off only an override lets a driver in": async ({ host, igb }) => {
    const [address = ""] = await makeBareVfs(host, igb, 1);
    const driver = async (): Promise<string | null> => (await vfOf(host, igb, 0)).driver;
    await expectDone(host, probe(address));
    assert.equal(await driver(), null, "autoprobe is off");
    await expectDone(host, override(address, "nonesuch"), probe(address));
    assert.equal(await driver(), null, "there is no such driver");
    await expectDone(host, loadModule("vfio-pci"), override(address, "vfio-pci"), probe(address));
    assert.equal(await driver(), "vfio-pci");
    await expectDone(host, probe(address), override(address, "igbvf"), probe(address));
    assert.equal(await driver(), "vfio-pci", "an override does not unbind");
    await expectAnswers(host, [
      [unbind(address), "done"],
      [unbind(address), "ENODEV"],
      [override(address, null), "done"],
      [probe(address), "done"],
    ]);
    const vf = await vfOf(host, igb, 0);
    assert.partialDeepStrictEqual(vf, { driver: null, driverOverride: null });
    await expectDone(host, numVfs(igb, 0));
  },

  "with autoprobe on the kernel's driver takes a VF and gives it a netdev": async (subject) => {
    const { host, igb } = subject;
    await expectDone(host, loadModule("igbvf"), adminState(igb, true));
    await waitForLink(host, igb);
    await expectDone(host, autoprobe(igb, true), numVfs(igb, 1));
    const arrival = await host.awaitVfs(igb, 1, 30_000);
    assert.deepEqual(arrival, { numVfs: 1, withoutNetdev: [] });
    const vf = await vfOf(host, igb, 0);
    assert.equal(vf.driver, "igbvf");
    assert.equal(vf.netdevs.length, 1);
    assert.notEqual(vf.netdevs[0]?.mac, zeroMac);
    await expectDone(host, unbind(vf.address));
    const unbound = await vfOf(host, igb, 0);
    assert.partialDeepStrictEqual(unbound, { driver: null, netdevs: [] });
    await expectDone(host, probe(vf.address));
    assert.equal((await vfOf(host, igb, 0)).driver, "igbvf");
    await expectDone(host, numVfs(igb, 0), adminState(igb, false));
  },

  "autoprobe reads back": async ({ host, igb }) => {
    for (const isOn of [false, true]) {
      await expectDone(host, autoprobe(igb, isOn));
      assert.equal((await pfOf(host, igb)).driversAutoprobe, isOn);
    }
  },

  "overrides read back, and one of a page is refused": async ({ host, igb }) => {
    const [address = ""] = await makeBareVfs(host, igb, 1);
    await expectDone(host, override(address, "any-name"));
    assert.equal((await vfOf(host, igb, 0)).driverOverride, "any-name");
    await expectAnswers(host, [[override(address, "x".repeat(4095)), "EINVAL"]]);
    await expectDone(host, numVfs(igb, 0));
  },

  "vfio-pci does not take a PF that has VFs": async ({ host, nvme }) => {
    await expectDone(host, loadModule("vfio-pci"));
    await makeBareVfs(host, nvme, 1);
    await expectDone(host, unbind(nvme), override(nvme, "vfio-pci"), probe(nvme));
    assert.equal((await pfOf(host, nvme)).driver, null);
    await expectDone(host, override(nvme, null), probe(nvme), numVfs(nvme, 0));
    assert.equal((await pfOf(host, nvme)).driver, "nvme");
  },

  "a PF on vfio-pci does not change its count": async ({ host, otherIgb }) => {
    await expectAnswers(host, [
      [loadModule("vfio-pci"), "done"],
      [unbind(otherIgb), "done"],
      [override(otherIgb, "vfio-pci"), "done"],
      [probe(otherIgb), "done"],
      [numVfs(otherIgb, 0), "done"],
      [numVfs(otherIgb, 2), "ENOENT"],
      [unbind(otherIgb), "done"],
      [override(otherIgb, null), "done"],
      [probe(otherIgb), "done"],
    ]);
    assert.equal((await pfOf(host, otherIgb)).driver, "igb");
  },

  "MSI-X vectors of an igb VF cannot change": async ({ host, igb }) => {
    const [address = ""] = await makeBareVfs(host, igb, 1);
    await expectAnswers(host, [
      [msix(address, -1), "EINVAL"],
      [msix(address, 2), "EOPNOTSUPP"],
      [msix(igb, 2), "ENOENT"],
      [numVfs(igb, 0), "done"],
    ]);
  },

  "a reset leaves a VF what its PF's driver knows of it": async ({ host, igb }) => {
    const [address = ""] = await makeBareVfs(host, igb, 1);
    const vlan = { id: 120, qos: 3, protocol: "802.1q" } as const;
    const attribute = { name: "vlan", vlan } as const;
    await expectAnswers(host, [
      [{ verb: "setVf", pf: igb, vfIndex: 0, attribute }, "done"],
      [reset(address), "done"],
      [reset(address.replace(/.$/, "7")), "ENOENT"],
    ]);
    const vf = await vfOf(host, igb, 0);
    assert.partialDeepStrictEqual(vf, { driver: null, policy: { vlan } });
    await expectDone(host, numVfs(igb, 0));
  },

  "a module that does not exist": async ({ host }) => {
    const answer = await answerOf(host, loadModule("no-such-module"));
    assert.notEqual(answer, "done");
  },
};
