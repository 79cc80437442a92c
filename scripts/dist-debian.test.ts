// The package's control files as dpkg reads them, and the example that it puts into /etc.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseSpec } from "../src/model/spec-text.ts";
import { conffilesOf, controlOf, debianVersion, md5sumsOf } from "./dist-debian.ts";

const packaging = join(import.meta.dirname, "..", "packaging");

const files = [
  { path: "/etc/sriovctl/host.yaml.example", content: Buffer.from("x"), mode: 0o644 },
  { path: "/usr/bin/sriovctl", content: Buffer.alloc(3000), mode: 0o755 },
] as const;

test("a pre-release is older than its release", () => {
  assert.equal(debianVersion("1.2.3"), "1.2.3");
  assert.equal(debianVersion("1.2.3-rc.1"), "1.2.3~rc.1");
});

test("control names what the executable is linked with, and its size in KiB", () => {
  const facts = { version: "1.2.3", description: "d", arch: "x64", timeS: 0, files };
  const control = controlOf(facts);
  assert.match(control, /^Version: 1\.2\.3\nArchitecture: amd64$/m);
  assert.match(control, /^Installed-Size: 4$/m);
  for (const name of ["libc6", "libatomic1", "libstdc\\+\\+6", "util-linux"]) {
    assert.match(control, new RegExp(`^Depends: .*\\b${name}`, "m"));
  }
  assert.throws(() => controlOf({ ...facts, arch: "mips" }), /wanted x64 or arm64/);
});

test("what is in /etc is a conffile, the rest has a checksum", () => {
  assert.equal(conffilesOf(files), "/etc/sriovctl/host.yaml.example\n");
  assert.match(md5sumsOf(files), /^[0-9a-f]{32} {2}usr\/bin\/sriovctl\n$/);
});

test("the example in /etc is a spec in order, under a name that no boot applies", () => {
  const text = readFileSync(join(packaging, "host.yaml.example"), "utf8");
  const { problems } = parseSpec(text, "host.yaml.example");
  assert.deepEqual(problems, []);
});

test("the maintainer scripts are shell", () => {
  for (const name of ["postinst", "postrm"]) {
    const { status, stderr } = spawnSync("sh", ["-n", join(packaging, "debian", name)]);
    assert.equal(status, 0, `${name}: ${stderr}`);
  }
});
