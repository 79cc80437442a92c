// The program as a function, without a host: help, usage errors, and what a failure looks like.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runProgram, temporaryDirectory } from "../../test/run-program.ts";
import { SriovError } from "../model/errors.ts";
import { commandTable } from "./command-table.ts";

test("--help names every command and the exit codes", async () => {
  const { exitCode, stdout, stderr } = await runProgram(["--help"]);
  assert.equal(exitCode, 0);
  assert.equal(stderr, "");
  for (const { name } of commandTable) assert.match(stdout, new RegExp(`^  ${name} `, "m"));
  assert.match(stdout, /Exit codes:\n  0  done\n/);
});

test("every command's --help shows examples that begin with the program", async () => {
  for (const { name, examples } of commandTable) {
    const { exitCode, stdout } = await runProgram([name, "--help"]);
    assert.equal(exitCode, 0);
    assert.match(stdout, /\nExamples:\n/);
    for (const [command] of examples) assert.match(command, /sriovctl/, name);
  }
});

const usageRows: readonly (readonly [argv: readonly string[], message: RegExp])[] = [
  [[], /^error: Cannot run: no command was given\n {2}See sriovctl --help\n$/],
  [["lits"], /^error: Cannot run: unknown command 'lits'\n {2}Did you mean list\?\n$/],
  [["help", "lits"], /^error: Cannot run: unknown command 'lits'\n {2}Did you mean list\?\n$/],
  [["help", "xyzzy"], /^error: Cannot run: unknown command 'xyzzy'\n {2}See sriovctl --help\n$/],
  [["list", "--wid"], /^error: Cannot run: unknown option '--wid'\n {2}Did you mean --wide\?\n$/],
  [["list", "extra"], /^error: Cannot run: too many arguments/],
  [["show"], /^error: Cannot run: missing required argument 'target'/],
  [["plan"], /^error: Cannot plan without a spec: no -f FILE was given\n {2}Name a spec/],
  [["plan", "-f", "/nonexistent"], /^error: Cannot read \/nonexistent: no such file\n/],
  [
    ["plan", "-f", "package.json", "--allow-disruption", "web1"],
    /^error: Cannot allow disruption of web1: wanted KIND:NAME\n/,
  ],
  [["completion", "tcsh"], /^error: Cannot complete for tcsh: wanted bash, zsh, fish\n/],
];

test("a usage error is one sentence with a hint, and exit code 2", async () => {
  for (const [argv, message] of usageRows) {
    const { exitCode, stdout, stderr } = await runProgram(argv);
    assert.equal(exitCode, 2, argv.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, message);
  }
});

const failing = (error: unknown) => ({
  openHost: () => Promise.reject(error),
});

test("a failure has the exit code of its code; --json prints it as the one document", async () => {
  const detail = { operation: "open host", target: "mars" };
  const error = new SriovError("host-unknown", "Cannot open host mars: no such host", detail);
  const { exitCode, stdout, stderr } = await runProgram(["list", "--json"], failing(error));
  assert.equal(exitCode, 2);
  assert.match(stderr, /^error: Cannot open host mars/);
  assert.deepEqual(JSON.parse(stdout), {
    format: "sriovctl-error/1",
    exitCode: 2,
    error: { code: "host-unknown", message: error.message, hint: error.hint },
    problems: [],
  });
});

test("a bug says so without a stack trace, and with one under --debug", async () => {
  const bug = new TypeError("x is not a function");
  const plain = await runProgram(["list"], failing(bug));
  assert.equal(plain.exitCode, 1);
  assert.match(plain.stderr, /^error: Bug in sriovctl: x is not a function\n/);
  assert.doesNotMatch(plain.stderr, /\n\s+at /);
  const debugged = await runProgram(["list", "--debug"], failing(bug));
  assert.match(debugged.stderr, /\n\s+at /);
});

test("completion prints a script, and with --json one document that holds it", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { exitCode, stdout } = await runProgram(["completion", shell]);
    assert.equal(exitCode, 0);
    assert.match(stdout, /sriovctl complete --/);
    const document = JSON.parse((await runProgram(["completion", shell, "--json"])).stdout);
    assert.deepEqual(document, { format: "sriovctl-completion/1", shell, script: stdout });
  }
});

test("a spec that is no text, or has no end, is refused", async (context) => {
  const spec = join(temporaryDirectory(context), "latin1.yaml");
  writeFileSync(spec, Buffer.from([0x6e, 0x61, 0xef, 0x76]));
  const rows = [
    [spec, "it is not UTF-8 text"],
    ["/dev/zero", "it has more than 67108864 bytes"],
  ];
  for (const [path, reason] of rows) {
    const { exitCode, stderr } = await runProgram(["plan", "-f", `${path}`]);
    assert.equal(exitCode, 2);
    assert.ok(stderr.startsWith(`error: Cannot read ${path}: ${reason}\n`), stderr);
  }
});

test("a spec that does not parse lists every problem, also as JSON", async (context) => {
  const spec = join(temporaryDirectory(context), "bad.yaml");
  writeFileSync(spec, "apiVersion: sriovctl/v2\nadapters: 7\nfoo: 1\n");
  const { exitCode, stderr } = await runProgram(["plan", "-f", spec]);
  assert.equal(exitCode, 2);
  assert.match(stderr, /bad\.yaml:1:13: /);
  assert.match(stderr, /bad\.yaml:3:1: /);
  assert.match(stderr, /Cannot use .*bad\.yaml: it has 3 problems\n/);
  const run = await runProgram(["plan", "--json", "-f", spec]);
  const { format, empty, actions, problems } = JSON.parse(run.stdout);
  assert.deepEqual([format, empty, actions], ["sriovctl-plan-result/1", false, []]);
  assert.equal(problems.length, 3);
});

test("a deadline for kernel writes that is no number of seconds is said", async () => {
  for (const seconds of ["soon", "0", "-1", "Infinity"]) {
    const env = { SRIOVCTL_WRITE_DEADLINE: seconds };
    const { exitCode, stderr } = await runProgram(["--host", "emulated", "list"], { env });
    assert.equal(exitCode, 2);
    assert.match(stderr, /^error: Cannot use SRIOVCTL_WRITE_DEADLINE \S+: wanted seconds/);
  }
});
