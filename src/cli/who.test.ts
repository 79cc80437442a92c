// `sriovctl who`: whole commands on the emulated machine and on a captured tree.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

test("who names the users of a VF, how one knows, and what an apply needs", async (context) => {
  const env = stateIn(temporaryDirectory(context));
  const argv = ["--host", "emulated:demo", "who", "ens3np0/vf0"];
  const { exitCode, stdout } = await runProgram(argv, { env });
  assert.equal(exitCode, 0);
  assert.match(stdout, /^VF 0000:5e:18\.0 {2}VF 0 of 0000:5e:00\.0 ens3np0, driver vfio-pci/);
  assert.match(stdout, /\n {2}vm:web1 \(process 4101\)\n {6}\/proc\/4101\/fd -> \/dev\/vfio\/13\n/);
  assert.match(stdout, /needs --allow-disruption vm:web1\n$/);
});
