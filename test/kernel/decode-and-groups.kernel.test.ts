// What `sriovctl decode` says of the lab's config files against lspci, and the IOMMU groups of all
// the lab's topologies (ports with and without ACS, a switch, the root bus, a card of two ports)
// against the groups that the emulated machine of the same name forms.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { openEmulatedHost } from "../../src/host/emulated/emulated-host.ts";
import { fullInventory } from "../../src/host/host.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { type Json, type ProgramLab, bootProgramLab } from "./program-in-lab.ts";

const pfs = ["01:00.0", "04:00.0", "07:00.0", "00:06.0", "09:00.1"].map((pf) => `0000:${pf}`);

/** Groups as sorted lists of addresses; the numbers themselves mean nothing. */
function partition(groupOf: ReadonlyMap<string, string>): string[] {
  const groups = new Map<string, string[]>();
  for (const [address, group] of groupOf) {
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [address]);
    else members.push(address);
  }
  return [...groups.values()].map((members) => members.toSorted().join(" ")).toSorted();
}

/** `[70]` and `[100 v1]` of lspci's lines, in its order. */
const capabilitiesInText = (text: string): string[] =>
  [...text.matchAll(/^\tCapabilities: \[([0-9a-f]+)( v\d+)?\]/gm)].map(
    ([, offset, version]) => `${offset}${version ?? ""}`,
  );

const capabilitiesInJson = ({ capabilities, extendedCapabilities }: Json): string[] => [
  ...capabilities.map(({ offset }: Json) => offset.toString(16)),
  ...extendedCapabilities.map((one: Json) => `${one.offset.toString(16)} v${one.version}`),
];

suite("decode and IOMMU groups", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;
  before(async () => {
    lab = await bootProgramLab(["igb", "nvme"]);
    for (const pf of pfs) {
      await lab.lab.check(`cd /sys/bus/pci/devices/${pf}
        echo 0 > sriov_drivers_autoprobe; echo 2 > sriov_numvfs`);
    }
  });
  after(() => lab?.lab.close());

  test("decode reads the config files as lspci does", async () => {
    const { json } = await lab.sriovctl(0, "decode /sys/bus/pci/devices/*/config");
    const text = await lab.lab.check("lspci -D -vvv", { timeoutMs: 120_000 });
    const sections = new Map(
      text.split(/\n(?=[0-9a-f]{4}:)/).map((section) => [section.slice(0, 12), section]),
    );
    assert.equal(json.length, sections.size);
    for (const decoded of json) {
      const address = decoded.file.split("/").at(-2);
      const section = sections.get(address) ?? "";
      assert.deepEqual(decoded.problems, [], address);
      assert.deepEqual(capabilitiesInJson(decoded), capabilitiesInText(section), address);
      const sriov = decoded.extendedCapabilities.find(({ id }: Json) => id === 0x10);
      if (sriov === undefined) continue;
      const counts = `Initial VFs: ${sriov.initialVfs}, Total VFs: ${sriov.totalVfs}`;
      assert.ok(section.includes(`${counts}, Number of VFs: ${sriov.numVfs}`), section);
      assert.ok(section.includes(`VF offset: ${sriov.firstVfOffset}, stride: ${sriov.vfStride}`));
      for (const vf of sriov.vfAddresses) assert.ok(sections.has(vf), `${vf} of ${address}`);
      assert.equal(sriov.vfAddresses.length, pfs.includes(address) ? 2 : 0, address);
    }
  });

  test("the emulated machine forms the groups of the kernel", async () => {
    const links = await lab.lab.check(
      "cd /sys/kernel/iommu_groups; for d in */devices/*; do echo $d; done",
    );
    const real = new Map(
      links
        .trim()
        .split("\n")
        .map((path) => {
          const [group = "", , address = ""] = path.split("/");
          return [address, group];
        }),
    );
    const host = await openEmulatedHost({ name: "igb-lab", statePath: null });
    const patience = { deadlineMs: 60_000, lockFd: null };
    for (const pf of pfs) await host.perform({ verb: "setNumVfs", pf, numVfs: 2 }, patience);
    const { physicalFunctions, bridges } = await host.inventory(fullInventory);
    const all = [...bridges, ...physicalFunctions.flatMap((pf) => [pf, ...pf.virtualFunctions])];
    const emulated = new Map(all.map(({ address, iommuGroup }) => [address, `${iommuGroup}`]));
    // The lab also has QEMU's own devices (host bridge, virtio, ISA), which the machine lacks.
    const common = new Map([...real].filter(([address]) => emulated.has(address)));
    assert.deepEqual(partition(common), partition(emulated));
    assert.ok(common.size > 25, `${common.size} functions`);
    const { json } = await lab.sriovctl(0, "list");
    for (const pf of json.physicalFunctions) {
      for (const { address, iommuGroup } of [pf, ...pf.virtualFunctions]) {
        assert.equal(`${iommuGroup}`, real.get(address), address);
      }
    }
  });
});
