// `sriovctl without-vfs` as a whole command on the emulated machine: what is refused before a VF is taken out,
// the exit codes, and the document.

import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const example = join(import.meta.dirname, "../../examples/demo.yaml");

async function machine(context: TestContext) {
  const root = temporaryDirectory(context);
  const runWords = async (words: readonly string[]) =>
    await runProgram(["--host", "emulated:demo", ...words], { env: stateIn(root) });
  const run = async (line: string) => await runWords(line.split(" "));
  assert.equal((await run(`apply -f ${example} --yes`)).exitCode, 0);
  const attached = await run("attach 0000:3b:00.0/vf0 --to libvirt:web2/n5 --mac auto --yes");
  assert.equal(attached.exitCode, 0, attached.stderr);
  const path = join(root, "faults.yaml");
  const faults = async (text: string) => {
    writeFileSync(path, `format: sriovctl-faults/1\nfaults:\n  - ${text}\n`);
    assert.equal((await run(`demo --faults ${path}`)).exitCode, 0);
  };
  return { run, runWords, faults, root };
}

const isIn = /vf0 .* attached  libvirt:web2\/n5/;

test("what cannot be run, or is no consumer, takes no VF out", async (context) => {
  const { run, root } = await machine(context);
  const text = join(root, "text");
  writeFileSync(text, "no program");
  const rows: readonly (readonly [words: string, exitCode: number, says: RegExp])[] = [
    ["libvirt:web2 -- nosuchcmd", 127, /Cannot run nosuchcmd: not found/],
    [`libvirt:web2 -- ${text}`, 126, /text: not executable/],
    ["libvirt:web2 -- /usr", 126, /Cannot run \/usr: not executable/],
    ["web2 -- true", 2, /no VF, and no consumer, wanted KIND:NAME/],
    ["vmware:web2 -- true", 2, /no VF, and no consumer/],
    ["libvirt: -- true", 2, /wanted libvirt:DOMAIN\/ALIAS/],
    ["libvirt:web2/n5/x -- true", 2, /wanted libvirt:DOMAIN\/ALIAS/],
    ["libvirt:web2/zzz -- true", 1, /no VF is attached to it\n.*web2 has: libvirt:web2\/n5/],
    ["libvirt:nosuch -- true", 1, /Cannot find libvirt:nosuch/],
    ["0000:5e:00.0/vf0 -- true", 3, /in use by vm:web1/],
  ];
  for (const [words, exitCode, says] of rows) {
    const result = await run(`without-vfs ${words}`);
    assert.equal(result.exitCode, exitCode, `${words}: ${result.stderr}`);
    assert.match(result.stderr, says, words);
    assert.doesNotMatch(result.stderr, /Without|attached again/, words);
  }
  assert.equal((await run("detach libvirt: --yes")).exitCode, 2);
  assert.equal((await run("detach libvirt:web2/n5/x --yes")).exitCode, 2);
  assert.match((await run("lease ls")).stdout, isIn);
});

test("a VF stands for its consumer, and a signal counts as a shell counts it", async (context) => {
  const { run, runWords, root } = await machine(context);
  const byVf = await run("without-vfs 0000:3b:00.0/vf0 -- true");
  assert.deepEqual([byVf.exitCode, /attached again/.test(byVf.stderr)], [0, true]);
  const killed = ["without-vfs", "libvirt:web2", "--", "sh", "-c", "kill -9 $$"];
  assert.equal((await runWords(killed)).exitCode, 128 + 9);
  const text = join(root, "text");
  writeFileSync(text, "#!/nowhere/sh");
  chmodSync(text, 0o755);
  const unknown = await run(`without-vfs libvirt:web2 -- ${text}`);
  assert.equal(unknown.exitCode, 126);
  assert.match(unknown.stderr, /text: it does not start[^]*attached again/);
});

test("--json is one document, whatever became of it", async (context) => {
  const { run, runWords, faults } = await machine(context);
  const rows: readonly (readonly [words: string, exitCode: number, outcome: string])[] = [
    ["libvirt:web2 --json -- false", 1, "back"],
    ["libvirt:web1 --json -- true", 0, "no-vfs"],
    ["libvirt:web2 --json -- nosuchcmd", 127, "not-run"],
    ["libvirt:web2 --target emulated:igb-lab --json -- true", 3, "refused"],
  ];
  for (const [words, exitCode, outcome] of rows) {
    const result = await run(`without-vfs ${words}`);
    const document = JSON.parse(result.stdout);
    assert.deepEqual([result.exitCode, document.outcome], [exitCode, outcome], words);
    assert.equal(document.problems.length > 0, exitCode > 1, words);
  }
  await faults("{ on: { operation: unplug }, effect: hang }");
  const kept = JSON.parse((await run("without-vfs libvirt:web2 --json -- true")).stdout);
  assert.deepEqual([kept.outcome, kept.exitCode], ["not-taken-out", null]);
  assert.match(kept.problems[0].message, /has not let go/);
  await faults("{ on: { operation: plug }, effect: { refuse: EIO } }");
  const lost = await runWords(["without-vfs", "libvirt:web2", "--json", "--", "true"]);
  const document = JSON.parse(lost.stdout);
  assert.deepEqual([lost.exitCode, document.outcome, document.exitCode], [1, "not-back", 0]);
  assert.match(lost.stderr, /sriovctl recover tries again/);
  assert.match((await run("lease ls")).stdout, isIn);
  assert.equal((await run("recover --yes")).exitCode, 0);
  assert.match((await run("who 0000:3b:00.0/vf0")).stdout, /vm:web2/);
});
