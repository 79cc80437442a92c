// Writing `sriov_numvfs`: errno and their order, with and without a driver, on two PFs at once.

import assert from "node:assert/strict";
import type { Case } from "./asking.ts";
import {
  expectAnswers,
  expectDone,
  numVfs,
  autoprobe,
  override,
  probe,
  unbind,
  msix,
  pfOf,
  makeBareVfs,
} from "./asking.ts";

const absent = "0000:77:00.0";

export const countCases: Readonly<Record<string, Case>> = {
  "a count out of range is refused before anything else is looked at": async ({ host, igb }) => {
    await expectAnswers(host, [
      [autoprobe(igb, false), "done"],
      [numVfs(igb, 0), "done"],
      [numVfs(igb, -1), "EINVAL"],
      [numVfs(igb, 65_536), "EINVAL"],
      [numVfs(igb, 8), "ERANGE"],
      [numVfs(igb, 65_535), "ERANGE"],
      [numVfs(igb, 3), "done"],
      [numVfs(igb, 3), "done"],
      [numVfs(igb, 2), "EBUSY"],
      [numVfs(igb, 8), "ERANGE"],
      [numVfs(igb, -1), "EINVAL"],
    ]);
    assert.equal((await pfOf(host, igb)).numVfs, 3);
    await expectDone(host, numVfs(igb, 0));
    assert.equal((await pfOf(host, igb)).numVfs, 0);
  },

  "without a driver the hardware's total holds and counts cannot change": async ({ host, igb }) => {
    await expectDone(host, unbind(igb));
    const unbound = await pfOf(host, igb);
    assert.partialDeepStrictEqual(unbound, { driver: null, totalVfs: 8, netdevs: [] });
    await expectAnswers(host, [
      [numVfs(igb, 0), "done"],
      [numVfs(igb, 5), "ENOENT"],
      [numVfs(igb, 9), "ERANGE"],
      [unbind(igb), "ENODEV"],
      [probe(igb), "done"],
    ]);
    const bound = await pfOf(host, igb);
    assert.partialDeepStrictEqual(bound, { driver: "igb", totalVfs: 7 });
    assert.equal(bound.netdevs.length, 1);
  },

  "a function that is not there": async ({ host }) => {
    await expectAnswers(host, [
      [numVfs(absent, 1), "ENOENT"],
      [autoprobe(absent, true), "ENOENT"],
      [override(absent, "vfio-pci"), "ENOENT"],
      [probe(absent), "ENODEV"],
      [unbind(absent), "ENODEV"],
      [msix(absent, 1), "ENOENT"],
    ]);
    await assert.rejects(host.readConfig(absent), { name: "SriovError" });
  },

  "two PFs at once": async ({ host, igb, otherIgb }) => {
    const both = [igb, otherIgb];
    for (const count of [4, 0]) {
      const requests = both.flatMap((pf) => [autoprobe(pf, false), numVfs(pf, count)]);
      await Promise.all(requests.map((request) => expectDone(host, request)));
      for (const pf of both) assert.equal((await pfOf(host, pf)).numVfs, count);
    }
  },

  "unbinding igb takes its VFs away": async ({ host, igb }) => {
    await makeBareVfs(host, igb, 2);
    await expectDone(host, unbind(igb));
    assert.equal((await pfOf(host, igb)).numVfs, 0);
    await expectDone(host, probe(igb));
    assert.partialDeepStrictEqual(await pfOf(host, igb), { driver: "igb", numVfs: 0 });
  },

  "unbinding nvme leaves its VFs, and 0 then needs a driver": async ({ host, nvme }) => {
    await makeBareVfs(host, nvme, 3);
    await expectDone(host, unbind(nvme));
    assert.equal((await pfOf(host, nvme)).numVfs, 3);
    await expectAnswers(host, [
      [numVfs(nvme, 3), "done"],
      [numVfs(nvme, 0), "ENOENT"],
      [probe(nvme), "done"],
      [numVfs(nvme, 2), "EBUSY"],
      [numVfs(nvme, 0), "done"],
    ]);
  },
};
