// Audit points of the host: what weakens the wall between guests and host.

import { kernelArguments, run, say } from "./remedy.ts";
import type { Rule, Sighting } from "./rule.ts";
import type { View } from "./view.ts";
import { targetOf } from "./view.ts";

function unsafeInterrupts({ facts }: View): Sighting[] {
  if (facts.iommu.allowsUnsafeInterrupts !== true) return [];
  const says = "allow_unsafe_interrupts is set: a guest with a VF can raise interrupts of the host";
  const evidence = ["module parameter allow_unsafe_interrupts: Y"];
  return [{ targets: ["host"], says, evidence }];
}

function noIommuMode({ facts }: View): Sighting[] {
  if (facts.iommu.isNoIommuMode !== true) return [];
  const groups = (facts.iommuGroups ?? []).filter(({ name }) => name === "vfio-noiommu");
  const says = "VFIO's no-IOMMU mode is on: programs with a VF can write anywhere in memory";
  const evidence = [
    "vfio.enable_unsafe_noiommu_mode: Y",
    ...groups.map(
      ({ number, members }) => `group ${number} without an IOMMU: ${members.join(", ")}`,
    ),
  ];
  return [{ targets: ["host"], says, evidence }];
}

const writableByOthers = 0o002;

function openNodes({ facts, vfs, pfs }: View): Sighting[] {
  const open = (facts.vfioNodes ?? []).filter(({ mode }) => (mode & writableByOthers) !== 0);
  return open.flatMap(({ path, mode, owner }): Sighting[] => {
    const group = Number(/([0-9]+)$/.exec(path)?.[1]);
    const targets = [
      ...pfs.filter(({ iommuGroup }) => iommuGroup === group).map(({ address }) => address),
      ...vfs.filter(({ vf }) => vf.iommuGroup === group).map(targetOf),
    ];
    const says =
      "Everybody on this host may use these functions through VFIO: their nodes are open to all";
    const evidence = [`${path}: mode ${mode.toString(8)}, owner ${owner}`];
    return targets.length === 0 ? [] : [{ targets, says, evidence }];
  });
}

const uioDrivers = /^(?:igb_uio|uio_pci_generic|nic_uio)$/;

function userspaceWithoutIommu({ inventory, pfs, vfs }: View): Sighting[] {
  const functions = [
    ...pfs.map((pf) => ({ ...pf, target: pf.address })),
    ...vfs.map((entry) => ({ ...entry.vf, target: targetOf(entry) })),
  ];
  const bound = functions.filter(({ driver }) => uioDrivers.test(driver ?? ""));
  const loaded = inventory.loadedDrivers.filter((driver) => driver === "igb_uio");
  if (bound.length === 0 && loaded.length === 0) return [];
  const isBound = bound.length > 0;
  return [
    {
      targets: isBound ? bound.map(({ target }) => target) : ["host"],
      says: isBound
        ? "Functions are on a uio driver: the program that has them can write anywhere in memory"
        : "igb_uio is loaded: it gives devices to programs without an IOMMU",
      evidence: [
        ...bound.map(({ address, driver }) => `${address}/driver: ${driver}`),
        ...loaded.map((driver) => `/sys/bus/pci/drivers/${driver}`),
      ],
      severity: isBound ? "error" : "warning",
    },
  ];
}

function identityDomain({ pfs, facts }: View): Sighting[] {
  const passed = pfs.filter(({ iommuGroupType }) => iommuGroupType === "identity");
  if (passed.length === 0) return [];
  const words = (facts.kernel.commandLine ?? []).filter((word) =>
    /^iommu=pt$|^iommu\.passthrough=1$/.test(word),
  );
  return [
    {
      targets: passed.map(({ address }) => address),
      says: "PFs of the host go past the IOMMU (identity domain): a broken or hostile card can write anywhere",
      evidence: [
        ...passed.map(({ iommuGroup }) => `/sys/kernel/iommu_groups/${iommuGroup}/type: identity`),
        ...words.map((word) => `kernel command line: ${word}`),
      ],
    },
  ];
}

export const hostSecurityRules: readonly Rule[] = [
  {
    id: "unsafe-interrupts",
    group: "security",
    title: "VFIO works without interrupt remapping",
    severity: "error",
    needs: ["unsafe-interrupts"],
    test: unsafeInterrupts,
    cause: "A device interrupts by a memory write; unmapped, a guest's VF can raise any vector.",
    fix: () => [
      run("grep -rl allow_unsafe_interrupts /etc/modprobe.d /etc/default/grub"),
      say("Remove it there, turn on interrupt remapping in the firmware's setup, and boot"),
    ],
    needsReboot: true,
    reference: "Wojtczuk, Rutkowska: Following the White Rabbit (2011); vfio_iommu_type1.c",
    answers: ["S14", "P03"],
  },
  {
    id: "no-iommu-mode",
    group: "security",
    title: "VFIO works without an IOMMU",
    severity: "error",
    needs: ["no-iommu-mode"],
    test: noIommuMode,
    cause: "Without an IOMMU nothing limits where a device writes. The kernel is tainted.",
    fix: () => [
      run("echo N | sudo tee /sys/module/vfio/parameters/enable_unsafe_noiommu_mode"),
      say("And turn on the IOMMU"),
    ],
    needsReboot: false,
    reference: "drivers/vfio/Kconfig VFIO_NOIOMMU",
    answers: ["S15"],
  },
  {
    id: "vfio-node-open-to-all",
    group: "security",
    title: "Everybody may open VFIO nodes",
    severity: "error",
    needs: ["vfio-nodes"],
    test: openNodes,
    cause:
      "Whoever opens the node has the VF: its traffic, its MAC, and as much locked memory as a limit allows. libvirt gives a node to its guest's user by itself; /dev/vfio/vfio alone is meant for all.",
    fix: () => [
      run("grep -rn vfio /etc/udev/rules.d /usr/lib/udev/rules.d"),
      say(
        'Give the nodes to a group instead: GROUP="kvm", MODE="0660" in the rule that opens them',
      ),
      run("sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=vfio"),
    ],
    needsReboot: false,
    reference: "Documentation/driver-api/vfio.rst, VFIO Usage Example",
    answers: ["S23"],
  },
  {
    id: "uio-driver",
    group: "security",
    title: "Functions are on a uio driver",
    severity: "error",
    needs: [],
    test: userspaceWithoutIommu,
    cause: "uio gives a device's registers to a program and sets no limits for its DMA.",
    fix: () => [
      say("Use vfio-pci instead: driver: vfio-pci in the spec, or dpdk-devbind -b vfio-pci"),
    ],
    needsReboot: false,
    reference: "DPDK, Linux Drivers: UIO",
    answers: ["S15"],
  },
  {
    id: "identity-domain",
    group: "security",
    title: "PFs go past the IOMMU",
    severity: "info",
    needs: [],
    test: identityDomain,
    cause:
      "iommu=pt gives the host's own devices the whole memory, for speed. Guests are not touched by it: VFIO sets up its own domain.",
    fix: (system) => [
      say("Where devices or their firmware are not trusted:"),
      ...kernelArguments(system, {
        add: ["iommu.passthrough=0", "iommu.strict=1"],
        remove: ["iommu=pt"],
      }),
    ],
    needsReboot: true,
    reference: "Documentation/admin-guide/kernel-parameters.txt, iommu.passthrough=",
    answers: ["S16"],
  },
];
