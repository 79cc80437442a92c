// Other managers on an emulated machine, as people meet them: a refused plan, and taking over.

import assert from "node:assert/strict";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
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
  const drifted = await runProgram([...host, "drift", "-f", spec], setting);
  assert.equal(drifted.exitCode, 3);
  assert.match(drifted.stderr, /Somebody else has PFs of the spec: 1 problem\n {2}Take it over/);
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

test("what export writes for a manager, import --from takes back", async (context) => {
  const { directory, setting } = machineWith(context, {});
  const out = join(directory, "files");
  const argv = [...host, "export", "-f", "examples/demo.yaml"];
  const written = await runProgram([...argv, "--to", "networkmanager", "--out", out], setting);
  assert.equal(written.exitCode, 0, written.stderr);
  assert.match(written.stderr, /warning: nvme: networkmanager only knows PFs with a netdev/);
  assert.equal(statSync(join(out, "sriov-p0.nmconnection")).mode & 0o777, 0o600);
  const taken = [...host, "import", "--json", "--from", "networkmanager", out];
  const { spec } = JSON.parse((await runProgram(taken, setting)).stdout);
  assert.deepEqual(
    spec.adapters.flatMap((card: { physicalFunctions: { match: object; numVfs: number }[] }) =>
      card.physicalFunctions.map(({ match, numVfs }) => [match, numVfs]),
    ),
    [
      [{ permanentMac: "b4:96:91:00:00:10" }, 16],
      [{ permanentMac: "b4:96:91:00:00:11" }, 8],
      [{ permanentMac: "b8:59:9f:00:00:20" }, 4],
    ],
  );
  const again = await runProgram([...argv, "--to", "networkmanager", "--out", out], setting);
  assert.equal(again.exitCode, 2);
  assert.match(again.stderr, /it exists already/);
});

test("export without a spec is what the host has, and JSON lists what is lost", async (context) => {
  const { setting } = machineWith(context, {});
  const run = await runProgram([...host, "export", "--json", "--to", "netplan"], setting);
  const { format, to, files, lacks } = JSON.parse(run.stdout);
  assert.deepEqual([format, to, files.length], ["sriovctl-export/1", "netplan", 1]);
  assert.match(files[0].text, /virtual-function-count: 4/);
  assert.ok(lacks.length > 0);
  const nobody = await runProgram([...host, "export"], setting);
  assert.equal(nobody.exitCode, 2);
  assert.match(nobody.stderr, /Cannot export to nobody: wanted --to networkd/);
});

test("export defines networks of this machine's libvirt only", async (context) => {
  const { setting } = machineWith(context, {});
  const rows: readonly (readonly [words: string, message: RegExp])[] = [
    ["libvirt-network --define", /Cannot define networks of \S+: libvirt is on this machine/],
    ["nova --define", /Cannot export to nova with --define: it is for libvirt-network/],
    ["libvirt-network --connect qemu:///session", /--connect alone: it goes with --define/],
    ["libvirt-network --define --out files", /with --define and --out: wanted one of them/],
  ];
  for (const [words, message] of rows) {
    const run = await runProgram([...host, "export", "--to", ...words.split(" ")], setting);
    assert.equal(run.exitCode, 2, words);
    assert.match(run.stderr, message);
  }
});
