// Why libvirt would not take a VF, seen in the domain's XML and in what the host knows of the VF, before
// anything is changed; and what a VF costs a domain that takes it. All at once, as sentences.

import type { Plug } from "../../model/plug.ts";
import type { PlugProblem } from "../consumer.ts";
import { formOf, userAlias } from "./device-xml.ts";
import type { DomainNic, DomainVf, DomainView } from "./domain.ts";

/** A domain as it runs and as it starts next; null where it does not run, or keeps no definition. */
export type DomainSides = {
  readonly name: string;
  readonly uuid: string;
  readonly live: DomainView | null;
  readonly persistent: DomainView | null;
};

/** A function of the VF's IOMMU group with a driver that is in VFIO's way. */
export type GroupMember = { readonly address: string; readonly driver: string };

/** What the host knows of the VF; null: not known. */
export type VfFacts = {
  readonly iommuGroup: number | null;
  readonly isPfUp: boolean | null;
  readonly pfNetdev: string | null;
  readonly inTheWay: readonly GroupMember[];
};

export const isWanted = (plug: Plug, side: "live" | "persistent"): boolean =>
  plug.scope === "both" || plug.scope === side;

const kibOfMib = 1024;
const mib = (kib: number): string => `${Math.round(kib / kibOfMib)} MiB`;

/** The device that this plug is about; null: the domain has none such. */
export function vfIn(view: DomainView | null, plug: Plug): DomainVf | null {
  const { device } = plug.consumer;
  const own = view?.vfs.filter(({ address }) => address === plug.vf) ?? [];
  if (device === null) return own[0] ?? null;
  const names = new Set([device, userAlias(device)]);
  return own.find(({ alias }) => alias !== null && names.has(alias)) ?? null;
}

const vlanWords = (id: number | null): string => (id === null || id === 0 ? "none" : String(id));

/** What of the device is not as the plug asks; null: nothing. */
export function differenceOf(vf: DomainVf, plug: Plug): string | null {
  const form = formOf(plug);
  if (vf.form !== form) return `it is there as <${vf.form}>, wanted <${form}>`;
  const standby = plug.failover === null ? null : userAlias(plug.failover);
  if (vf.standby !== standby) {
    return `its standby is ${vf.standby ?? "none"}, wanted ${standby ?? "none"}`;
  }
  if (form === "hostdev") return null;
  if (plug.mac !== null && vf.mac !== plug.mac) return `its MAC is ${vf.mac}, wanted ${plug.mac}`;
  const vlanId = plug.vlan?.id ?? 0;
  if ((vf.vlanId ?? 0) === vlanId) return null;
  return `its VLAN is ${vlanWords(vf.vlanId)}, wanted ${vlanWords(vlanId)}`;
}

const problem = (message: string, hint: string | null): PlugProblem => ({ message, hint });

/** docs/pci-hotplug.rst: which machines have PCI Express, and which no PCI at all. */
const machineKind = (machine: string): "express" | "conventional" | "none" | "unknown" => {
  if (/^(?:pc-q35|q35|virt)(?:-|$)/.test(machine)) return "express";
  if (/^(?:pc|pc-i440fx|pseries)(?:-|$)/.test(machine)) return "conventional";
  if (/^(?:isapc|microvm|none|s390-ccw-virtio)(?:-|$)/.test(machine)) return "none";
  return "unknown";
};

function machineProblems(view: DomainView, { failover }: Plug): PlugProblem[] {
  const kind = machineKind(view.machine);
  const cannot = `Cannot give ${view.name} a VF`;
  if (kind === "none") {
    const message = `${cannot}: its machine type ${view.machine} has no PCI Express, wanted q35 or virt`;
    return [problem(message, "Change <type machine=...> with virsh edit")];
  }
  if (kind !== "conventional" || failover === null) return [];
  const message = `${cannot} with a standby: its machine type ${view.machine} has no PCI Express, wanted q35 or virt`;
  return [problem(message, "Attach it without --failover, or move the domain to q35")];
}

/** A port without a device that takes one while the domain runs. */
function portProblems(live: DomainView): PlugProblem[] {
  if (machineKind(live.machine) !== "express") return [];
  if (live.freePorts.some(({ isHotpluggable }) => isHotpluggable)) return [];
  const fixed = live.freePorts.length;
  const what =
    fixed > 0
      ? `its ${fixed} free ports have hotplug='off'`
      : `all of its ${live.portCount} PCI Express root ports are taken`;
  const message = `Cannot give ${live.name} a VF while it runs: ${what}`;
  const hint =
    "Attach with --persistent alone, or shut it down and add <controller type='pci' model='pcie-root-port'/> with virsh edit";
  return [problem(message, hint)];
}

function memoryProblems(view: DomainView): PlugProblem[] {
  const { hardLimitKib, memoryKib, name } = view;
  if (hardLimitKib === null || memoryKib === null || hardLimitKib > memoryKib) return [];
  const message = `Cannot give ${name} a VF: its hard_limit is ${mib(hardLimitKib)}, wanted more than its memory of ${mib(memoryKib)}, all of which a VF pins`;
  return [problem(message, `Raise or remove it: virsh memtune ${name} --hard-limit -1`)];
}

const isStandbyOf = (nic: DomainNic, alias: string): boolean =>
  nic.alias === alias || nic.alias === userAlias(alias);

function standbyProblems(view: DomainView, { failover, mac }: Plug): PlugProblem[] {
  if (failover === null) return [];
  const alias = userAlias(failover);
  const cannot = `Cannot pair the VF with ${alias} of ${view.name}`;
  const nic = view.nics.find((one) => isStandbyOf(one, failover));
  if (nic === undefined) {
    return [problem(`${cannot}: it has no interface with this alias`, "See virsh dumpxml")];
  }
  const found: PlugProblem[] = [];
  if (nic.model !== null && !nic.model.startsWith("virtio")) {
    found.push(problem(`${cannot}: its model is ${nic.model}, wanted virtio`, null));
  }
  if (!nic.isStandby) {
    const hint = `With the domain shut off, add <teaming type='persistent'/> to it with virsh edit`;
    found.push(problem(`${cannot}: it is not made to stand in for another`, hint));
  }
  if (nic.mac !== mac) {
    const hint = `Attach with --mac ${nic.mac}`;
    const has = `its MAC is ${nic.mac}, the VF's ${mac ?? "its own"}, wanted one for both`;
    found.push(problem(`${cannot}: ${has}`, hint));
  }
  return found;
}

/** The VF or its alias is there already, and not as asked. */
function takenProblems(view: DomainView, plug: Plug): PlugProblem[] {
  const there = vfIn(view, plug);
  const name = `${view.name} (${view.isActive ? "as it runs" : "its definition"})`;
  if (there !== null) {
    const difference = differenceOf(there, plug);
    if (difference === null) return [];
    const message = `Cannot change ${plug.vf} in ${name}: ${difference}`;
    return [problem(message, "Detach it first")];
  }
  const other = view.vfs.find(({ address }) => address === plug.vf);
  if (other !== undefined) {
    const message = `Cannot attach ${plug.vf} to ${name}: it has it already, as ${other.alias ?? "a device without alias"}`;
    return [problem(message, "Name it so, or detach it first")];
  }
  const alias = plug.consumer.device === null ? null : userAlias(plug.consumer.device);
  if (alias === null || !view.aliases.has(alias)) return [];
  const message = `Cannot attach ${plug.vf} to ${name}: ${alias} is another device of it`;
  return [problem(message, "Choose another alias: --to libvirt:DOMAIN/ALIAS")];
}

/** What does not depend on the domain. */
function wishProblems(plug: Plug): PlugProblem[] {
  const found: PlugProblem[] = [];
  if (plug.vfToken !== null) {
    const message = `Cannot attach ${plug.vf} through libvirt: its PF is in user space and wants a VF token, and libvirt cannot pass one`;
    found.push(problem(message, "Attach it to QEMU itself, or give the PF back to its driver"));
  }
  if (formOf(plug) !== "interface") return found;
  if (plug.mac === null) {
    const message = `Cannot attach ${plug.vf} as an interface without a MAC: libvirt would make one up`;
    found.push(problem(message, "Give it one with --mac"));
  }
  const { vlan } = plug;
  if (vlan !== null && (vlan.qos !== 0 || vlan.protocol !== "802.1q")) {
    const message = `Cannot attach ${plug.vf} as an interface: libvirt sets VLANs as 802.1q without a priority`;
    found.push(problem(message, "Attach it as hostdev, then sriovctl sets the VLAN"));
  }
  return found;
}

function scopeProblems(sides: DomainSides, { scope }: Plug): PlugProblem[] {
  const { name, live, persistent } = sides;
  if (scope === "live" && live === null) {
    const message = `Cannot attach to ${name} as it runs: it does not run`;
    return [problem(message, "Start it, or attach with --persistent")];
  }
  if (scope === "persistent" && persistent === null) {
    const message = `Cannot attach to the definition of ${name}: it is transient and has none`;
    return [problem(message, "Attach with --live")];
  }
  return [];
}

function hostProblems(plug: Plug, facts: VfFacts, isLive: boolean): PlugProblem[] {
  const found: PlugProblem[] = [];
  const [first] = facts.inTheWay;
  if (isLive && first !== undefined) {
    const members = facts.inTheWay.map(({ address, driver }) => `${address} is on ${driver}`);
    const message = `Cannot hand over ${plug.vf}: IOMMU group ${facts.iommuGroup} is not viable: ${members.join(", ")}`;
    found.push(problem(message, "Bind all of it to vfio-pci; sriovctl doctor says more"));
  }
  if (isLive && formOf(plug) === "interface" && facts.isPfUp === false) {
    const message = `Cannot attach ${plug.vf} as an interface: libvirt sets MAC and VLAN only while the PF is up, and ${facts.pfNetdev} is down`;
    found.push(problem(message, "Set adminState: up for the PF in the spec"));
  }
  return found;
}

/** Everything that would make the plug fail. */
export function obstaclesOf(sides: DomainSides, plug: Plug, facts: VfFacts): PlugProblem[] {
  const { live, persistent } = sides;
  const lives = isWanted(plug, "live") && live !== null ? [live] : [];
  const all = [
    ...lives,
    ...(isWanted(plug, "persistent") && persistent !== null ? [persistent] : []),
  ];
  const isThere = live !== null && vfIn(live, plug) !== null;
  const found = [
    ...wishProblems(plug),
    ...scopeProblems(sides, plug),
    ...all.flatMap((view) => [
      ...takenProblems(view, plug),
      ...machineProblems(view, plug),
      ...memoryProblems(view),
      ...standbyProblems(view, plug),
    ]),
    ...(isThere ? [] : lives.flatMap(portProblems)),
    ...hostProblems(plug, facts, lives.length > 0 && !isThere),
  ];
  // The running domain and its definition mostly say the same.
  const seen = new Set<string>();
  return found.filter(({ message }) => !seen.has(message) && seen.add(message));
}

/** What a VF means for a domain that has none yet: it pins all of the memory. */
export function costsOf(view: DomainView): string[] {
  const { memoryKib, currentMemoryKib, hasBalloon, isSharingOff, name } = view;
  if (memoryKib === null) return [];
  const notes = [`a VF pins all ${mib(memoryKib)} of the memory of ${name} while it runs`];
  if (hasBalloon && currentMemoryKib !== null && currentMemoryKib < memoryKib) {
    notes.push(
      `its balloon (${mib(currentMemoryKib)} of ${mib(memoryKib)}) no longer gives memory back`,
    );
  }
  if (!isSharingOff) notes.push("the host can neither swap it nor merge it (KSM)");
  return notes;
}
