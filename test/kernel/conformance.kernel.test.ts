// The Linux host keeps the contract of the conformance suite on a real kernel, with no difference
// to the emulated host. The suite itself runs in the lab; its report is shown when it fails.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type Lab, bootLab } from "./lab.ts";
import { labSkipReason } from "./lab-unavailable.ts";

const program = join(import.meta.dirname, "linux-conformance.ts");

suite("conformance on a real kernel", { skip: labSkipReason() }, () => {
  let lab: Lab;
  before(async () => {
    lab = await bootLab();
    await lab.check("modprobe igb; modprobe nvme; modprobe kvm_amd");
  });
  after(() => lab?.close());

  test("the Linux host answers as every host does", async () => {
    const command = ["node", "--test-reporter=spec", program];
    const { stdout, stderr, exitCode } = await lab.run(command, { timeoutMs: 480_000 });
    assert.equal(exitCode, 0, `${stdout}${stderr}`);
    assert.match(stdout, /^ℹ pass [1-9]/m, "cases ran");
  });
});
