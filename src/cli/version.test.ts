// What --version says of this checkout, and the words for each kind of build.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram, temporaryDirectory } from "../../test/run-program.ts";
import packageJson from "../../package.json" with { type: "json" };
import { factsOfCheckout } from "./build-facts.ts";
import { versionJson, versionText } from "./version.ts";

test("--version tells version, build, commit and Node", async () => {
  const { exitCode, stdout, stderr } = await runProgram(["--version"]);
  assert.equal(exitCode, 0);
  assert.equal(stderr, "");
  const [first, build, commit, node, ...rest] = stdout.split("\n");
  assert.equal(first, `sriovctl ${packageJson.version}`);
  assert.match(build ?? "", /^build {3}checkout for linux-\w+(, \d{4}-\d\d-\d\d)?$/);
  assert.match(commit ?? "", /^commit {2}([0-9a-f]{40}\+?|unknown)$/);
  assert.equal(node, `Node    ${process.versions.node}`);
  assert.deepEqual(rest, [""]);
});

test("--version --json is the same for programs, before or after", async () => {
  for (const argv of [
    ["--version", "--json"],
    ["--json", "-V"],
  ]) {
    const { exitCode, stdout } = await runProgram(argv);
    assert.equal(exitCode, 0);
    const document: unknown = JSON.parse(stdout);
    assert.equal((document as { format: string }).format, "sriovctl-version/1");
    assert.equal((document as { version: string }).version, packageJson.version);
  }
});

test("outside of a repository the commit is unknown", (context) => {
  const facts = factsOfCheckout(temporaryDirectory(context));
  assert.deepEqual(facts, { commit: null, date: null });
  const platform = "linux-x64";
  assert.equal(
    versionText({ ...facts, kind: "executable", platform, node: "26.0.0" }),
    `sriovctl ${packageJson.version}\nbuild   single executable for linux-x64\n` +
      "commit  unknown\nNode    26.0.0",
  );
});

test("a build's facts are in the document", () => {
  const facts = { commit: "ab".repeat(20), date: "2026-11-21" };
  assert.deepEqual(versionJson({ ...facts, kind: "package", platform: "linux-x64", node: "26" }), {
    format: "sriovctl-version/1",
    version: packageJson.version,
    build: { kind: "package", platform: "linux-x64", date: "2026-11-21" },
    commit: facts.commit,
    node: "26",
  });
});
