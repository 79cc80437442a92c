// `sriovctl who`: whole commands on the emulated machine and on a captured tree.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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

test("a guest that is off is configured and no user; another one's VF is a conflict", async (context) => {
  const directory = temporaryDirectory(context);
  const env = stateIn(directory);
  const demo = ["--host", "emulated:demo"];
  await runProgram([...demo, "demo", "--stop-guest", "web1"], { env });
  const { exitCode, stdout } = await runProgram([...demo, "who", "ens3np0/vf0"], { env });
  assert.equal(exitCode, 0);
  assert.match(stdout, /\nused by nobody\nconfigured for\n {2}vm:web1 \(emulated\)\n/);
  assert.match((await runProgram([...demo, "list"], { env })).stdout, / vf0 .* \(vm:web1\)\n/);
  const folder = join(directory, "state", "emulated", "demo.root", "etc/pve/qemu-server");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "7.conf"), "name: db1\nhostpci0: 0000:5e:18.0\n");
  const asked = await runProgram([...demo, "who", "ens3np0", "--json"], { env });
  assert.equal(asked.exitCode, 4);
  const { format, conflicts, virtualFunctions } = JSON.parse(asked.stdout);
  assert.equal(format, "sriovctl-who/1");
  assert.deepEqual(virtualFunctions[0].users, []);
  assert.deepEqual(
    virtualFunctions[0].reservations.map(({ name }: { name: string }) => name),
    ["web1", "db1"],
  );
  assert.deepEqual(conflicts[0].parties, ["vm:web1", "vm:db1"]);
});

test("a plan that takes a VF from a guest that is off warns, and asks for no consent", async (context) => {
  const directory = temporaryDirectory(context);
  const env = stateIn(directory);
  const demo = ["--host", "emulated:demo"];
  await runProgram([...demo, "demo", "--stop-guest", "web1"], { env });
  const spec = join(directory, "spec.yaml");
  writeFileSync(
    spec,
    `apiVersion: sriovctl/v1
adapters:
  - name: nic
    physicalFunctions: [{ name: p0, match: { address: "0000:5e:00.0" }, numVfs: 0 }]
`,
  );
  const { exitCode, stdout, stderr } = await runProgram([...demo, "plan", "-f", spec], { env });
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout + stderr, /VF 0 of p0 is set aside for vm:web1: the spec wants 0 VFs/);
});
