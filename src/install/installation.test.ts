// The texts that enable installs: whole, as golden files, because each line is somebody else's
// syntax, and read by systemd's own checker where it is installed.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { parseSpec } from "../model/spec-text.ts";
import { execLine } from "./exec-line.ts";
import { installedFiles } from "./installation.ts";
import { notTheHosts } from "./leave-alone.ts";
import { isOwnText } from "./own-file.ts";
import { leaveAloneRules } from "./udev-rules.ts";

const program = {
  command: ["/usr/bin/sriovctl"],
  configDir: "/etc/sriovctl",
  stateDir: "/var/lib/sriovctl",
};

function checkGolden(name: string, text: string): void {
  const path = join(import.meta.dirname, "golden", name);
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, text);
  assert.equal(text, readFileSync(path, "utf8"));
}

for (const { path, text } of installedFiles(program, "/run/sriovctl")) {
  test(`${basename(path)} is as its golden file and names us`, () => {
    checkGolden(basename(path), text);
    assert.ok(isOwnText(text));
  });
}

test("the rules for VFs that are not the host's are as their golden file", () => {
  const pfs = [
    { pf: "0000:3b:00.0", vfIndexes: [0, 1] },
    { pf: "0000:3b:00.1", vfIndexes: [3] },
  ];
  checkGolden("90-sriovctl-vfs.rules", leaveAloneRules(pfs));
});

test("systemd finds nothing to say about the units", (context) => {
  if (spawnSync("systemd-analyze", ["--version"]).error !== undefined) {
    context.skip("systemd-analyze is not installed");
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), "sriovctl-units-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const odd = { ...program, command: [process.execPath, '/opt/my "100%" $HOME/sriovctl.js'] };
  for (const { path, text } of installedFiles(odd, "/run/sriovctl")) {
    if (path.endsWith(".service")) writeFileSync(join(directory, basename(path)), text);
  }
  const units = [
    "sriovctl-apply.service",
    "sriovctl-apply@0000:3b:00.0.service",
    "sriovctl-returned.service",
  ];
  for (const unit of units) {
    const file = join(directory, unit);
    if (unit.includes("0000")) {
      writeFileSync(file, readFileSync(join(directory, "sriovctl-apply@.service")));
    }
    const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", file], {
      encoding: "utf8",
    });
    const about = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("sriovctl"));
    assert.deepEqual(about, []);
  }
});

test("arguments reach a unit's program as they are", () => {
  const rows: readonly (readonly [readonly string[], string])[] = [
    [["/usr/bin/sriovctl", "apply"], "/usr/bin/sriovctl apply"],
    [["/opt/a b/x", "100%"], '"/opt/a b/x" "100%%"'],
    [["/x", "$HOME", 'say "no"', "a\\b"], '/x "$$HOME" "say \\"no\\"" "a\\\\b"'],
    [["/x", "", "*"], '/x "" "*"'],
  ];
  for (const [command, line] of rows) assert.equal(execLine(command), line);
});

test("the host's own VFs are those that a policy gives to a kernel driver", () => {
  const text = `
apiVersion: sriovctl/v1
defaults: { unassigned: kernel }
adapters:
  - physicalFunctions: [{ name: p0, match: { address: "0000:3b:00.0" }, numVfs: 6 }]
pools: [{ name: tenants, vfs: p0/0-1, driver: kernel }]
virtualFunctions:
  - { vfs: p0/2, driver: kernel }
  - { vfs: p0/3, driver: ixgbevf }
  - { vfs: p0/4, driver: vfio-pci }
`;
  const { spec, problems } = parseSpec(text, "host.yaml");
  assert.ok(spec !== null, JSON.stringify(problems));
  assert.deepEqual(notTheHosts(spec, "p0", 6), [0, 1, 4, 5]);
});
