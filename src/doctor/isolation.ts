// Rules on IOMMU groups: what is in a group can reach each other's memory without the IOMMU, so a
// whole group goes to one guest or to none.

import type { Address } from "../model/bdf.ts";
import type { Pf } from "../model/inventory.ts";
import { acsPath, brokenHop, drawPath } from "./acs-path.ts";
import { kernelArguments, say } from "./remedy.ts";
import type { Rule, Sighting, Target } from "./rule.ts";
import type { PfVf, View } from "./view.ts";
import { isForGuests, isVfioDriver, pfName, servesNoGuests, targetOf } from "./view.ts";

type SharedGroup = {
  readonly group: number;
  readonly pfs: readonly Pf[];
  readonly vfs: readonly PfVf[];
  /** Members that are neither: ports above, other devices. */
  readonly others: readonly Address[];
};

/** Of groups with a PF or a VF; those that a VF has for itself are left out, as most do. */
function groupsOf(view: View): SharedGroup[] {
  const groups = new Map<number, { pfs: Pf[]; vfs: PfVf[] }>();
  const entryOf = (group: number) => {
    const entry = groups.get(group) ?? { pfs: [], vfs: [] };
    groups.set(group, entry);
    return entry;
  };
  for (const pf of view.pfs) if (pf.iommuGroup !== null) entryOf(pf.iommuGroup).pfs.push(pf);
  for (const each of view.vfs) {
    if (each.vf.iommuGroup !== null) entryOf(each.vf.iommuGroup).vfs.push(each);
  }
  return [...groups].flatMap(([group, { pfs, vfs }]) => {
    const members = view.membersOf(group);
    if (members.length < 2) return [];
    const known = new Set([...pfs, ...vfs.map(({ vf }) => vf)].map(({ address }) => address));
    return [{ group, pfs, vfs, others: members.filter((address) => !known.has(address)) }];
  });
}

const isNoIommu = ({ facts }: View, group: number): boolean =>
  facts.iommuGroups?.find(({ number }) => number === group)?.name === "vfio-noiommu";

function ownText({ pfs, vfs }: SharedGroup): string {
  const vfText = `${vfs.length} VF${vfs.length === 1 ? "" : "s"}`;
  if (pfs.length === 0) return vfText;
  const pfText = `PF${pfs.length === 1 ? "" : "s"} ${pfs.map(pfName).join(", ")}`;
  return vfs.length === 0
    ? pfText
    : `${pfText} and ${pfs.length === 1 ? "its" : "their"} ${vfText}`;
}

function withOthers(others: readonly Address[]): string {
  if (others.length === 0) return "";
  const shown = others.length > 4 ? [...others.slice(0, 3), `${others.length - 3} more`] : others;
  return ` with ${shown.join(", ")}`;
}

const groupTargets = ({ pfs, vfs }: SharedGroup): Target[] =>
  pfs.length > 0 ? pfs.map(({ address }) => address) : vfs.map(targetOf);

/** The path is drawn once: functions of one group have the same ports above. */
function drawnPath(view: View, { pfs, vfs }: SharedGroup): string[] {
  const pf = pfs[0] ?? vfs[0]?.pf;
  return pf === undefined ? [] : drawPath(acsPath(view, pf));
}

function sharedGroup(view: View): Sighting[] {
  return groupsOf(view).flatMap((shared): Sighting[] => {
    const { group, pfs, vfs, others } = shared;
    if (isNoIommu(view, group)) return [];
    const ports = others.filter((address) =>
      [...pfs, ...vfs.map(({ pf }) => pf)].some((pf) => pf.path.includes(address)),
    );
    const numEndpoints = pfs.length + vfs.length + others.length - ports.length;
    // Ports above do not matter to VFIO by themselves: VFs that will come do.
    const awaitsVfs = vfs.length === 0 && pfs.length > 0 && ports.length > 0;
    if (!awaitsVfs && (vfs.length === 0 || numEndpoints < 2)) return [];
    const evidence = [
      ...drawnPath(view, shared),
      `/sys/kernel/iommu_groups/${group}/devices has ${view.membersOf(group).length} members`,
    ];
    const verb = pfs.length + vfs.length === 1 ? "shares" : "share";
    const what = `${ownText(shared)} ${verb} IOMMU group ${group}${withOthers(others)}`;
    const says = awaitsVfs
      ? `${what}: its VFs will be in it too, and only one VM can have any of them`
      : `${what}: only one VM can have any of them`;
    const severity = awaitsVfs || servesNoGuests(view) ? "warning" : "error";
    return [
      { targets: groupTargets(shared), says, evidence, severity, fix: isolationFix(view, shared) },
    ];
  });
}

function isolationFix(view: View, { pfs, vfs }: SharedGroup) {
  const pf = pfs[0] ?? vfs[0]?.pf;
  const broken = pf === undefined ? null : brokenHop(acsPath(view, pf));
  const offArguments = (view.facts.kernel.commandLine ?? []).filter((word) =>
    /^pci=.*disable_acs_redir/.test(word),
  );
  if (offArguments.length > 0) return kernelArguments(view.system, { remove: offArguments });
  const turnedOff = broken?.acs ?? null;
  if (broken !== null && turnedOff !== null) {
    return [
      say(`${broken.address} has ACS and it is not turned on; with an IOMMU in use this does it:`),
      ...kernelArguments(view.system, { add: [`pci=config_acs=xx111x1@${broken.address}`] }),
    ];
  }
  return [
    say(
      broken === null
        ? "Move the card to another slot, best one of the processor's own"
        : `Move the card to a slot that is not below ${broken.address}, best one of the processor's own`,
    ),
    say("In the firmware's setup, turn on ACS where it can be set"),
    say("Do not use pcie_acs_override: it only hides that nothing isolates"),
  ];
}

/** drivers/vfio/group.c: drivers that leave DMA to the user, or do none. */
const isHarmless = (driver: string | null): boolean =>
  driver === null || driver === "pci-stub" || driver === "pcieport" || isVfioDriver(driver);

function notViable(view: View): Sighting[] {
  return groupsOf(view).flatMap((shared): Sighting[] => {
    const { group, pfs, vfs, others } = shared;
    if (!vfs.some(({ vf }) => isForGuests(vf))) return [];
    const drivers = [...pfs, ...vfs.map(({ vf }) => vf)].map(({ address, driver }) => ({
      address,
      driver,
    }));
    const foreign = others.map((address) => ({
      address,
      driver: view.functionAt(address)?.driver ?? null,
    }));
    const inTheWay = [...drivers, ...foreign].filter(({ driver }) => !isHarmless(driver));
    if (inTheWay.length === 0) return [];
    const says = `IOMMU group ${group} is not viable: ${inTheWay.map(({ address, driver }) => `${address} is on ${driver}`).join(", ")}`;
    const evidence = drivers.map(({ address, driver }) => `${address}/driver: ${driver ?? "none"}`);
    return [{ targets: vfs.filter(({ vf }) => isForGuests(vf)).map(targetOf), says, evidence }];
  });
}

function acsOverride({ facts, system }: View): Sighting[] {
  const words = (facts.kernel.commandLine ?? []).filter((word) =>
    word.startsWith("pcie_acs_override"),
  );
  if (words.length === 0) return [];
  const says = "pcie_acs_override is set: IOMMU groups look isolated that are not";
  const evidence = words.map((word) => `kernel command line: ${word}`);
  return [{ targets: ["host"], says, evidence, fix: kernelArguments(system, { remove: words }) }];
}

export const isolationRules: readonly Rule[] = [
  {
    id: "acs-override",
    group: "security",
    title: "IOMMU groups are faked",
    severity: "error",
    needs: ["command-line"],
    test: acsOverride,
    cause:
      "The out-of-tree override makes the kernel believe that ports isolate. A guest's device can then reach other devices' memory past the IOMMU.",
    fix: () => [say("Remove pcie_acs_override from the kernel's command line")],
    needsReboot: true,
    reference: "PCIe Base 6.0, 6.12 (ACS); the override patch is not in Linux",
    answers: ["P11", "S13"],
  },
  {
    id: "iommu-group-shared",
    group: "platform",
    title: "Functions share an IOMMU group",
    severity: "error",
    needs: [],
    test: sharedGroup,
    cause:
      "A port above lets devices talk to each other without passing the IOMMU (no ACS, or not turned on), so the kernel puts all below it into one group. VFIO gives a group to one guest as a whole.",
    fix: () => [say("Move the card to a slot whose ports have ACS")],
    needsReboot: true,
    reference: "drivers/iommu/iommu.c pci_device_group()",
    answers: ["P10", "S12"],
    consequenceOf: ["iommu-off"],
  },
  {
    id: "iommu-group-not-viable",
    group: "binding",
    title: "A guest's IOMMU group has members on host drivers",
    severity: "error",
    needs: [],
    test: notViable,
    cause:
      "VFIO opens a group only when every member is without a driver or on one that leaves DMA to the user. QEMU says: group is not viable.",
    fix: () => [
      say(
        "Bind every member of the group to vfio-pci, or move the card to where VFs have groups of their own",
      ),
    ],
    needsReboot: false,
    reference: "drivers/iommu/iommu.c iommu_device_use_default_domain()",
    answers: ["V01"],
    // Not of a shared group: that says what can be had, this that a guest cannot start now.
    consequenceOf: ["iommu-off"],
  },
];
