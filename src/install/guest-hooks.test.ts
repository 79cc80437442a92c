// The hook scripts under a real shell: which exit codes of the program let a guest start. The program
// is a stand-in that ends as it is told; what sriovctl itself answers is tested with cli/.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { libvirtHook, pveHook } from "./guest-hooks.ts";
import { isOwnText } from "./own-file.ts";

const folder = mkdtempSync(join(tmpdir(), "sriovctl-hooks-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A program whose name needs quoting, that writes its arguments and ends with a code. */
function program(exitCode: number): string {
  const path = join(folder, `it's $program ${exitCode}`);
  writeFileSync(path, `#!/bin/sh\necho "$@"\nexit ${exitCode}\n`);
  chmodSync(path, 0o755);
  return path;
}

function run(text: string, ...argv: readonly string[]) {
  const path = join(folder, "hook");
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  const { status, stdout, stderr } = spawnSync(path, argv, { encoding: "utf8", input: "" });
  return { status, stdout, stderr };
}

const prepare = ["web1", "prepare", "begin", "-"] as const;

const rows: readonly {
  readonly name: string;
  readonly command: () => string;
  readonly lenient: number;
  readonly strict: number;
}[] = [
  { name: "all is well", command: () => program(0), lenient: 0, strict: 0 },
  { name: "the start is refused", command: () => program(3), lenient: 1, strict: 1 },
  { name: "sriovctl fails", command: () => program(1), lenient: 0, strict: 1 },
  { name: "sriovctl is killed", command: () => program(137), lenient: 0, strict: 1 },
  { name: "there is no sriovctl", command: () => join(folder, "none"), lenient: 0, strict: 1 },
];

for (const { name, command, lenient, strict } of rows) {
  test(`a hook when ${name}: ${lenient} and, strict, ${strict}`, () => {
    const hook = { command: [command()] };
    assert.equal(run(libvirtHook({ ...hook, isStrict: false }), ...prepare).status, lenient);
    assert.equal(run(libvirtHook({ ...hook, isStrict: true }), ...prepare).status, strict);
    assert.equal(run(pveHook({ ...hook, isStrict: true }), "101", "pre-start").status, strict);
  });
}

test("a hook passes on what the hypervisor said, in the phases that matter", () => {
  const text = libvirtHook({ command: [program(0), "--host", "linux"], isStrict: false });
  assert.equal(run(text, ...prepare).stdout, "--host linux hook libvirt web1 prepare begin -\n");
  for (const phase of ["started", "stopped", "migrate", ""]) {
    assert.deepEqual(run(text, "web1", phase), { status: 0, stdout: "", stderr: "" });
  }
});

test("what did not work is said, and that the guest starts all the same", () => {
  const { stderr } = run(libvirtHook({ command: [program(1)], isStrict: false }), ...prepare);
  const words =
    "sriovctl's hook for web1 prepare did not work (exit code 1), and the guest goes on";
  assert.ok(stderr.startsWith(words), stderr);
});

test("a hook is known as our own file behind its first line", () => {
  assert.ok(isOwnText(libvirtHook({ command: ["/usr/bin/sriovctl"], isStrict: false })));
});
