// Cases of the platform rules. Log lines and config values are as real machines showed them.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bridgeOf,
  checkRules,
  evidenceOf,
  functionOf,
  portConfig,
} from "../../test/evidence-of.ts";
import { pfOf } from "../../test/inventory-of.ts";
import { diagnose } from "./doctor.ts";
import { platformRules } from "./platform.ts";
import type { Evidence } from "./view.ts";

const address = "0000:03:00.0";
const host = ["host"];
const idle = pfOf(address);
const fine = evidenceOf([idle]);

const resource = (start: bigint, end: bigint, flags = 0x14220cn) => ({ start, end, flags });
const nothing = resource(0n, 0n, 0n);
const bars = (vfBar: ReturnType<typeof resource>) => [
  ...Array.from({ length: 7 }, () => nothing),
  vfBar,
  ...Array.from({ length: 5 }, () => nothing),
];
const withResources = (vfBar: ReturnType<typeof resource>, pf = idle) =>
  evidenceOf([pf], { facts: { functions: [functionOf(address, { resources: bars(vfBar) })] } });
const withoutResources = (log: readonly string[]) =>
  evidenceOf([idle], { facts: { functions: [functionOf(address, { resources: null })] }, log });

/** The VFs of an 82599 after ARI was lost: their bus is the next one, which the port has not. */
const offset384 = { firstVfOffset: 384, path: ["0000:00:01.0"], capabilityTotalVfs: 64 };
const oneBus = { bridges: [bridgeOf("0000:00:01.0", { secondaryBus: 3, subordinateBus: 3 })] };
const twoBuses = { bridges: [bridgeOf("0000:00:01.0", { secondaryBus: 3, subordinateBus: 4 })] };

const behindPort = (ari: boolean) =>
  evidenceOf([pfOf(address, 0, { path: ["0000:00:01.0"] })], {
    ...(twoBuses && { inventory: twoBuses }),
    facts: {
      functions: [functionOf(address), functionOf("0000:00:01.0", { config: portConfig({ ari }) })],
    },
  });

test("the fix of an IOMMU that is off is the processor's own", () => {
  const behind = (vendorId: number) =>
    evidenceOf([pfOf(address, 0, { path: ["0000:00:01.0"] })], {
      iommu: { instances: [], acpiTables: null },
      inventory: { bridges: [bridgeOf("0000:00:01.0", { vendorId })] },
    });
  const fixOf = (vendorId: number): string => {
    const [finding] = diagnose(behind(vendorId), "2026-06-15").findings;
    return (finding?.fix ?? []).map(({ text }) => text).join("\n");
  };
  assert.match(fixOf(0x8086), /intel_iommu=on/);
  assert.match(fixOf(0x1022), /AMD-Vi/);
  assert.doesNotMatch(fixOf(0x1022), /intel_iommu/);
});

const lostLog = (iommu = {}) =>
  evidenceOf([idle], {
    iommu,
    facts: { kernelLog: { lines: ["usb 1-1: new device"], isWhole: false } },
  });

test("where nothing tells of interrupt remapping, it is not checked", () => {
  const openOf = (evidence: Evidence) =>
    diagnose(evidence, "2026-06-15").notChecked.map(({ need }) => need);
  assert.deepEqual(openOf(lostLog()), ["interrupt-remapping"]);
  const interruptChip = { irq: 27, chip: "IR-PCI-MSI" };
  assert.deepEqual(openOf(lostLog({ interruptChip })), []);
});

checkRules(platformRules, {
  "iommu-off": {
    fires: {
      "offered and not used": {
        evidence: evidenceOf([idle], { iommu: { instances: [] } }),
        targets: host,
        says: /firmware offers it \(DMAR\), the kernel does not use it/,
      },
      "not offered": {
        evidence: evidenceOf([idle], { iommu: { instances: [], acpiTables: [] } }),
        targets: host,
        says: /firmware does not offer it/,
      },
      "turned off on the command line": {
        evidence: evidenceOf([idle], {
          iommu: { instances: [] },
          kernel: { commandLine: ["ro", "intel_iommu=off"] },
        }),
        targets: host,
        says: /says intel_iommu=off/,
      },
      "only groups without an IOMMU": {
        evidence: evidenceOf([idle], {
          iommu: { instances: [] },
          facts: {
            iommuGroups: [{ number: 0, type: null, name: "vfio-noiommu", members: [address] }],
          },
        }),
        targets: host,
      },
    },
    silent: {
      "an IOMMU is there": fine,
      "not known": evidenceOf([idle], { iommu: { instances: null } }),
      "a view of the host without groups": evidenceOf([idle], {
        iommu: { instances: [] },
        facts: { iommuGroups: null },
      }),
      // Some ARM and virtual machines have groups without an instance in the class.
      "groups without a named instance": evidenceOf([idle], {
        iommu: { instances: [] },
        facts: { iommuGroups: [{ number: 0, type: "DMA", name: null, members: [address] }] },
      }),
    },
  },
  "no-interrupt-remapping": {
    fires: {
      "VFIO refused": {
        evidence: evidenceOf([idle], {
          log: [
            'vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the module param "allow_unsafe_interrupts" to enable VFIO IOMMU support on this platform',
          ],
        }),
        targets: host,
      },
      "turned off": {
        evidence: evidenceOf([idle], { kernel: { commandLine: ["intremap=off"] } }),
        targets: host,
      },
      "an interrupt goes past it, whatever the log of the boot said": {
        evidence: evidenceOf([idle], {
          iommu: { interruptChip: { irq: 27, chip: "PCI-MSIX-0000:03:00.0" } },
        }),
        targets: host,
      },
      "a whole log says nothing": {
        evidence: evidenceOf([idle], {
          facts: { kernelLog: { lines: ["Linux version 6.12"], isWhole: true } },
        }),
        targets: host,
      },
    },
    silent: {
      "Intel": fine,
      "AMD": evidenceOf([idle], {
        iommu: { instances: ["ivhd0"] },
        facts: {
          kernelLog: {
            lines: ["Linux version 6.12", "AMD-Vi: Interrupt remapping enabled"],
            isWhole: true,
          },
        },
      }),
      "a log that lost its beginning": lostLog(),
      "an interrupt is remapped, and the log is lost": lostLog({
        interruptChip: { irq: 27, chip: "IR-PCI-MSIX-0000:03:00.0" },
      }),
      "ARM has no such lines": evidenceOf([idle], {
        iommu: { instances: ["smmu3.0x0000000100000000"] },
        facts: { kernelLog: { lines: ["Booting Linux on physical CPU 0x0"], isWhole: true } },
      }),
    },
  },
  "vf-memory-not-assigned": {
    fires: {
      "a VF BAR without an address": {
        evidence: withResources(resource(0n, 0x1ffffn)),
        targets: [address],
        says: /VF BAR 0 is not assigned/,
      },
      "a VF BAR that the kernel gave up": { evidence: withResources(nothing), targets: [address] },
      "and the kernel may not move windows": {
        evidence: evidenceOf([idle], {
          facts: { functions: [functionOf(address, { resources: bars(nothing) })] },
          kernel: { commandLine: ["pci=realloc=off"] },
        }),
        targets: [address],
      },
      "the log alone, as Linux 6.12 words it": {
        evidence: withoutResources([
          `pci ${address}: VF BAR 2 [mem size 0x00400000 64bit]: can't assign; no space`,
          `pci ${address}: VF BAR 2 [mem size 0x00400000 64bit]: failed to assign`,
        ]),
        targets: [address],
        says: /VF BAR 2/,
      },
      "the log alone, as older kernels number it": {
        evidence: withoutResources([
          `pci ${address}: BAR 9: failed to assign [mem size 0x3e00000000 64bit pref]`,
        ]),
        targets: [address],
        says: /VF BAR 2/,
      },
    },
    silent: {
      "assigned": withResources(resource(0xd4808000n, 0xd48fffffn)),
      "VFs are there": withResources(nothing, pfOf(address, 2)),
      "failed first and assigned then": withoutResources([
        `pci ${address}: BAR 7: failed to assign [mem size 0x00100000 64bit]`,
        `pci ${address}: BAR 7: assigned [mem 0xe1218000-0xe1317fff 64bit]`,
      ]),
      "another device": withoutResources([
        "pci 0000:04:00.0: VF BAR 2 [mem size 0x00400000 64bit]: failed to assign",
      ]),
      "a bridge window": withoutResources([
        `pci ${address}: BAR 14: failed to assign [mem size 0x00500000]`,
      ]),
    },
  },
  "bus-numbers-short": {
    fires: {
      "the first VF is beyond the window": {
        evidence: evidenceOf([pfOf(address, 0, offset384)], { inventory: oneBus }),
        targets: [address],
        says: /at 0 VFs: the next VF is on bus 04, bridge 0000:00:01.0 has buses up to 03/,
      },
      "some fit": {
        evidence: evidenceOf(
          [
            pfOf(address, 0, {
              firstVfOffset: 0x80,
              vfStride: 2,
              path: ["0000:00:01.0"],
              totalVfs: 255,
              capabilityTotalVfs: 255,
            }),
          ],
          { inventory: oneBus },
        ),
        targets: [address],
        severity: "info",
        says: /at 64 VFs/,
      },
      "fewer than the spec wants": {
        evidence: evidenceOf(
          [pfOf(address, 0, { path: ["0000:00:01.0"], totalVfs: 255, capabilityTotalVfs: 255 })],
          {
            inventory: oneBus,
            wanted: { physicalFunctions: [{ address, name: "p0", numVfs: 100 }], waivers: [] },
          },
        ),
        targets: [address],
      },
    },
    silent: {
      "the window is wide enough": evidenceOf(
        [pfOf(address, 0, { ...offset384, capabilityTotalVfs: 8 })],
        { inventory: twoBuses },
      ),
      "the driver ends it first": evidenceOf(
        [pfOf(address, 0, { path: ["0000:00:01.0"], totalVfs: 7, capabilityTotalVfs: 255 })],
        { inventory: oneBus },
      ),
    },
  },
  "ari-missing": {
    fires: {
      "the port does not forward": { evidence: behindPort(false), targets: [address] },
    },
    silent: {
      "the port forwards": behindPort(true),
      "no port above": fine,
    },
  },
  "kernel-locked-down": {
    fires: {
      integrity: {
        evidence: evidenceOf([idle], { kernel: { lockdown: "integrity", isSecureBoot: true } }),
        targets: host,
      },
    },
    silent: {
      "none": fine,
      "not known": evidenceOf([idle], { kernel: { lockdown: null } }),
    },
  },
  "numa-node-unknown": {
    fires: {
      "others have one": {
        evidence: evidenceOf([
          pfOf("0000:03:00.0"),
          pfOf("0000:81:00.0", 0, { numaNode: 1 }),
          pfOf("0000:05:00.0", 0, { numaNode: -1 }),
        ]),
        targets: ["0000:05:00.0"],
      },
    },
    silent: {
      "one node only": evidenceOf([idle, pfOf("0000:05:00.0", 0, { numaNode: -1 })]),
    },
  },
});
