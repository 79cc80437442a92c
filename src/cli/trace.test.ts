// `sriovctl trace` on emulated machines: what people see is golden, what programs read is checked
// by its keys, and what cannot be traced says why. UPDATE_GOLDEN=1 rewrites the golden files.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const golden = join(import.meta.dirname, "golden");
const demo = ["--host", "emulated:demo", "trace"];

const rows: readonly (readonly [name: string, argv: readonly string[]])[] = [
  ["demo-trace", [...demo, "--from", "vf:ens3np0/0", "--dst", "52:54:00:99:99:99", "-v"]],
  ["demo-trace-broadcast", [...demo, "--from", "uplink:ens3np0", "--dst", "broadcast"]],
  ["demo-trace-pairs", [...demo, "--all-pairs"]],
  ["demo-trace-dma", [...demo, "--dma", "vf:ens3np0/0"]],
  ["demo-trace-dma-no-acs", [...demo, "--dma", "ens5"]],
];

for (const [name, argv] of rows) {
  test(`golden: sriovctl ${argv.join(" ")}`, async (context) => {
    const ran = await runProgram(argv, { env: stateIn(temporaryDirectory(context)) });
    assert.deepEqual([ran.exitCode, ran.stderr], [0, ""]);
    const path = join(golden, `${name}.txt`);
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, ran.stdout);
    assert.equal(ran.stdout, readFileSync(path, "utf8"), name);
  });
}

test("--json is one document", async (context) => {
  const env = stateIn(temporaryDirectory(context));
  const argv = [...demo, "--from", "vf:ens3np0/0", "--dst", "pf:ens3np0", "--json"];
  const document = JSON.parse((await runProgram(argv, { env })).stdout);
  assert.equal(document.format, "sriovctl-trace/1");
  assert.deepEqual(document.from, { kind: "vf", vf: 0, isBridgeGuest: false });
  assert.deepEqual(document.tagsInside, [{ id: 200, qos: 0, protocol: "802.1q" }]);
  assert.equal(document.deliveries[0].certainty, "if");
  const pairs = JSON.parse((await runProgram([...demo, "--all-pairs", "--json"], { env })).stdout);
  assert.equal(pairs.format, "sriovctl-trace-pairs/1");
  assert.equal(pairs.physicalFunctions[0].reach.length, 5);
});

test("a VF of another card is meant with the MAC that it has", async (context) => {
  const env = stateIn(temporaryDirectory(context));
  const other = await runProgram(
    [...demo, "--from", "pf:ens3np0", "--dst", "vf:ens3np0/1", "--json"],
    {
      env,
    },
  );
  const argv = [...demo, "--from", "guest-of-bridge", "--dst", "vf:ens3np0/1", "--json"];
  const { frame } = JSON.parse((await runProgram(argv, { env })).stdout);
  assert.notEqual(frame.destination, "00:00:00:00:00:00");
  assert.equal(frame.destination, JSON.parse(other.stdout).frame.destination);
});

test("labels of a spec name PFs and VFs", async (context) => {
  const env = stateIn(temporaryDirectory(context));
  const spec = join(import.meta.dirname, "..", "..", "examples", "demo.yaml");
  const traceOf = async (...argv: string[]) =>
    JSON.parse((await runProgram([...demo, "-f", spec, ...argv, "--json"], { env })).stdout);
  const plain = await traceOf("--from", "vf:ens3np0/0", "--dst", "vf:ens3np0/1");
  for (const [from, to] of [
    ["cx/0", "cx/1"],
    ["vf:cx/0", "vf:cx/1"],
    ["cx/vf0", "cx/vf1"],
  ] as const) {
    assert.deepEqual(await traceOf("--from", from, "--dst", to), plain);
  }
  assert.equal((await traceOf("--from", "uplink:cx", "--dst", "broadcast")).from.kind, "uplink");
  assert.equal((await traceOf("--all-pairs", "cx")).physicalFunctions[0].name, "ens3np0");
  const unknown = [...demo, "-f", spec, "--from", "cy/0", "--dst", "broadcast"];
  assert.match((await runProgram(unknown, { env })).stderr, /no PF or VF has this address or name/);
});

test("labels are read from the configuration folder where no spec is named", async (context) => {
  const env = stateIn(temporaryDirectory(context));
  const spec = join(import.meta.dirname, "..", "..", "examples", "demo.yaml");
  mkdirSync(env["SRIOVCTL_CONFIG_DIR"] ?? "", { recursive: true });
  copyFileSync(spec, join(env["SRIOVCTL_CONFIG_DIR"] ?? "", "demo.yaml"));
  const argv = [...demo, "--from", "cx/0", "--dst", "cx/1", "--json"];
  const document = JSON.parse((await runProgram(argv, { env })).stdout);
  assert.equal(document.physicalFunction, "0000:5e:00.0");
});

const refusals: readonly (readonly [argv: readonly string[], says: RegExp])[] = [
  [[], /wanted --from SENDER with --dst MAC, --all-pairs or --dma/],
  [["--from", "vf:ens3np0/0"], /wanted its destination/],
  [["--from", "vf:ens3np0/0", "--dst", "52:54:00:zz:00:01"], /PF or VF has this address/],
  [["--from", "vf:ens3np0/0", "--dst", "52:54:00:00:01"], /six pairs of hexadecimal digits/],
  [["--from", "vf:ens3np0/9", "--dst", "broadcast"], /has 4 VFs/],
  [["--from", "vf:ens3np0", "--dst", "broadcast"], /wanted a VF/],
  [["--from", "pf:0000:5e:18.0", "--dst", "broadcast"], /wanted a PF/],
  [["--from", "guest-of-bridge:br7", "--dst", "broadcast"], /guest-of-bridge:br0 \(0000:01:00.0\)/],
  [["--from", "0000:41:00.0", "--dst", "broadcast"], /no network function/],
  [["--from", "pf:ens5", "--dst", "broadcast", "--vlan", "4096"], /--vlan 4096: wanted 0 to 4095/],
  [["--from", "pf:ens5", "--dst", "broadcast", "--ethertype", "ipv4"], /hexadecimal/],
  [["--from", "pf:ens5", "--dst", "vf:ens3np0/9"], /has 4 VFs/],
  [["--all-pairs", "--from", "pf:ens5"], /wanted one of them/],
  [["--dma", "ens5", "--all-pairs"], /wanted one of them/],
];

for (const [argv, says] of refusals) {
  test(`refused: trace ${argv.join(" ")}`, async (context) => {
    const ran = await runProgram([...demo, ...argv], { env: stateIn(temporaryDirectory(context)) });
    assert.notEqual(ran.exitCode, 0);
    assert.match(ran.stderr, says);
  });
}
