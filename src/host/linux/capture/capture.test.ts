// A capture replayed is the host that was captured: the same inventory, the same facts, and captured
// again the same capture, for trees, real ones and made ones, and for what is hostile.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import type { Evidence, FileAnswer } from "../../../capture/evidence.ts";
import { printEvidence } from "../../../capture/format.ts";
import { corpusAbsent, corpusDirectory } from "../../../../test/corpus.ts";
import { nicHost, writeFakeSysfs } from "../../../../test/fake-sysfs.ts";
import { SriovError } from "../../../model/errors.ts";
import { fullInventory, type Host } from "../../host.ts";
import { LinuxHost } from "../linux-host.ts";
import { hostOfCapture, hostOfEvidence } from "./open-capture.ts";

const scratch = mkdtempSync(join(tmpdir(), "sriovctl-capture-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const name = { name: "snapshot:x", runDirectory: join(scratch, "run") };
const stamp = ["0.1.0", "2026-11-21T10:00:00Z"] as const;

/** What the rest of the program gets, without the host's own name and what a path begins with. */
async function readingOf(host: Host, prefix: string) {
  const detailOf = (await host.inventory(fullInventory)).physicalFunctions.map(
    ({ address }) => address,
  );
  const options = { ...fullInventory, detailOf, claims: true } as const;
  const inventory = await host.inventory({ ...options, reservations: "everything" });
  const facts = await host.facts(inventory);
  const text = JSON.stringify({ inventory, facts }, (_, value: unknown) =>
    typeof value === "bigint" ? `${value}` : value,
  );
  const plain = text.replaceAll(host.identity.name, "").replaceAll(prefix, "");
  const { host: _, ...read } = JSON.parse(plain).inventory;
  return { read, facts: JSON.parse(plain).facts };
}

async function assertSame(root: string): Promise<void> {
  const tree = new LinuxHost({ root, runDirectory: join(root, "run") });
  const { evidence } = await tree.capture(...stamp);
  const text = printEvidence(evidence);
  const replay = hostOfCapture(text, "x", name);
  assert.deepEqual(await readingOf(replay, root), await readingOf(tree, root));
  const again = await replay.capture("another version", "later");
  assert.equal(printEvidence(again.evidence), text);
  await tree.close();
  await replay.close();
}

const domain = (vmName: string, bus: string, slot: string, vmFunction: string): string =>
  `<domain><name>${vmName}</name><devices><hostdev mode='subsystem' type='pci'><source>
  <address domain='0x0000' bus='0x${bus}' slot='0x${slot}' function='0x${vmFunction}'/>
  </source></hostdev></devices></domain>`;

test("guests that are defined and guests that run are in a capture", async () => {
  const root = join(scratch, "guests");
  writeFakeSysfs(root, nicHost(1, 4));
  const tree = new LinuxHost({ root, runDirectory: join(root, "run") });
  const { physicalFunctions } = await tree.inventory(fullInventory);
  await tree.close();
  const at = physicalFunctions[0]?.virtualFunctions.map(({ address }) => address) ?? [];
  const pieces = (address = ""): [string, string, string] => {
    const [, bus = "", slot = "", fn = ""] = /:(..):(..)\.(.)$/.exec(address) ?? [];
    return [bus, slot, fn];
  };
  mkdirSync(join(root, "etc/libvirt/qemu"), { recursive: true });
  mkdirSync(join(root, "run/libvirt/qemu"), { recursive: true });
  const off = domain("off1", ...pieces(at[0]));
  const runs = domain("runs1", ...pieces(at[1]));
  writeFileSync(join(root, "etc/libvirt/qemu/off1.xml"), off);
  writeFileSync(join(root, "etc/libvirt/qemu/gone.xml"), domain("gone", "7f", "1f", "7"));
  writeFileSync(
    join(root, "run/libvirt/qemu/runs1.xml"),
    `<domstatus state='running' pid='812'>${runs}</domstatus>`,
  );
  await assertSame(root);
  const host = new LinuxHost({ root, runDirectory: join(root, "run") });
  const { read } = await readingOf(host, root);
  const [first, second] = read.physicalFunctions[0].virtualFunctions;
  assert.equal(first.reservations[0].name, "off1");
  assert.equal(second.owners[0].name, "runs1");
  assert.equal(read.reservedElsewhere[0].reservation.name, "gone");
  await host.close();
});

test("a tree of two cards reads the same through its capture", async () => {
  const root = join(scratch, "nics");
  writeFakeSysfs(root, nicHost(2, 8));
  mkdirSync(join(root, "etc/netplan"), { recursive: true });
  writeFileSync(
    join(root, "etc/netplan/50.yaml"),
    "network:\n  version: 2\n  ethernets:\n    eth0:\n      virtual-function-count: 4\n",
  );
  mkdirSync(join(root, "proc"));
  writeFileSync(join(root, "proc/cmdline"), "quiet \xfc intel_iommu=on\n", "latin1");
  writeFileSync(
    join(root, "dmesg.txt"),
    "[    0.000000] Linux version 6.12\nDMAR: IOMMU enabled\n",
  );
  await assertSame(root);
});

const corpus = corpusDirectory();
const archives: readonly (readonly [string, string])[] = [
  ["emulated/sysfs-vfs-on.tar.gz", "vfs-on"],
  ["sysfs/opae/mock_sys_dfl_d5005_nlb0.tar.gz", "tmp"],
  ["sysfs/hwloc/32intel64-2p8co2t+8ve.tar.bz2", "32intel64-2p8co2t+8ve"],
];
for (const [archive, folder] of archives) {
  const file = join(corpus ?? "", archive);
  const skip = corpus === null || !existsSync(file) ? corpusAbsent : false;
  test(`captured machine ${archive} reads the same through its capture`, { skip }, async () => {
    const unpacked = mkdtempSync(join(scratch, "corpus-"));
    assert.equal(spawnSync("tar", ["-xf", file, "-C", unpacked]).status, 0);
    await assertSame(join(unpacked, folder));
  });
}

const header = { madeBy: "", at: "", identifiers: "raw", user: "root", isCut: false } as const;
const hostOf = (
  files: Readonly<Record<string, FileAnswer>>,
  answers: Evidence["answers"] = new Map(),
): LinuxHost => hostOfEvidence({ header, files: new Map(Object.entries(files)), answers }, name);

const text = (content: string): FileAnswer => ({ kind: "text", text: `${content}\n` });
const names = (...list: string[]): FileAnswer => ({ kind: "names", names: list });

test("an empty capture is a host that nothing is known of", async () => {
  const host = hostOf({});
  const { physicalFunctions, problems } = await host.inventory({ ...fullInventory, claims: true });
  assert.deepEqual(physicalFunctions, []);
  assert.ok(problems.some(({ code }) => code === "no-pci"));
  const { kernel, gaps } = await host.facts(await host.inventory(fullInventory));
  assert.equal(kernel.commandLine, null);
  assert.ok(gaps.length > 5);
});

test("links that lead out or in a ring are followed inside the capture only", async () => {
  const devices = "/sys/bus/pci/devices";
  const host = hostOf({
    [devices]: names("0000:00:01.0", "0000:00:02.0", "0000:00:03.0"),
    [`${devices}/0000:00:01.0`]: { kind: "link", target: "/etc" },
    [`${devices}/0000:00:02.0`]: { kind: "link", target: "0000:00:02.0" },
    [`${devices}/0000:00:03.0`]: { kind: "link", target: "../../../../../../../etc/passwd" },
    "/sys/bus/pci/drivers": names(),
  });
  const { physicalFunctions, problems } = await host.inventory(fullInventory);
  assert.deepEqual(physicalFunctions, []);
  assert.equal(problems.filter(({ code }) => code === "outside-root").length, 2);
  assert.ok(problems.some(({ message }) => message.includes("ELOOP")));
});

test("ten thousand devices are listed, and a PF that claims them all is believed no further", async () => {
  const devices = "/sys/bus/pci/devices";
  const addresses = Array.from({ length: 10_000 }, (_, index) => {
    const bus = (index >> 8).toString(16).padStart(2, "0");
    const device = ((index >> 3) & 0x1f).toString(16).padStart(2, "0");
    return `0000:${bus}:${device}.${index & 7}`;
  });
  const files: Record<string, FileAnswer> = {
    [devices]: names(...addresses),
    "/sys/bus/pci/drivers": names(),
  };
  for (const address of addresses) {
    const folder = `/sys/devices/pci0000:00/${address}`;
    files[`${devices}/${address}`] = {
      kind: "link",
      target: `../../../devices/pci0000:00/${address}`,
    };
    files[folder] = names("modalias", "sriov_totalvfs", "sriov_offset", "sriov_stride");
    files[`${folder}/modalias`] = text("pci:v00008086d000010C9sv00001AF4sd00001100bc02sc00i00");
    files[`${folder}/sriov_totalvfs`] = text("65535");
    files[`${folder}/sriov_offset`] = text("1");
    files[`${folder}/sriov_stride`] = text("1");
  }
  const host = hostOf(files);
  const startedAtMs = performance.now();
  const inventory = await host.inventory(fullInventory);
  assert.equal(inventory.physicalFunctions.length, 10_000);
  await host.facts(inventory);
  assert.ok(performance.now() - startedAtMs < 20_000);
});

test("answers of another shape count as not given", async () => {
  const host = hostOf(
    { "/sys/bus/pci/devices": names(), "/sys/bus/pci/drivers": names() },
    new Map([
      ["netlink", ["{", "null", '{"netdev":{"name":3}}', '{"pfNetdev":"a","vfs":[[0,{}]]}']],
      ["census", ['{"address":"x"}', "[]"]],
      ["changing-pfs", ["", "nonsense"]],
      ["kernel-log", []],
      ["run ethtool -i eth0", ["exit nonsense"]],
      ["other-config /etc/netplan/1.yaml", ["\xff\xfe: ["]],
      ["other-config-problems", ["3"]],
    ]),
  );
  const inventory = await host.inventory({ ...fullInventory, claims: true });
  assert.deepEqual(inventory.physicalFunctions, []);
  const facts = await host.facts(inventory);
  assert.equal(facts.kernelLog, null);
});

test("any answers at any paths are read without a crash", async () => {
  const root = join(scratch, "fuzzed");
  writeFakeSysfs(root, nicHost(1, 3));
  const tree = new LinuxHost({ root, runDirectory: join(root, "run") });
  const { evidence } = await tree.capture(...stamp);
  const places = [...evidence.files.keys()];
  const answer = fc.oneof(
    fc.string({ unit: "binary", maxLength: 30 }).map((value) => text(value)),
    fc.constantFrom(...places).map((target): FileAnswer => ({ kind: "link", target })),
    fc
      .array(fc.constantFrom("virtfn0", "physfn", "config", "0000:01:10.0", ".."))
      .map((list) => names(...list)),
    fc.uint8Array({ maxLength: 4096 }).map((bytes): FileAnswer => ({ kind: "bytes", bytes })),
    fc
      .constantFrom("EIO", "LATE", "errno 600")
      .map((errno): FileAnswer => ({ kind: "failed", errno })),
  );
  const changes = fc.array(fc.tuple(fc.constantFrom(...places), answer), {
    minLength: 1,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(changes, async (changed) => {
      const files = new Map([...evidence.files, ...changed]);
      const host = hostOfEvidence({ ...evidence, files }, name);
      await host.facts(await host.inventory({ ...fullInventory, claims: true }));
      await host.capture(...stamp);
    }),
    { numRuns: 60 },
  );
});

test("nothing is done to a capture, and nothing is waited for", async () => {
  const host = hostOf({});
  const request = { verb: "setNumVfs", pf: "0000:01:00.0", numVfs: 1 } as const;
  const isReadOnly = (error: unknown): boolean =>
    error instanceof SriovError && error.code === "host-read-only";
  await assert.rejects(host.perform(request, { deadlineMs: 1000, lockFd: null }), isReadOnly);
  await assert.rejects(host.awaitVfs("0000:01:00.0", 1, 1000), isReadOnly);
  assert.deepEqual(await host.owners(["0000:01:00.0"]), new Map([["0000:01:00.0", []]]));
  await assert.rejects(host.readConfig("0000:01:00.0"), SriovError);
});
