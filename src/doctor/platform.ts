// Platform rules: IOMMU, interrupt remapping, memory and bus numbers for VFs, what firmware and
// kernel allow at all.

import type { Pf } from "../model/inventory.ts";
import { capacityOf } from "./capacity.ts";
import { noInterruptRemapping } from "./interrupts.ts";
import type { Step } from "./remedy.ts";
import { kernelArguments, run, say } from "./remedy.ts";
import type { Rule, Sighting } from "./rule.ts";
import { unassignedVfMemory } from "./vf-memory.ts";
import type { View } from "./view.ts";
import { pfName, servesNoGuests } from "./view.ts";

const turningOff = /^(?:intel_iommu=(?:.*,)?off|amd_iommu=(?:.*,)?off|iommu=(?:.*,)?(?:off|soft))$/;

const isOff = ({ facts }: View): boolean =>
  facts.iommu.instances?.length === 0 &&
  facts.iommuGroups?.every(({ name }) => name === "vfio-noiommu") === true;

const firmwareStep = say(
  "In the firmware's setup, turn on VT-d (Intel) or AMD-Vi / IOMMU (AMD), then boot",
);

/** The ACPI tables tell whose IOMMU it is, where root may read them; otherwise the root ports above the
 * PFs do, which are part of the processor. */
function isAmd({ facts, inventory }: View): boolean {
  if (facts.iommu.acpiTables?.includes("IVRS") === true) return true;
  const roots = new Set(inventory.physicalFunctions.flatMap(({ path }) => path.at(-1) ?? []));
  return inventory.bridges.some(
    ({ address, vendorId }) => roots.has(address) && vendorId === vendorAmd,
  );
}

const vendorAmd = 0x1022;

function iommuOffFix(view: View, offArguments: readonly string[]): Step[] {
  const { facts, system } = view;
  const tables = facts.iommu.acpiTables;
  if (offArguments.length > 0) return kernelArguments(system, { remove: offArguments });
  const isArm = facts.kernel.architecture === "aarch64";
  if (isArm) return [say("In the firmware's setup, turn on the SMMU, then boot")];
  if (tables !== null && tables.length === 0) return [firmwareStep];
  if (tables?.includes("IVRS") === true) {
    return [
      say("Look into the kernel's log for AMD-Vi: an IOMMU that is offered is used"),
      run("dmesg | grep -i amd-vi"),
    ];
  }
  // drivers/iommu/amd/init.c uses what is offered, and knows no amd_iommu=on.
  if (isAmd(view)) return [firmwareStep];
  const argument = kernelArguments(system, { add: ["intel_iommu=on"] });
  return tables === null ? [firmwareStep, ...argument] : argument;
}

function iommuOff(view: View): Sighting[] {
  if (!isOff(view)) return [];
  const { facts } = view;
  const tables = facts.iommu.acpiTables;
  const offArguments = (facts.kernel.commandLine ?? []).filter((word) => turningOff.test(word));
  const reason =
    offArguments.length > 0
      ? `the kernel's command line says ${offArguments.join(" ")}`
      : tables === null
        ? "firmware does not offer it, or the kernel was not told to use it"
        : tables.length === 0
          ? "firmware does not offer it"
          : `firmware offers it (${tables.join(", ")}), the kernel does not use it`;
  return [
    {
      targets: ["host"],
      says: `The IOMMU is off, so no guest can have a VF: ${reason}`,
      severity: servesNoGuests(view) ? "warning" : "error",
      evidence: [
        "/sys/class/iommu is empty, and so is /sys/kernel/iommu_groups",
        ...(tables === null
          ? []
          : [`ACPI tables for an IOMMU: ${tables.length === 0 ? "none" : tables.join(", ")}`]),
        ...offArguments.map((word) => `kernel command line: ${word}`),
      ],
      fix: iommuOffFix(view, offArguments),
    },
  ];
}

function memoryNotAssigned(view: View): Sighting[] {
  const words = view.facts.kernel.commandLine ?? [];
  const forbidding = words.filter((word) => /^pci=(?:.*,)?realloc=off\b/.test(word));
  const fix =
    forbidding.length === 0 ? {} : { fix: kernelArguments(view.system, { remove: forbidding }) };
  return view.pfs.flatMap((pf) => {
    // VFs that are there have their memory, whatever was logged before.
    const missing = pf.numVfs > 0 ? [] : unassignedVfMemory(view, pf.address);
    if (missing.length === 0) return [];
    const bars = missing.map(({ bar }) => `VF BAR ${bar}`).join(" and ");
    const says = `PF ${pfName(pf)} has no memory for VFs: ${bars} ${missing.length === 1 ? "is" : "are"} not assigned, so it can have none`;
    const evidence = [
      ...missing.map((bar) => bar.evidence),
      ...forbidding.map((word) => `kernel command line: ${word}`),
    ];
    return [{ targets: [pf.address], says, evidence, ...fix }];
  });
}

const limitedBy = (view: View, pf: Pf, kind: string) => {
  const capacity = capacityOf(view, pf);
  const limit = capacity.limits.find((entry) => entry.kind === kind);
  return limit === undefined ? null : { capacity, limit };
};

function busNumbersShort(view: View): Sighting[] {
  return view.pfs.flatMap((pf): Sighting[] => {
    const found = limitedBy(view, pf, "bus-numbers");
    if (found === null || found.capacity.limits[0] !== found.limit) return [];
    const { numVfs, words } = found.limit;
    const wanted = view.wanted?.physicalFunctions.find(({ address }) => address === pf.address);
    const isShort = numVfs === 0 || (wanted?.numVfs ?? 0) > numVfs;
    const says = `Bus numbers end PF ${pfName(pf)} at ${numVfs} VFs: ${words}`;
    const severity = isShort ? "error" : "info";
    return [{ targets: [pf.address], says, evidence: found.limit.evidence, severity }];
  });
}

function ariMissing(view: View): Sighting[] {
  return view.pfs.flatMap((pf): Sighting[] => {
    const found = limitedBy(view, pf, "ari");
    if (found === null) return [];
    const { numVfs, words, evidence } = found.limit;
    const says = `Without ARI only ${numVfs} VFs of PF ${pfName(pf)} can be reached: ${words}`;
    return [{ targets: [pf.address], says, evidence }];
  });
}

function lockedDown({ facts }: View): Sighting[] {
  const { lockdown, isSecureBoot } = facts.kernel;
  if (lockdown === null || lockdown === "none") return [];
  const says = `The kernel is locked down (${lockdown}): setpci, mstconfig and mlxconfig cannot write`;
  const evidence = [
    `/sys/kernel/security/lockdown: ${lockdown}`,
    ...(isSecureBoot === true ? ["Secure Boot is on"] : []),
  ];
  return [{ targets: ["host"], says, evidence }];
}

function noNumaNode({ pfs }: View): Sighting[] {
  const nodes = new Set(
    pfs.map(({ numaNode }) => numaNode).filter((node) => node !== null && node >= 0),
  );
  if (nodes.size < 2) return [];
  const without = pfs.filter(({ numaNode }) => numaNode === null || numaNode < 0);
  if (without.length === 0) return [];
  const says =
    "Firmware does not say which NUMA node the PF is near: guests may be placed on the far one";
  const evidence = [`nodes of other PFs: ${[...nodes].join(", ")}`];
  return [{ targets: without.map(({ address }) => address), says, evidence }];
}

export const platformRules: readonly Rule[] = [
  {
    id: "iommu-off",
    group: "platform",
    title: "The IOMMU is off",
    severity: "error",
    // Where the kernel has an IOMMU layer at all, both are there, and empty.
    needs: ["iommu", "groups"],
    test: iommuOff,
    cause:
      "Without an IOMMU a device could write anywhere in memory, so VFIO gives no VF to a guest. VFs work on the host itself and in containers.",
    fix: () => [firmwareStep],
    needsReboot: true,
    reference: "Documentation/admin-guide/kernel-parameters.txt, intel_iommu= and amd_iommu=",
    answers: ["P01", "P02", "S14"],
  },
  {
    id: "no-interrupt-remapping",
    group: "platform",
    title: "Interrupts are not remapped",
    severity: "error",
    needs: ["iommu", "interrupt-remapping"],
    test: noInterruptRemapping,
    cause:
      "A device interrupts by writing to memory. Without remapping, a guest's device could raise any interrupt of the host, so VFIO refuses it. QEMU then says: Failed to set iommu for container: Operation not permitted.",
    fix: () => [
      say("In the firmware's setup, turn on interrupt remapping, and turn off the x2APIC opt-out"),
      say("Do not set allow_unsafe_interrupts: it lets a guest attack the host"),
    ],
    needsReboot: true,
    reference: "drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_attach_group()",
    answers: ["P03", "V05", "S14"],
    consequenceOf: ["iommu-off"],
  },
  {
    id: "vf-memory-not-assigned",
    group: "platform",
    title: "There is no memory for VFs",
    severity: "error",
    needs: ["resources"],
    test: memoryNotAssigned,
    cause:
      "Firmware sized the windows of the bridges above for the PF alone, and the kernel found no room to add what all possible VFs would need. Creating VFs fails with ENOMEM.",
    fix: (system) => [
      say(
        "In the firmware's setup, turn on SR-IOV and Above 4G Decoding, and enlarge the MMIO space",
      ),
      say("If that is not possible, let the kernel size the windows itself:"),
      ...kernelArguments(system, { add: ["pci=realloc"] }),
    ],
    needsReboot: true,
    reference: "drivers/pci/iov.c sriov_enable(): not enough MMIO resources for SR-IOV",
    answers: ["P04", "P07"],
  },
  {
    id: "bus-numbers-short",
    group: "platform",
    title: "There are not enough bus numbers for all VFs",
    severity: "error",
    needs: [],
    test: busNumbersShort,
    cause:
      "VFs beyond the PF's own bus need bus numbers in the window of the bridge above. Firmware gave it fewer. Creating more fails with ENOMEM: bus out of range.",
    fix: (system) => [
      say("In the firmware's setup, turn on SR-IOV and ARI, so that it reserves bus numbers"),
      say("If that is not possible, let the kernel number the buses itself:"),
      ...kernelArguments(system, { add: ["pci=assign-busses"] }),
    ],
    needsReboot: true,
    reference: "drivers/pci/iov.c sriov_enable(): can't enable VFs (bus out of range)",
    answers: ["P05"],
  },
  {
    id: "ari-missing",
    group: "platform",
    title: "VFs cannot be reached without ARI",
    severity: "warning",
    needs: ["config"],
    test: ariMissing,
    cause:
      "Function numbers above 7 on the PF's own bus work only where the port above forwards them (ARI, Alternative Routing-ID Interpretation).",
    fix: () => [
      say("In the firmware's setup, turn on ARI; or move the card to a slot of the processor"),
      say("Do not boot with pci=noari"),
    ],
    needsReboot: true,
    reference: "drivers/pci/pci.c pci_configure_ari(); PCIe Base 6.0, 6.13",
    answers: ["P06"],
    consequenceOf: ["bus-numbers-short"],
  },
  {
    id: "kernel-locked-down",
    group: "platform",
    title: "The kernel is locked down",
    severity: "info",
    needs: ["lockdown"],
    test: lockedDown,
    cause:
      "Under Secure Boot the kernel keeps programs from writing config space, so tools that set a card's firmware that way fail. sriovctl does not need it.",
    fix: () => [say("Set the firmware of cards by devlink, or in the firmware's setup (HII)")],
    needsReboot: false,
    reference: "kernel_lockdown(7)",
    answers: ["P12"],
  },
  {
    id: "numa-node-unknown",
    group: "platform",
    title: "A PF has no NUMA node",
    severity: "info",
    needs: [],
    test: noNumaNode,
    cause: "Firmware says so for other slots and not for this one (ACPI _PXM).",
    fix: () => [say("Pin guests by the slot's socket in the board's manual; update the firmware")],
    needsReboot: false,
    reference: "drivers/acpi/pci_root.c; /sys/bus/pci/devices/.../numa_node is -1",
    answers: ["P13"],
  },
];
