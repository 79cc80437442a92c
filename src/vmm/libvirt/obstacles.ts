// Why libvirt would not take a VF, seen in the domain's XML and in what the host knows of the VF, before
// anything is changed; and what a VF costs a domain that takes it. All at once, as sentences.

import type { Plug } from "../../model/plug.ts";
import { oneEachHint, type PlugProblem } from "../consumer.ts";
import { pinWords } from "../pinned-memory.ts";
import { formOf, isUserAlias, userAlias } from "./device-xml.ts";
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

/** The device that this plug is about; null: the domain has none such. One that somebody put in
 * without a name of its own goes by any. */
export function vfIn(view: DomainView | null, plug: Plug): DomainVf | null {
  const { device } = plug.consumer;
  const own = view?.vfs.filter(({ address }) => address === plug.vf) ?? [];
  if (device === null) return own[0] ?? null;
  const names = new Set([device, userAlias(device)]);
  const isMeant = ({ alias }: DomainVf): boolean => alias !== null && names.has(alias);
  return own.find(isMeant) ?? own.find(({ alias }) => !isUserAlias(alias)) ?? null;
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

/** The message is why, after `Cannot attach VF to CONSUMER: `. */
const problem = (message: string, hint: string | null): PlugProblem => ({ message, hint });

/** docs/pci-hotplug.rst: which machines have PCI Express, and which no PCI at all. */
const machineKind = (machine: string): "express" | "conventional" | "none" | "unknown" => {
  if (/^(?:pc-q35|q35|virt)(?:-|$)/.test(machine)) return "express";
  if (/^(?:pc|pc-i440fx|pseries)(?:-|$)/.test(machine)) return "conventional";
  if (/^(?:isapc|microvm|none|s390-ccw-virtio)(?:-|$)/.test(machine)) return "none";
  return "unknown";
};

function machineProblems({ machine }: DomainView, { failover }: Plug): PlugProblem[] {
  const kind = machineKind(machine);
  if (kind === "none") {
    const message = `its machine type ${machine} has no PCI Express, wanted q35 or virt`;
    return [problem(message, "Change <type machine=...> with virsh edit")];
  }
  if (kind !== "conventional" || failover === null) return [];
  const message = `its machine type ${machine} has no PCI Express, without which nothing stands in for a VF: wanted q35 or virt`;
  return [problem(message, "Attach it without --failover, or move the domain to q35")];
}

/** A port without a device that takes one while the domain runs. */
function portProblems(live: DomainView): PlugProblem[] {
  if (machineKind(live.machine) !== "express") return [];
  if (live.freePorts.some(({ isHotpluggable }) => isHotpluggable)) return [];
  const numPorts = live.ports.length;
  const what =
    live.freePorts.length > 0
      ? "all of its free ports have hotplug='off'"
      : numPorts > 0
        ? `all of its ${numPorts} PCI Express root ports are taken`
        : "it has no PCI Express root port";
  const hint =
    "Attach with --persistent alone, or shut it down and add <controller type='pci' model='pcie-root-port'/> with virsh edit";
  return [problem(`it runs, and ${what}`, hint)];
}

function memoryProblems({ hardLimitKib, memoryKib, name }: DomainView): PlugProblem[] {
  if (hardLimitKib === null || memoryKib === null || hardLimitKib > memoryKib) return [];
  const message = `its hard_limit is ${mib(hardLimitKib)}, wanted more than its memory of ${mib(memoryKib)}, all of which a VF pins`;
  return [problem(message, `Raise or remove it: virsh memtune ${name} --hard-limit -1`)];
}

const isStandbyOf = (nic: DomainNic, alias: string): boolean =>
  nic.alias === alias || nic.alias === userAlias(alias);

function standbyProblems(view: DomainView, { failover, mac, vf }: Plug): PlugProblem[] {
  if (failover === null) return [];
  const alias = userAlias(failover);
  const nic = view.nics.find((one) => isStandbyOf(one, failover));
  if (nic === undefined) {
    return [problem(`it has no interface with the alias ${alias}`, "See virsh dumpxml")];
  }
  const found: PlugProblem[] = [];
  const paired = view.vfs.find(({ standby, address }) => standby === nic.alias && address !== vf);
  if (paired !== undefined) {
    const message = `${alias} stands in for ${paired.alias ?? paired.address} already`;
    found.push(problem(message, oneEachHint));
  }
  if (nic.model !== null && !nic.model.startsWith("virtio")) {
    found.push(problem(`the model of ${alias} is ${nic.model}, wanted virtio`, null));
  }
  if (!nic.isStandby) {
    const hint = `With the domain shut off, add <teaming type='persistent'/> to it with virsh edit`;
    found.push(problem(`${alias} is not made to stand in for another NIC`, hint));
  }
  if (nic.mac !== mac) {
    const message = `the MAC of ${alias} is ${nic.mac}, that of the VF ${mac ?? "its own"}, wanted one for both`;
    found.push(problem(message, `Attach with --mac ${nic.mac}`));
  }
  return found;
}

/** The VF or its alias is there already, and not as asked. */
function takenProblems(view: DomainView, plug: Plug): PlugProblem[] {
  const there = vfIn(view, plug);
  const where = view.isActive ? "as it runs" : "in its definition";
  if (there !== null) {
    const difference = differenceOf(there, plug);
    if (difference === null) return [];
    return [problem(`it has ${plug.vf} already ${where}, and ${difference}`, "Detach it first")];
  }
  const other = view.vfs.find(({ address }) => address === plug.vf);
  if (other !== undefined) {
    const message = `it has ${plug.vf} already ${where}, as ${other.alias ?? "a device without alias"}`;
    return [problem(message, "Name it so, or detach it first")];
  }
  const alias = plug.consumer.device === null ? null : userAlias(plug.consumer.device);
  if (alias === null || !view.aliases.has(alias)) return [];
  const message = `${alias} is another device of it ${where}`;
  return [problem(message, "Choose another alias: --to libvirt:DOMAIN/ALIAS")];
}

/** What does not depend on the domain. */
function wishProblems(plug: Plug): PlugProblem[] {
  const found: PlugProblem[] = [];
  if (plug.vfToken !== null) {
    const message = "its PF is in user space and wants a VF token, which libvirt cannot pass";
    found.push(problem(message, "Attach it to QEMU itself, or give the PF back to its driver"));
  }
  if (formOf(plug) !== "interface") return found;
  if (plug.mac === null) {
    const message = "as an interface it needs a MAC, or libvirt makes one up";
    found.push(problem(message, "Give it one with --mac"));
  }
  const { vlan } = plug;
  if (vlan !== null && (vlan.qos !== 0 || vlan.protocol !== "802.1q")) {
    const message = "for an interface libvirt sets VLANs as 802.1q without a priority";
    found.push(problem(message, "Attach it as hostdev, then sriovctl sets the VLAN"));
  }
  return found;
}

function scopeProblems({ live, persistent }: DomainSides, { scope }: Plug): PlugProblem[] {
  if (scope === "live" && live === null) {
    return [problem("it does not run", "Start it, or attach with --persistent")];
  }
  if (scope === "persistent" && persistent === null) {
    return [problem("it is transient and keeps no definition", "Attach with --live")];
  }
  return [];
}

function hostProblems(plug: Plug, facts: VfFacts, isLive: boolean): PlugProblem[] {
  const found: PlugProblem[] = [];
  if (isLive && facts.inTheWay.length > 0) {
    const members = facts.inTheWay.map(({ address, driver }) => `${address} is on ${driver}`);
    const message = `IOMMU group ${facts.iommuGroup} is not viable: ${members.join(", ")}`;
    found.push(problem(message, "Bind all of it to vfio-pci; sriovctl doctor says more"));
  }
  if (isLive && formOf(plug) === "interface" && facts.isPfUp === false) {
    const message = `for an interface libvirt sets MAC and VLAN only while the PF is up, and ${facts.pfNetdev} is down`;
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

/** Why the domain would not let go of the VF; what its guest does is seen only then. */
export function keepersOf({ live, name }: DomainSides, plug: Plug, state: string): PlugProblem[] {
  const vf = live === null ? null : vfIn(live, plug);
  if (live === null || vf === null) return [];
  const found: PlugProblem[] = [];
  const port = live.ports.find(({ bus }) => bus === vf.guestBus);
  const isFixed =
    port === undefined ? machineKind(live.machine) === "express" : !port.isHotpluggable;
  if (isFixed) {
    const where = port === undefined ? "in no port" : "in a port with hotplug='off'";
    const message = `domain ${name} has it ${where}, from where nothing is unplugged while it runs`;
    found.push(problem(message, `Shut it down: virsh shutdown ${name}`));
  }
  if (state.startsWith("running") || state === "") return found;
  const message = `domain ${name} is ${state}, and a guest lets go only while it runs`;
  return [...found, problem(message, `virsh resume ${name}`)];
}

/** Bytes; null: not known. */
export type MemoryNow = { readonly resident: number | null; readonly available: number | null };

/** What a VF means for a domain that has none yet: it pins all of the memory. */
export function costsOf(view: DomainView, { resident, available }: MemoryNow): string[] {
  const { memoryKib, currentMemoryKib, hasBalloon, isSharingOff, isPreallocated, name } = view;
  if (memoryKib === null) return [];
  const bytes = memoryKib * 1024;
  const balloonBytes = hasBalloon && currentMemoryKib !== null ? currentMemoryKib * 1024 : null;
  const residentBytes = isPreallocated ? bytes : resident;
  return pinWords({ name, bytes, balloonBytes, residentBytes, isSharingOff }, available);
}
