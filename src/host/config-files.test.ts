// Other managers' files under a root: found, bounded, and a claim of an emulated machine's PF.

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { temporaryDirectory } from "../../test/run-program.ts";
import { readConfigFiles, withClaims } from "./config-files.ts";
import { openEmulatedHost } from "./emulated/emulated-host.ts";
import { fullInventory } from "./host.ts";
import { inventoryOf } from "../../test/inventory-of.ts";

function rootWith(context: TestContext, files: Readonly<Record<string, string>>): string {
  const root = temporaryDirectory(context);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const link = (numVfs: number): string =>
  `[Match]\nPath=pci-0000:3b:00.0\n[Link]\nSR-IOVVirtualFunctions=${numVfs}\n`;

test("links lead where they would lead on that host, and /dev/null masks", (context) => {
  const root = rootWith(context, {
    "/etc/elsewhere/p0.link": link(3),
    "/usr/lib/systemd/network/20-p1.link": link(4),
    "/etc/systemd/network/20-p2.link.d/vfs.conf": "[Link]\nSR-IOVVirtualFunctions=6\n",
    "/usr/lib/systemd/network/20-p2.link": link(5),
  });
  symlinkSync("/etc/elsewhere/p0.link", join(root, "/etc/systemd/network/10-p0.link"));
  symlinkSync("/dev/null", join(root, "/etc/systemd/network/20-p1.link"));
  symlinkSync("../../nothing", join(root, "/etc/systemd/network/30-gone.link"));
  const { claims = [], problems } = withClaims(inventoryOf([]), readConfigFiles(root));
  const counts = claims.flatMap(({ settings }) => settings.map((each) => ({ ...each })));
  assert.deepEqual(counts, [
    { kind: "num-vfs", numVfs: 3, where: "/etc/systemd/network/10-p0.link:4" },
    { kind: "num-vfs", numVfs: 6, where: "/etc/systemd/network/20-p2.link.d/vfs.conf:2" },
  ]);
  assert.deepEqual(problems, []);
});

test("what cannot be read, or is too long to be a configuration, is a problem", (context) => {
  const root = rootWith(context, {
    "/etc/netplan/10.yaml": "",
    "/etc/systemd/network/a.link/x": "",
  });
  truncateSync(join(root, "/etc/netplan/10.yaml"), (1 << 20) + 1);
  symlinkSync("20.yaml", join(root, "/etc/netplan/20.yaml"));
  const { claims, problems } = withClaims(inventoryOf([]), readConfigFiles(root));
  assert.deepEqual(claims, []);
  assert.deepEqual(
    problems.map(({ message }) => message),
    [
      "Cannot read /etc/netplan/10.yaml, which may set up VFs: it has 1048577 bytes, at most 1048576 are read",
      "Cannot read /etc/netplan/20.yaml, which may set up VFs: ELOOP",
    ],
  );
});

test("an emulated machine has other managers' files where it is given a root", async (context) => {
  const configRoot = rootWith(context, { "/etc/systemd/network/10-p0.link": link(2) });
  const host = await openEmulatedHost({ name: "demo", statePath: null, configRoot });
  const read = async (claims: boolean) => host.inventory({ ...fullInventory, claims });
  assert.equal((await read(false)).claims, undefined);
  assert.equal((await read(true)).claims?.length, 1);
  await host.close();
});
