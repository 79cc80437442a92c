// Other managers on an emulated machine, as people meet them: a refused plan, and taking over.

import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const host = ["--host", "emulated:demo"];

function machineWith(context: TestContext, files: Readonly<Record<string, string>>) {
  const directory = temporaryDirectory(context);
  const root = join(directory, "state/emulated/demo.root");
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return { directory, root, setting: { env: stateIn(directory) } };
}

const file = "/etc/systemd/network/10-p0.link";
const link =
  "[Match]\nPath=pci-0000:3b:00.0\n[Link]\nSR-IOVVirtualFunctions=4\n[SR-IOV]\nVirtualFunction=1\nVLANId=120\n";

test("a PF that networkd sets up is refused until its settings are taken over", async (context) => {
  const { directory, root, setting } = machineWith(context, { [file]: link });
  const spec = join(directory, "host.yaml");
  const taken = await runProgram([...host, "import", "--from", "networkd", "-o", spec], setting);
  assert.equal(taken.exitCode, 0, taken.stderr);
  const refused = await runProgram([...host, "plan", "-f", spec], setting);
  assert.equal(refused.exitCode, 3);
  assert.match(
    refused.stdout,
    /10-p0\.link:4: Cannot manage p0 \(0000:3b:00\.0\): networkd sets 4 VFs/,
  );
  const applied = await runProgram([...host, "apply", "--yes", "-f", spec], setting);
  assert.equal(applied.exitCode, 3, applied.stderr);
  const json = await runProgram([...host, "plan", "--json", "-f", spec], setting);
  const [problem] = JSON.parse(json.stdout).problems;
  assert.deepEqual([problem.code, problem.where], ["co-owned", `${file}:4`]);
  rmSync(join(root, file));
  const done = await runProgram([...host, "apply", "--yes", "-f", spec], setting);
  assert.equal(done.exitCode, 0, done.stderr);
  const shown = await runProgram([...host, "list", "--json"], setting);
  const pfs: { address: string }[] = JSON.parse(shown.stdout).physicalFunctions;
  const pf = Object(pfs.find(({ address }) => address === "0000:3b:00.0"));
  assert.equal(pf.numVfs, 4);
  assert.equal(pf.virtualFunctions[1].vlan.id, 120);
});

test("files may be named instead of the host's, alone or by their folder", async (context) => {
  const { root, setting } = machineWith(context, { [file]: link });
  const argv = [...host, "import", "--json", "--from", "networkd"];
  const byFile = await runProgram([...argv, join(root, file)], setting);
  const byFolder = await runProgram([...argv, join(root, dirname(file))], setting);
  const { spec, from, left } = JSON.parse(byFile.stdout);
  assert.deepEqual([from, left], ["networkd", []]);
  assert.equal(spec.adapters[0].physicalFunctions[0].numVfs, 4);
  assert.deepEqual(JSON.parse(byFolder.stdout), JSON.parse(byFile.stdout));
});

const usage: readonly (readonly [argv: readonly string[], exitCode: number, message: RegExp])[] = [
  [["--from", "wicked"], 2, /Cannot import from wicked: wanted networkd, networkmanager/],
  [["some.link"], 2, /Cannot import some\.link: whose file it is was not said/],
  [["--from", "udev"], 1, /nothing in its files sets up VFs of a PF of this host/],
  [["--from", "udev", "/nonexistent"], 2, /Cannot read \/nonexistent: no such file/],
];

test("import says what it cannot take", async (context) => {
  const { setting } = machineWith(context, {});
  for (const [argv, exitCode, message] of usage) {
    const run = await runProgram([...host, "import", ...argv], setting);
    assert.equal(run.exitCode, exitCode, run.stderr);
    assert.match(run.stderr, message);
  }
});
