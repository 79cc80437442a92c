// The doctor on real machines of the corpus: what it finds on each was read and judged by hand, and
// is written here as severity, rule and targets. On machines without a fault there is no error.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { diagnose, type Finding } from "../src/doctor/doctor.ts";
import type { Evidence } from "../src/doctor/view.ts";
import type { Pf } from "../src/model/inventory.ts";
import { corpusAbsent, corpusDirectory } from "./corpus.ts";
import { evidenceOfDump, evidenceOfLog } from "./evidence-of-dump.ts";
import { pfOf } from "./inventory-of.ts";
import { runProgram, stateIn } from "./run-program.ts";

const corpus = corpusDirectory();
const path = (name: string): string => join(corpus ?? "", name);
const skipFor = (...names: readonly string[]): string | false =>
  corpus === null || !names.every((name) => existsSync(path(name))) ? corpusAbsent : false;

const scratch = mkdtempSync(join(tmpdir(), "sriovctl-doctor-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const lineOf = ({ severity, rule, targets }: Finding): string =>
  `${severity} ${rule.id} ${targets.join(" ")}`;

const linesOf = (evidence: Evidence): string[] =>
  diagnose(evidence, "2026-06-15").findings.map(lineOf);

type DumpRow = {
  readonly file: string;
  readonly found: readonly string[];
  readonly log?: string;
  /** lspci's text of the same machine, for its IOMMU groups. */
  readonly text?: string;
};

const dumps: readonly DumpRow[] = [
  // Healthy: the lab's igb and NVMe drive, each function with a group of its own.
  { file: "emulated/lspci-xxxx.vfs-off.txt", text: "emulated/lspci-vvvnn.vfs-off.txt", found: [] },
  { file: "emulated/lspci-xxxx.vfs-on.txt", text: "emulated/lspci-vvvnn.vfs-on.txt", found: [] },
  // Healthy: an integrated GPU with 7 VFs; its VF BARs were assigned.
  {
    file: "hex/linux-pci/adl-p-laptop.hex",
    text: "lspci-text/adl-p-laptop.txt",
    log: "dmesg/adl-p-laptop.txt",
    found: [],
  },
  // One function each, nothing around it known: nothing may be guessed.
  { file: "hex/pciutils/cap-dvsec-cxl", found: [] },
  { file: "hex/pciutils/cap-ea-1", found: [] },
  { file: "hex/pciutils/cap-ide", found: [] },
  { file: "hex/pciutils/cap-pcie-2", found: [] },
  { file: "hex/pciutils/cap-phy32", found: [] },
];

const dumpFolders = ["emulated", "hex/libvirt", "hex/linux-pci", "hex/pciutils"] as const;

/** Every other dump of the corpus: machines and functions without SR-IOV. */
test("nothing is found on machines without SR-IOV", { skip: skipFor(...dumpFolders) }, () => {
  const rest = dumpFolders
    .flatMap((folder) => readdirSync(path(folder)).map((name) => `${folder}/${name}`))
    .filter((name) => !name.endsWith(".txt") || /lspci-xxxx[^/]*[nf]\.txt$/.test(name))
    .filter((name) => statSync(path(name)).isFile() && !/\.(?:gz|json)$/.test(name))
    .filter((name) => !dumps.some(({ file }) => file === name));
  assert.ok(rest.length >= 40, `${rest.length} dumps`);
  for (const name of rest) {
    const evidence = evidenceOfDump({ dump: readFileSync(path(name)) });
    assert.deepEqual(
      [evidence.inventory.physicalFunctions.length, linesOf(evidence)],
      [0, []],
      name,
    );
  }
});

/** `IOMMU group: N` below the heading of each function. */
function groupsIn(text: string): Map<string, number> {
  const groups = new Map<string, number>();
  let address = "";
  for (const line of text.split("\n")) {
    const heading = /^(?:([0-9a-f]{4}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) /.exec(line);
    if (heading !== null) address = `${heading[1] ?? "0000"}:${heading[2] ?? ""}`;
    const group = /^\s+IOMMU group: (\d+)/.exec(line)?.[1];
    if (group !== undefined) groups.set(address, Number(group));
  }
  return groups;
}

for (const { file, found, log, text } of dumps) {
  const files = [file, log, text].filter((name) => name !== undefined);
  test(`the doctor on ${file}`, { skip: skipFor(...files) }, () => {
    const evidence = evidenceOfDump({
      dump: readFileSync(path(file)),
      ...(log !== undefined && { log: readFileSync(path(log), "latin1") }),
      ...(text !== undefined && { groups: groupsIn(readFileSync(path(text), "latin1")) }),
    });
    assert.ok(evidence.inventory.physicalFunctions.length > 0);
    assert.deepEqual(linesOf(evidence), found);
  });
}

type LogRow = { readonly pfs: readonly Pf[]; readonly found: readonly string[] };

const nvme = { classCode: 0x010802, driver: "nvme", netdevs: [] } as const;

const logs: Readonly<Record<string, LogRow>> = {
  // VFs worked, the PF was removed and found again, ARI was lost with it: bus 84 is out of reach.
  "82599-bus-out-of-range.txt": {
    pfs: [pfOf("0000:83:00.0", 0, { driver: "ixgbe" })],
    found: ["error logged-bus-out-of-range 0000:83:00.0"],
  },
  // Healthy: VF BARs of the GPU assigned.
  "adl-p-laptop.txt": { pfs: [pfOf("0000:00:02.0", 0, { driver: "i915" })], found: [] },
  // pci=realloc=off: the drive's VF BARs got no room, the card's and the four ports' did.
  "debian1107142-with-realloc.txt": {
    pfs: [pfOf("0000:03:00.0"), pfOf("0000:04:00.0"), pfOf("0000:0a:00.0"), pfOf("0000:0a:00.3")],
    found: ["error vf-memory-not-assigned 0000:04:00.0"],
  },
  "debian1107142-without-realloc.txt": {
    pfs: [pfOf("0000:03:00.0"), pfOf("0000:04:00.0"), pfOf("0000:0a:00.0"), pfOf("0000:0a:00.3")],
    found: [],
  },
  // Healthy: an X540 on a server.
  "dell-t630-x540.txt": {
    pfs: [
      pfOf("0000:04:00.0", 0, { driver: "ixgbe" }),
      pfOf("0000:82:00.1", 0, { driver: "ixgbe" }),
    ],
    found: [],
  },
  // 248 GiB for the VFs of a GPU do not fit into the window that the switch above got.
  "flex170-vfbar-mismatch.txt": {
    pfs: [pfOf("0000:53:00.0", 0, { driver: "i915", classCode: 0x038000, netdevs: [] })],
    found: ["error vf-memory-not-assigned 0000:53:00.0"],
  },
  // The bridge's window did not grow, the VF BARs fitted all the same.
  "hip08-7d-vfbar.txt": { pfs: [pfOf("0000:7d:00.3", 0, { driver: "hns3" })], found: [] },
  // No room at first, assigned in the end: the drive's fault is another one.
  "pm1733-vf-init-fails.txt": { pfs: [pfOf("0000:2d:00.0", 3, nvme)], found: [] },
  "vmd-10001-vfbar-no-space.txt": { pfs: [pfOf("10002:02:00.0", 0, nvme)], found: [] },
};

for (const [name, { pfs, found }] of Object.entries(logs)) {
  test(`the doctor on the log ${name}`, { skip: skipFor(`dmesg/${name}`) }, () => {
    const log = readFileSync(path(`dmesg/${name}`), "latin1");
    assert.deepEqual(linesOf(evidenceOfLog(pfs, log)), found);
  });
}

/** Captured trees, the folder inside that is the root, and what is found. */
const trees: readonly (readonly [archive: string, folder: string, found: readonly string[]])[] = [
  // The lab with intel_iommu=on iommu=pt, VFs made with autoprobe off.
  [
    "emulated/sysfs-vfs-on.tar.gz",
    "vfs-on",
    [
      "info vf-not-probed 0000:01:00.0/vf1 0000:01:00.0/vf2 0000:01:00.0/vf3 0000:02:00.0/vf0 0000:02:00.0/vf1 0000:02:00.0/vf2",
      "info identity-domain 0000:01:00.0 0000:02:00.0",
    ],
  ],
  // Parts of healthy machines: without drivers, groups or config space nothing may be concluded.
  ["sysfs/opae/mock_sys_dfl_d5005_nlb0.tar.gz", "tmp", []],
  ["sysfs/opae/mock_sys_tmp-1socket-nlb0.tar.gz", "tmp", []],
  // Two ConnectX-4 whose firmware has SR-IOV off, beside an X722 that has it.
  [
    "sysfs/hwloc/32intel64-2p8co2t+8ve.tar.bz2",
    "32intel64-2p8co2t+8ve",
    ["info sriov-turned-off 0000:1a:00.0 0000:3e:00.0"],
  ],
];

for (const [archive, folder, found] of trees) {
  test(`the doctor on the captured tree ${archive}`, { skip: skipFor(archive) }, async () => {
    // Not the thousands of files about processors, which nothing here asks for.
    const words = ["-xf", path(archive), "--exclude=*/devices/system"];
    const unpacked = mkdtempSync(join(scratch, "tree-"));
    assert.equal(spawnSync("tar", [...words, "-C", unpacked]).status, 0);
    const argv = ["--host", `linux:${join(unpacked, folder)}`, "doctor", "--json"];
    const { exitCode, stdout } = await runProgram(argv, { env: stateIn(scratch) });
    assert.equal(exitCode, 0);
    const { findings } = JSON.parse(stdout);
    assert.deepEqual(
      findings.map(
        ({ severity, rule, targets }: { severity: string; rule: string; targets: string[] }) =>
          `${severity} ${rule} ${targets.join(" ")}`,
      ),
      found,
    );
  });
}
