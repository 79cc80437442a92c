// What the commands say of files that are damaged or cannot be written: always which file it is.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const spec = join(import.meta.dirname, "..", "..", "examples", "demo.yaml");

/** Command lines on a machine of the test's own, and where its journals are. */
function machine(context: TestContext) {
  const directory = temporaryDirectory(context);
  const env = stateIn(directory);
  const run = (...argv: readonly string[]) =>
    runProgram(["--host", "emulated:demo", ...argv], { env });
  return { directory, run, journals: join(directory, "state", "emulated", "demo", "journal") };
}

const damages: readonly (readonly [
  what: string,
  damage: (text: string) => string,
  message: RegExp,
])[] = [
  ["damaged", (text) => text.replace('"intent"', '"inte'), /\.jsonl:2: .*line 2 of \d+ is damaged/],
  ["newer", (text) => text.replace("journal/1", "journal/4"), /\.jsonl: .*sriovctl-journal\/4, /],
];

for (const [what, damage, message] of damages) {
  test(`a journal that is ${what} is named by every command that meets it`, async (context) => {
    const { run, journals } = machine(context);
    await run("apply", "-f", spec, "--yes");
    const [name = ""] = readdirSync(journals);
    const path = join(journals, name);
    const text = damage(readFileSync(path, "utf8"));
    // Without its end it is looked into.
    writeFileSync(path, `${text.trimEnd().split("\n").slice(0, -1).join("\n")}\n`);
    for (const argv of [["list"], ["history"], ["recover"], ["rollback", "--yes"]] as const) {
      const { stderr } = await run(...argv);
      assert.match(stderr, message, argv.join(" "));
      assert.ok(stderr.includes(path), stderr);
    }
    const { exitCode, stdout } = await run("apply", "-f", spec, "--yes", "--json");
    assert.equal(exitCode, 2);
    const { error } = JSON.parse(stdout);
    assert.equal(error.code, "file-format");
    assert.ok(error.message.includes(path), error.message);
  });
}

const cuts: readonly (readonly [words: string, numBytes: number])[] = [
  ["it ends inside its first line", 40],
  ["it is empty", 0],
];

for (const [words, numBytes] of cuts) {
  test(`a journal of which ${words} is named, and stands in nobody's way`, async (context) => {
    const { run, journals } = machine(context);
    const path = join(journals, "000001-20260101T000000Z.jsonl");
    mkdirSync(journals, { recursive: true });
    writeFileSync(path, '{"entry":"header","format":"sriovctl-journal/1"'.slice(0, numBytes));
    const sentence = `warning: ${path}: Cannot read journal: ${words}, an apply that died there had`;
    for (const command of ["list", "history", "recover"]) {
      const { exitCode, stderr } = await run(command);
      assert.equal(exitCode, 0);
      assert.equal(stderr.split(sentence).length, 2, stderr);
    }
    assert.match((await run("history")).stdout, /^No apply that can be read\.$/m);
    for (const command of ["history", "recover"]) {
      const { problems } = JSON.parse((await run(command, "--json")).stdout);
      assert.deepEqual([problems[0].code, problems[0].where], ["journal-unborn", path]);
    }
    const { exitCode, stderr } = await run("apply", "-f", spec, "--yes");
    assert.equal(exitCode, 0, stderr);
    assert.deepEqual(readdirSync(journals).length, 2);
  });
}

test("a folder of journals that is none is said; whoever only looks goes on", async (context) => {
  const { run, journals } = machine(context);
  mkdirSync(dirname(journals), { recursive: true });
  writeFileSync(journals, "");
  const sentence = `Cannot read the journals in ${journals}: a part of the path is no folder\n`;
  const list = await run("list");
  assert.equal(list.exitCode, 0);
  assert.ok(list.stderr.startsWith(`warning: ${sentence}`), list.stderr);
  for (const argv of [["history"], ["recover"], ["apply", "-f", spec, "--yes"]] as const) {
    const { exitCode, stderr } = await run(...argv);
    assert.equal(exitCode, 2);
    assert.ok(stderr.includes(`error: ${sentence}`), stderr);
  }
});

test("what is no file under a journal's name keeps nobody waiting", async (context) => {
  const { run, journals } = machine(context);
  const path = join(journals, "000001.jsonl");
  mkdirSync(path, { recursive: true });
  const words = async (): Promise<string> => (await run("list")).stderr.split("\n")[0] ?? "";
  assert.equal(await words(), `warning: ${path}: Cannot read journal: it is no regular file`);
  rmdirSync(path);
  if (spawnSync("mkfifo", [path]).status !== 0) return;
  assert.equal(await words(), `warning: ${path}: Cannot read journal: it is no regular file`);
});

test("history warns of a damaged journal once", async (context) => {
  const { run, journals } = machine(context);
  mkdirSync(journals, { recursive: true });
  writeFileSync(join(journals, "000001.jsonl"), "no journal\n");
  const { exitCode, stderr } = await run("history");
  assert.equal(exitCode, 0);
  assert.equal(stderr.split("000001.jsonl:1: Cannot read").length, 2, stderr);
});

test("--out that cannot be written is said in words", async (context) => {
  const { directory, run } = machine(context);
  const file = join(directory, "a-file");
  writeFileSync(file, "");
  mkdirSync(join(directory, "folder"));
  const reasons: readonly (readonly [path: string, reason: string])[] = [
    [join(directory, "none", "out"), "no such folder"],
    [join(file, "out"), "a part of the path is no folder"],
  ];
  for (const command of [["plan", "-f", spec], ["import"]]) {
    for (const [path, reason] of reasons) {
      const { exitCode, stderr } = await run(...command, "--out", path);
      assert.equal(exitCode, 2);
      assert.ok(stderr.includes(`error: Cannot write ${path}: ${reason}\n`), stderr);
    }
  }
  const { exitCode, stderr } = await run("plan", "-f", spec, "-o", join(directory, "folder"));
  assert.equal(exitCode, 2);
  assert.match(stderr, /: it is a folder\n/);
});
