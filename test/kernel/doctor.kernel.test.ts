// The doctor against faults that were made for real: each is produced on a real kernel, and the rule
// that is about it must say so there, and nowhere on what is healthy. Three machines: one as it
// should be that is then spoilt, one without IOMMU and with too little memory for VFs, one without
// interrupt remapping.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { labSkipReason } from "./lab-unavailable.ts";
import { type Json, type ProgramLab, bootProgramLab } from "./program-in-lab.ts";
import { type LabTopology, fullTopology } from "./topology.ts";

const devices = "/sys/bus/pci/devices";
const holder = join(import.meta.dirname, "vfio-holder.ts");
const timeoutMs = 240_000;

type Report = {
  /** Targets of each rule that found something. */
  readonly found: ReadonlyMap<string, readonly string[]>;
  readonly json: Json;
};

async function examine(lab: ProgramLab, exitCode: number, words = ""): Promise<Report> {
  const { json } = await lab.sriovctl(exitCode, `doctor ${words}`.trim());
  const found = new Map<string, string[]>();
  for (const { rule, targets } of json.findings) {
    found.set(rule, [...(found.get(rule) ?? []), ...targets]);
  }
  return { found, json };
}

const finds = ({ found, json }: Report, rule: string, target: string): void => {
  const shown = JSON.stringify([json.findings, json.notChecked, json.problems], null, 1);
  assert.ok(found.get(rule)?.includes(target), `${rule} on ${target}, found\n${shown}`);
};

const findsNot = ({ found }: Report, rule: string): void =>
  assert.deepEqual(found.get(rule) ?? [], [], `${rule} is not the case`);

/** Who is above what: 04:00.0 below a port without ACS, 07:00.0 below a switch without ACS. */
suite("doctor on a machine with an IOMMU", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;
  const script = (lines: string): Promise<string> => lab.lab.check(lines, { timeoutMs });

  before(async () => {
    lab = await bootProgramLab(["igb", "igbvf", "nvme", "vfio-pci"], fullTopology);
  });
  after(() => lab?.lab.close());

  test("a healthy PF has no error", async () => {
    await script(`d=$(ls ${devices}/0000:01:00.0/net); ip link set $d up
      until [ "$(cat /sys/class/net/$d/carrier)" = 1 ]; do sleep 0.1; done
      echo 2 > ${devices}/0000:01:00.0/sriov_numvfs`);
    const report = await examine(lab, 0, "0000:01:00.0");
    for (const rule of ["iommu-off", "no-interrupt-remapping", "pf-down", "max-vfs-option"]) {
      findsNot(report, rule);
    }
    // Asked of the interrupts themselves: a log may have lost the boot.
    assert.match(report.json.platform.iommu.interruptChip, /^IR-PCI-MSI/);
  });

  test("what can be wrong at once is found at once", async () => {
    await script(`
      cd ${devices}
      d=$(ls 0000:01:00.0/net); ip link set $d vf 0 spoofchk off; ip link set $d vf 1 trust on
      for vf in 0000:01:10.0 0000:01:10.2; do
        echo $vf > $vf/driver/unbind; echo vfio-pci > $vf/driver_override
        echo $vf > /sys/bus/pci/drivers_probe; done
      echo 0000:03:00.0 > /sys/bus/pci/drivers/nvme/unbind
      for pf in 0000:04:00.0 0000:07:00.0; do
        echo 0 > $pf/sriov_drivers_autoprobe; echo 2 > $pf/sriov_numvfs; done
      echo vfio-pci > 0000:04:10.0/driver_override; echo 0000:04:10.0 > /sys/bus/pci/drivers_probe
      chmod 666 /dev/vfio/$(basename $(readlink 0000:01:10.2/iommu_group))
      echo 0000:09:00.1 > /sys/bus/pci/drivers/igb/unbind
      echo vfio-pci > 0000:09:00.1/driver_override; echo 0000:09:00.1 > /sys/bus/pci/drivers_probe
      echo 1 > 0000:02:00.0/sriov_numvfs
      mkdir -p /etc/modprobe.d /etc/systemd/network
      echo 'options igb max_vfs=2' > /etc/modprobe.d/igb.conf
      printf '[Match]\\nPath=pci-0000:02:00.0\\n[SR-IOV]\\nVirtualFunction=0\\nTrust=yes\\n' \\
        > /etc/systemd/network/10-pf.network`);
    const spec = lab.spec(
      "many.yaml",
      `
adapters:
  - physicalFunctions:
      - { name: p0, match: { address: "0000:08:00.0" }, numVfs: 9 }
`,
    );
    const report = await examine(lab, 4, `-f ${spec}`);
    finds(report, "spoof-check-off", "0000:01:00.0/vf0");
    finds(report, "trust-on", "0000:01:00.0/vf1");
    finds(report, "pf-without-driver", "0000:03:00.0");
    finds(report, "iommu-group-shared", "0000:04:00.0");
    finds(report, "iommu-group-shared", "0000:07:00.0");
    finds(report, "pf-on-userspace-driver", "0000:09:00.1");
    assert.deepEqual(report.found.get("iommu-group-not-viable"), ["0000:04:00.0/vf0"]);
    finds(report, "fewer-vfs-than-wanted", "0000:08:00.0");
    finds(report, "pf-down", "0000:02:00.0");
    finds(report, "max-vfs-option", "0000:02:00.0");
    assert.deepEqual(report.found.get("vfio-node-open-to-all"), ["0000:01:00.0/vf1"]);
    assert.deepEqual(report.found.get("iommu-group-shared")?.includes("0000:01:00.0"), false);
    // The kernel means the same: the group's PF is on igb, so nobody gets the VF.
    const refused = await lab.lab.run(`node ${holder} 0000:04:10.0`, { timeoutMs });
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.stderr, /Cannot join the container|Cannot set the IOMMU type/);
  });

  test("a removal that waits for a guest is found while it waits", async () => {
    await script(`
      cd ${devices}
      node ${holder} 0000:01:10.0 > /tmp/holder 2>&1 &
      until grep -q holding /tmp/holder; do sleep 0.1; done
      (echo 0 > 0000:01:00.0/sriov_numvfs) > /dev/null 2>&1 & disable=$!
      until grep -q vfio /proc/$disable/wchan; do sleep 0.1; done`);
    const report = await examine(lab, 4);
    assert.ok(
      report.found.has("vf-count-change-hangs") || report.found.has("vf-removal-waits"),
      JSON.stringify([...report.found.keys()]),
    );
  });
});

/** As fullTopology, with VFs of the nvme whose BARs do not fit the port's 2 MiB. */
const cramped: LabTopology = {
  ...fullTopology,
  iommu: "none",
  kernelArguments: "pci=realloc=off",
  slots: fullTopology.slots.slice(0, 3).map((slot) => {
    if (slot.at !== "root-port" || slot.holds?.kind !== "nvme") return slot;
    return { ...slot, holds: { ...slot.holds, maxVectorsOfVf: 300 } };
  }),
};

suite("doctor on a machine without IOMMU and memory", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;
  before(async () => {
    lab = await bootProgramLab(["igb", "nvme"], cramped);
  });
  after(() => lab?.lab.close());

  test("no IOMMU, and VF memory that was not assigned, before and after somebody tries", async () => {
    const nvme = "0000:03:00.0";
    const before = await examine(lab, 4);
    finds(before, "iommu-off", "host");
    finds(before, "vf-memory-not-assigned", nvme);
    const { capacity } = before.json;
    const fit = capacity.find(({ address }: Json) => address === nvme);
    assert.equal(fit.numVfsThatFit, 0);
    const tried = await lab.lab.run(`echo 4 > ${devices}/${nvme}/sriov_numvfs`);
    assert.match(tried.stderr, /Cannot allocate memory/);
    finds(await examine(lab, 4), "vf-memory-not-assigned", nvme);
  });
});

suite("doctor on a machine without interrupt remapping", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;
  before(async () => {
    const { slots } = fullTopology;
    const topology = { ...fullTopology, iommu: "no-remapping" as const, slots: slots.slice(0, 1) };
    lab = await bootProgramLab(["igb"], topology);
  });
  after(() => lab?.lab.close());

  test("is told of it, and of nothing else about the IOMMU", async () => {
    const report = await examine(lab, 4, "--severity warning");
    finds(report, "no-interrupt-remapping", "host");
    const { evidence } = report.json.findings.find(
      ({ rule }: Json) => rule === "no-interrupt-remapping",
    );
    assert.match(evidence[0], /^\/sys\/kernel\/irq\/[0-9]+\/chip_name: PCI-MSI/);
    findsNot(report, "iommu-off");
  });
});
