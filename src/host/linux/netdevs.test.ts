// What the sysfs files of a netdev say, and what their absence does not.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { bareNetdev, netdevFromFiles } from "./netdevs.ts";
import { linuxPaths } from "./paths.ts";
import { TreeReader } from "./tree-reader.ts";

const scratch = mkdtempSync(join(tmpdir(), "sriovctl-netdevs-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const paths = linuxPaths(scratch, join(scratch, "run"));
let numNetdevs = 0;

function read(files: Readonly<Record<string, string>>) {
  const name = `p${numNetdevs++}`;
  const folder = join(paths.netdevs, name);
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), `${text}\n`);
  const reader = new TreeReader();
  const netdev = netdevFromFiles(paths, name, reader);
  return { netdev, name, codes: reader.problems.map(({ code }) => code) };
}

const whole = {
  ifindex: "7",
  address: "b4:96:91:00:00:10",
  mtu: "9000",
  flags: "0x1003",
  operstate: "up",
  phys_port_name: "p1",
};

test("netdevFromFiles() reads a netdev with all its files", () => {
  const { netdev, name, codes } = read(whole);
  assert.deepEqual(netdev, {
    name,
    ifindex: 7,
    mac: "b4:96:91:00:00:10",
    permanentMac: null,
    mtu: 9000,
    isUp: true,
    hasLink: true,
    linkSpeedMbps: null,
    portName: "p1",
  });
  assert.deepEqual(codes, []);
});

test("netdevFromFiles() knows a link only from the states that say so", () => {
  const linkOf = (operstate: string): boolean | null =>
    read({ ...whole, operstate }).netdev.hasLink;
  assert.deepEqual(["up", "down", "unknown", "dormant"].map(linkOf), [true, false, null, null]);
  const isUp = (flags: string): boolean | null => read({ ...whole, flags }).netdev.isUp;
  assert.deepEqual(["0x1002", "0x1003"].map(isUp), [false, true]);
});

test("netdevFromFiles() takes an absent file for unknown, and garbage for a problem", () => {
  const { netdev, name, codes } = read({});
  assert.deepEqual(netdev, bareNetdev(name));
  assert.deepEqual(codes, []);
  const bent = read({ ...whole, mtu: "plenty", address: "??" });
  assert.deepEqual([bent.netdev.mtu, bent.netdev.mac], [null, null]);
  assert.equal(bent.codes.length, 1);
});
