// What an errno is called, and why the kernel gave it: one row a refusal.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostRequest } from "../host.ts";
import { refusalError } from "./errno.ts";
import { refusalOf } from "./kernel-refusal.ts";

const pf = "0000:3b:00.0";
const vf = "0000:3b:10.0";
const eight: HostRequest = { verb: "setNumVfs", pf, numVfs: 8 };
const unbind: HostRequest = { verb: "unbind", address: vf };
const autoprobe: HostRequest = { verb: "setDriversAutoprobe", pf, isOn: false };
const override: HostRequest = { verb: "setDriverOverride", address: vf, driver: null };

type Row = readonly [request: HostRequest, step: "open" | "write", errno: string, said: string];

const rows: readonly Row[] = [
  [
    eight,
    "write",
    "EBUSY",
    `kernel-refused EBUSY Cannot set 8 VFs on PF ${pf}: the kernel says EBUSY, VFs are enabled already and a count only changes through 0`,
  ],
  [
    eight,
    "write",
    "ENOENT",
    `kernel-refused ENOENT Cannot set 8 VFs on PF ${pf}: the kernel says ENOENT, no driver that can enable VFs is bound`,
  ],
  [
    eight,
    "write",
    "EXDEV",
    `kernel-refused EXDEV Cannot set 8 VFs on PF ${pf}: the kernel says EXDEV`,
  ],
  [
    eight,
    "open",
    "ENOENT",
    `not-found ENOENT Cannot set 8 VFs on PF ${pf}: there is no sriov_numvfs`,
  ],
  [
    eight,
    "open",
    "EACCES",
    `permission EACCES Cannot set 8 VFs on PF ${pf}: the kernel says EACCES`,
  ],
  [
    autoprobe,
    "open",
    "EROFS",
    `permission EROFS Cannot turn autoprobe off for PF ${pf}: the kernel says EROFS`,
  ],
  [
    override,
    "write",
    "EPERM",
    `kernel-refused EPERM Cannot clear the driver override of ${vf}: the kernel says EPERM`,
  ],
  // The link that unbind goes through is missing when nothing is bound.
  [
    unbind,
    "open",
    "ENOENT",
    `kernel-refused ENODEV Cannot unbind ${vf}: the kernel says ENODEV, no driver is bound`,
  ],
  [unbind, "open", "EACCES", `permission EACCES Cannot unbind ${vf}: the kernel says EACCES`],
  [
    unbind,
    "write",
    "ENODEV",
    `kernel-refused ENODEV Cannot unbind ${vf}: the kernel says ENODEV, no driver is bound`,
  ],
];

for (const [request, step, errno, said] of rows) {
  test(`refusalOf() tells what ${errno} means at the ${step} of ${request.verb}`, () => {
    const error = refusalOf(request, { step, errno });
    assert.equal(`${error.code} ${error.errno} ${error.message}`, said);
  });
}

const codes: readonly (readonly [errno: string, root: string, others: string])[] = [
  ["ENODEV", "not-found", "not-found"],
  ["ENXIO", "not-found", "not-found"],
  ["EPERM", "kernel-refused", "permission"],
  ["EACCES", "kernel-refused", "permission"],
  ["EOPNOTSUPP", "kernel-refused", "kernel-refused"],
];

for (const [errno, root, others] of codes) {
  test(`refusalError() knows whose fault ${errno} is`, () => {
    const error = refusalError({ operation: "set mac", target: `${pf}/vf3`, errno, text: "" });
    assert.equal(error.code, process.geteuid?.() === 0 ? root : others);
    assert.equal(error.message, `Cannot set mac of ${pf}/vf3: the kernel answered ${errno}`);
  });
}
