// Device rules: what the card and its firmware allow, how many VFs there can be, and what waits for
// the next boot.

import { findExtendedCapability } from "../pci/function-config.ts";
import { say, run } from "./remedy.ts";
import type { Step } from "./remedy.ts";
import type { Rule, Sighting } from "./rule.ts";
import type { View } from "./view.ts";
import { pfName } from "./view.ts";
import type { Address } from "../model/bdf.ts";
import type { CardWithoutSriov } from "../model/host-facts.ts";

function droppedByKernel({ pfs, configAt }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    if (pf.totalVfs !== null) return [];
    const config = configAt(pf.address);
    const sriov = config === null ? null : findExtendedCapability(config, "sriov");
    if (sriov === null || sriov.totalVfs === 0) return [];
    const says = `The kernel does not offer the SR-IOV of PF ${pfName(pf)}: its capability is not one that Linux can use`;
    const { totalVfs, firstVfOffset, vfStride } = sriov;
    const evidence = [
      "there is no sriov_totalvfs",
      `SR-IOV capability: TotalVFs ${totalVfs}, First VF Offset ${firstVfOffset}, VF Stride ${vfStride}`,
    ];
    return [{ targets: [pf.address], says, evidence }];
  });
}

type FirmwareOf = { readonly address: Address; readonly vendorId: number };

/** How the VF count of a card's firmware is raised. */
function firmwareFix({ address, vendorId }: FirmwareOf, numVfs: number): Step[] {
  if (vendorId !== 0x15b3) {
    return [
      say(
        "In the card's own setup (HII in the firmware's setup, or the vendor's tool), turn on SR-IOV and raise the number of VFs; then boot",
      ),
    ];
  }
  return [
    run(`sudo mstconfig -d ${address} set SRIOV_EN=1 NUM_OF_VFS=${numVfs}`),
    say("Then power the host off and on: the card takes it at its next start"),
  ];
}

/** A hypervisor takes the capability out of the config space that its guest sees. */
const hypervisor = /^Hypervisor detected: |^Booting paravirtualized kernel on KVM/;

const cardName = ({ address, netdev }: CardWithoutSriov): string =>
  netdev === null ? address : `${address} (${netdev})`;

function notOffered({ facts, pfs, logged }: View): Sighting[] {
  const cards = facts.cardsWithoutSriov ?? [];
  if (cards.length === 0) return [];
  const [guest] = logged(hypervisor);
  const where = guest === undefined ? "" : ", and this is a guest: its hypervisor may hide it";
  const evidence = cards.map(({ address, vendorId, deviceId, driver }) => {
    const ids = [vendorId, deviceId].map((id) => id.toString(16).padStart(4, "0")).join(":");
    return `${address}: ${ids}, driver ${driver ?? "none"}, no sriov_totalvfs`;
  });
  const what = cards.length === 1 ? "Made for SR-IOV and shows" : "Made for SR-IOV and show";
  const steps = cards.flatMap((card) => firmwareFix(card, 8));
  return [
    {
      targets: cards.map(({ address }) => address),
      says: `${what} none: ${cards.map(cardName).join(", ")}${where}`,
      evidence: [...evidence, ...(guest === undefined ? [] : [guest])],
      // On a host that has other PFs it may be meant so.
      severity: pfs.length > 0 || guest !== undefined ? "info" : "warning",
      fix: [...new Map(steps.map((step) => [step.text, step])).values()],
    },
  ];
}

function noVfsAllowed({ pfs }: View): Sighting[] {
  return pfs
    .filter(({ totalVfs }) => totalVfs === 0)
    .map((pf) => ({
      targets: [pf.address],
      says: `PF ${pfName(pf)} can have no VFs: its firmware or driver allows 0`,
      evidence: [
        `${pf.address}/sriov_totalvfs: 0`,
        ...(pf.capabilityTotalVfs === null
          ? []
          : [`TotalVFs of the capability: ${pf.capabilityTotalVfs}`]),
      ],
      fix: firmwareFix(pf, 8),
    }));
}

function fewerThanWanted({ pfs, wanted }: View): Sighting[] {
  return (wanted?.physicalFunctions ?? []).flatMap(({ address, name, numVfs }): Sighting[] => {
    const pf = pfs.find((candidate) => candidate.address === address);
    if (pf === undefined || numVfs === null || pf.totalVfs === null || numVfs <= pf.totalVfs)
      return [];
    const says = `${name} wants ${numVfs} VFs: PF ${pfName(pf)} can have ${pf.totalVfs}`;
    const evidence = [`${address}/sriov_totalvfs: ${pf.totalVfs}`];
    return [{ targets: [address], says, evidence, fix: firmwareFix(pf, numVfs) }];
  });
}

function pendingReboot({ pfs, nicOf }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const { now, nextBoot } = nicOf(pf)?.firmwareVfs ?? { now: null, nextBoot: null };
    if (now === null || nextBoot === null || now === nextBoot) return [];
    const says = `PF ${pfName(pf)} will have ${nextBoot} VFs at most after the next boot, now ${now}`;
    const evidence = [`firmware setting: ${now} now, ${nextBoot} at the next start`];
    const severity = nextBoot < pf.numVfs ? "warning" : "info";
    return [{ targets: [pf.address], says, evidence, severity }];
  });
}

export const deviceRules: readonly Rule[] = [
  {
    id: "sriov-turned-off",
    group: "device",
    title: "A card that is made for SR-IOV shows none",
    severity: "warning",
    needs: ["cards-without-sriov"],
    test: notOffered,
    cause:
      "The card's stored settings, or the firmware's setup for its slot, leave the SR-IOV capability out, so the kernel sees a plain network card. A hypervisor hides it from its guest, and a kernel without CONFIG_PCI_IOV shows none.",
    fix: () => [say("Turn on SR-IOV in the card's own setup, then boot")],
    needsReboot: true,
    reference: "drivers/pci/iov.c pci_iov_init(); mlxconfig SRIOV_EN, NUM_OF_VFS",
    answers: ["N01"],
    isAboutAnyHost: true,
  },
  {
    id: "sriov-unusable",
    group: "device",
    title: "The kernel dropped a PF's SR-IOV",
    severity: "error",
    needs: ["config"],
    test: droppedByKernel,
    cause:
      "At enumeration Linux checks every possible VF count and drops SR-IOV without a word where First VF Offset or VF Stride is 0, or a VF BAR is no multiple of the page size.",
    fix: () => [say("Update the card's firmware; sriovctl decode shows the capability")],
    needsReboot: true,
    reference: "drivers/pci/iov.c sriov_init(), compute_max_vf_buses()",
    answers: ["N01"],
  },
  {
    id: "no-vfs-allowed",
    group: "device",
    title: "A PF can have no VFs",
    severity: "warning",
    needs: [],
    test: noVfsAllowed,
    cause: "SR-IOV is off in the card's firmware, or the driver gave all its resources away.",
    fix: () => [say("Turn on SR-IOV in the card's firmware")],
    needsReboot: true,
    reference: "drivers/pci/iov.c sriov_totalvfs_show()",
    answers: ["N01", "N02"],
  },
  {
    id: "fewer-vfs-than-wanted",
    group: "device",
    title: "The spec wants more VFs than a PF can have",
    severity: "error",
    needs: [],
    test: fewerThanWanted,
    cause: "sriov_totalvfs is what firmware and driver allow; writing more gives ERANGE.",
    fix: () => [say("Lower numVfs in the spec, or raise the limit in the card's firmware")],
    needsReboot: true,
    reference: "drivers/pci/iov.c sriov_numvfs_store()",
    answers: ["N02", "N03"],
  },
  {
    id: "firmware-waits-for-boot",
    group: "device",
    title: "A setting of the firmware waits for the next boot",
    severity: "warning",
    needs: ["firmware-vfs"],
    test: pendingReboot,
    cause: "The card reads its stored configuration only when it starts.",
    fix: () => [say("Power the host off and on when that suits its guests")],
    needsReboot: true,
    reference: "mlxconfig: Next Boot configuration; devlink param cmode permanent",
    answers: ["N02"],
  },
];
