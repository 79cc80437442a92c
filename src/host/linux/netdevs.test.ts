// What the sysfs files of a netdev say, and what their absence does not.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { LinkFacts } from "./link-facts.ts";
import { bareNetdev, netdevFromFiles, readNetdevs } from "./netdevs.ts";
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

const pf = "0000:01:00.0";

/** What netlink says at each reading: the names that it knows, and who is renamed just before. */
type Reading = { readonly knows: readonly string[]; readonly renames?: readonly [string, string] };

async function readOver(readings: readonly Reading[]) {
  const ofRoot = linuxPaths(mkdtempSync(join(scratch, "root-")), join(scratch, "run"));
  mkdirSync(ofRoot.netdevs, { recursive: true });
  const pathOf = (name: string): string => join(ofRoot.netdevs, name);
  symlinkSync(`../../devices/pci0000:00/${pf}/net/eth0`, pathOf("eth0"));
  const reader = new TreeReader();
  let numReads = 0;
  const { netdevNames, links } = await readNetdevs(ofRoot, reader, async () => {
    const reading = readings[numReads++];
    assert.ok(reading !== undefined, `no reading ${numReads} was wanted`);
    if (reading.renames) renameSync(...(reading.renames.map(pathOf) as [string, string]));
    reader.report("odd", "netlink", `reading ${numReads}`);
    const netdevs = new Map(reading.knows.map((name) => [name, bareNetdev(name)]));
    const facts: LinkFacts = { netdevs, policies: new Map(), eswitchModes: new Map() };
    return facts;
  });
  const problems = reader.problems.map(({ message }) => message);
  return {
    names: netdevNames.get(pf),
    known: [...(links?.netdevs.keys() ?? [])],
    numReads,
    problems,
  };
}

test("readNetdevs() reads again where a netdev was renamed in between, and not for ever", async () => {
  const once = { knows: ["eth0"] };
  const renamed: Reading = { knows: ["p0"], renames: ["eth0", "p0"] };
  const hidden: Reading = { knows: [] };
  const turns = Array.from({ length: 4 }, (_, index): Reading => {
    return {
      knows: [`n${index + 1}`],
      renames: [index === 0 ? "eth0" : `n${index}`, `n${index + 1}`],
    };
  });
  for (const [readings, name, known, numReads] of [
    [[once], "eth0", ["eth0"], 1],
    [[renamed, { knows: ["p0"] }], "p0", ["p0"], 2],
    [[hidden], "eth0", [], 1],
    [turns, "n3", ["n4"], 4],
  ] as const) {
    const read = await readOver(readings);
    assert.deepEqual([read.names, read.known, read.numReads], [[name], known, numReads]);
    assert.deepEqual(read.problems, [`reading ${numReads}`], "of the last reading only");
  }
});
