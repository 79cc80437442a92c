// Captures as a user makes and reads them: the whole program, on emulated machines and on files that
// are no captures.

import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "./run-program.ts";

async function captured(context: TestContext, machine: string, ...options: string[]) {
  const folder = temporaryDirectory(context);
  const env = stateIn(folder);
  const file = join(folder, "host.capture");
  const host = ["--host", `emulated:${machine}`];
  const made = await runProgram([...host, "capture", "--out", file, ...options], { env });
  assert.equal(made.exitCode, 0, made.stderr);
  const run = (...argv: string[]) => runProgram(["--host", `snapshot:${file}`, ...argv], { env });
  const live = (...argv: string[]) => runProgram([...host, ...argv], { env });
  return { folder, file, env, made, run, live };
}

for (const machine of ["demo", "igb-lab", "dense"]) {
  test(`${machine}: with all identifiers it is listed as the machine itself`, async (context) => {
    const { run, live, file } = await captured(context, machine, "--raw");
    for (const words of [["list"], ["list", "--wide"], ["list", "--json"]]) {
      const [there, here] = [await live(...words), await run(...words)];
      const named = here.stdout.replaceAll(`snapshot:${file}`, `emulated:${machine}`);
      assert.equal(named, there.stdout);
    }
  });
}

test("a capture of a capture is the same file, without identifiers too", async (context) => {
  const { folder, file, run } = await captured(context, "demo");
  const again = join(folder, "again.capture");
  assert.equal((await run("capture", "--out", again)).exitCode, 0);
  assert.equal(readFileSync(again, "utf8"), readFileSync(file, "utf8"));
  assert.equal((await run("capture")).stdout, readFileSync(file, "utf8"));
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test("identifiers can be taken out later, with the same result", async (context) => {
  const { folder, run, live } = await captured(context, "demo", "--raw");
  const raw = await run("capture", "--raw");
  assert.match(raw.stdout, /^identifiers raw$/m);
  const later = await run("capture");
  const once = join(folder, "once.capture");
  await live("capture", "--out", once);
  const withoutTime = (text: string): string => text.replace(/^at .*$/m, "");
  assert.equal(withoutTime(later.stdout), withoutTime(readFileSync(once, "utf8")));
  assert.doesNotMatch(later.stdout, /b4-96-91-ff-ff-00-00-10/);
});

test("show, plan, drift and import work on it; nothing that changes a host does", async (context) => {
  const { folder, run } = await captured(context, "demo", "--raw");
  const spec = join(folder, "spec.yaml");
  const imported = await run("import");
  assert.equal(imported.exitCode, 0);
  writeFileSync(spec, imported.stdout);
  assert.match((await run("show", "ens1f0np0")).stdout, /first offset 8, stride 1/);
  assert.match((await run("plan", "-f", spec)).stdout, /Nothing to do|nothing to do/);
  assert.equal((await run("drift", "-f", spec)).exitCode, 0);
  const wanted = imported.stdout.replace("numVfs: 0", "numVfs: 4");
  assert.notEqual(wanted, imported.stdout);
  writeFileSync(spec, wanted);
  assert.equal((await run("drift", "-f", spec)).exitCode, 4);
  // The card resets, and a bridge is above it: the census was captured too.
  const refused = await run("plan", "-f", spec);
  assert.equal(refused.exitCode, 3);
  assert.match(refused.stdout, /upper:br0/);
  for (const words of [["apply", "-f", spec, "--yes"], ["rollback", "--yes"], ["recover"]]) {
    const { exitCode, stderr } = await run(...words);
    assert.equal(exitCode, 2, stderr);
    assert.match(stderr, /read-only/);
  }
});

test("--json tells what is in the file", async (context) => {
  const { made, file } = await captured(context, "demo", "--json");
  const report = JSON.parse(made.stdout);
  assert.equal(report.format, "sriovctl-capture-report/1");
  assert.equal(report.file, file);
  assert.equal(report.bytes, readFileSync(file).length);
  assert.equal(report.identifiers, "replaced");
  assert.ok(report.missing.length > 0);
  const env = stateIn(temporaryDirectory(context));
  const { exitCode } = await runProgram(["--host", "emulated:demo", "capture", "--json"], { env });
  assert.equal(exitCode, 2);
});

test("what is no capture is refused, what is cut is shown as far as it goes", async (context) => {
  const { file, run } = await captured(context, "demo");
  const whole = readFileSync(file, "utf8");
  writeFileSync(file, whole.slice(0, whole.length * 0.9));
  const cut = await run("list");
  assert.equal(cut.exitCode, 0);
  assert.match(cut.stderr, /does not end as it should/);
  for (const text of ["", "\0\0\0\0", "sriovctl-capture/3\n", "{}\n", "\xff\xfe"]) {
    writeFileSync(file, text, "latin1");
    const { exitCode, stderr } = await run("list");
    assert.equal(exitCode, 2, stderr);
  }
  const { exitCode } = await runProgram(["--host", `snapshot:${file}.gone`, "list"]);
  assert.equal(exitCode, 2);
});

test("ten thousand devices that say nothing are diagnosed", async (context) => {
  const folder = temporaryDirectory(context);
  const file = join(folder, "many.capture");
  const hex = (value: number): string => value.toString(16).padStart(2, "0");
  const addresses = Array.from(
    { length: 10_000 },
    (_, at) => `0000:${hex(at >> 8)}:${hex((at >> 3) & 31)}.${at & 7}`,
  );
  const devices = "/sys/bus/pci/devices";
  const sources = [
    ...addresses.flatMap((address) => [
      `link ${devices}/${address} -> ../../../devices/${address}`,
      `list /sys/devices/${address}\n  config modalias sriov_totalvfs`,
      `file /sys/devices/${address}/sriov_totalvfs = 65535`,
    ]),
    `list ${devices}\n  ${addresses.join(" ")}`,
    "ask netlink-replies\n  link 2097152\n  link 2097152",
  ];
  const head = ["sriovctl-capture/2", "identifiers raw", "user root"];
  writeFileSync(file, [...head, ...sources, `end ${sources.length}`, ""].join("\n"));
  const run = (...argv: string[]) =>
    runProgram(["--host", `snapshot:${file}`, ...argv], { env: stateIn(folder) });
  const { exitCode, stdout, stderr } = await run("doctor");
  assert.deepEqual([exitCode, stderr], [0, ""]);
  assert.match(stdout, /more; --json has them all/);
  for (const command of ["list", "plan"]) {
    const spec = join(folder, "spec.yaml");
    writeFileSync(spec, onePf);
    const words = command === "plan" ? ["plan", "-f", spec] : ["list"];
    const ran = await run(...words);
    assert.ok(ran.exitCode === 0 || ran.exitCode === 2, `${command}: ${ran.stderr.slice(0, 200)}`);
  }
});

const onePf = `apiVersion: sriovctl/v1
adapters: [{ physicalFunctions: [{ name: a, match: { address: "0000:00:00.0" }, numVfs: 4 }] }]
`;

test("more configuration than a host has is not laid to more PFs than it has", async (context) => {
  const folder = temporaryDirectory(context);
  const file = join(folder, "managed.capture");
  const [numPfs, numFiles] = [1100, 1000];
  const addresses = Array.from(
    { length: numPfs },
    (_, at) => `0000:${(at >> 3).toString(16).padStart(2, "0")}:00.${at & 7}`,
  );
  const sources = [
    ...addresses.flatMap((address) => [
      `link /sys/bus/pci/devices/${address} -> ../../../devices/${address}`,
      `list /sys/devices/${address}\n  sriov_totalvfs`,
      `file /sys/devices/${address}/sriov_totalvfs = 8`,
    ]),
    `list /sys/bus/pci/devices\n  ${addresses.join(" ")}`,
    ...Array.from(
      { length: numFiles },
      (_, at) =>
        `ask other-config /etc/systemd/network/${at}.network\n  [Match]\n  Name=*\n  [SR-IOV]\n  VirtualFunction=0\n  Trust=yes`,
    ),
    "ask other-config-problems",
  ];
  const head = ["sriovctl-capture/2", "identifiers raw", "user root"];
  writeFileSync(file, [...head, ...sources, `end ${sources.length}`, ""].join("\n"));
  const env = stateIn(folder);
  const { stdout } = await runProgram(["--host", `snapshot:${file}`, "doctor", "--json"], { env });
  const { notChecked } = JSON.parse(stdout);
  const claims = notChecked.find(({ need }: { need: string }) => need === "claims");
  assert.match(claims.why, /1000 claims on 1100 PFs are more than a host has/);
});

test("a capture of format 1 is used, and captured again it is one of format 2", async (context) => {
  const old = join(import.meta.dirname, "captures", "igb-lab-1.capture");
  const env = stateIn(temporaryDirectory(context));
  const run = (...argv: string[]) => runProgram(["--host", `snapshot:${old}`, ...argv], { env });
  const { exitCode, stdout, stderr } = await run("list", "--json");
  assert.deepEqual([exitCode, stderr], [0, ""]);
  const { physicalFunctions } = JSON.parse(stdout);
  assert.deepEqual(
    physicalFunctions.map(({ driver }: { driver: string }) => driver),
    ["igb", "igb", "igb", "nvme", "igb", "igb", "igb", "igb", "igb"],
  );
  const plan = JSON.parse((await run("doctor", "--json")).stdout);
  assert.ok(plan.notChecked.some(({ need }: { need: string }) => need === "reservations"));
  const again = await run("capture");
  const [head, ...lines] = again.stdout.split("\n");
  assert.equal(head, "sriovctl-capture/2");
  assert.deepEqual(lines, readFileSync(old, "utf8").split("\n").slice(1));
});
