// VFs in the hands of the machine's guests and namespaces, by name: what a hypervisor keeps of a guest's
// devices beside what the guest has open, and netdevs that were moved away from the host.

import { formatAssignTarget, needsNetdev, type AssignTarget } from "../../model/assign-target.ts";
import type { Plug } from "../../model/plug.ts";
import { oneEachHint, type Plugged, type PlugProblem } from "../../vmm/consumer.ts";
import { closeVf, guestOf } from "./guests.ts";
import { findPf, findVf, touchVf, type Machine, type VfPlace } from "./machine.ts";
import { nameForVf } from "./netdevs.ts";
import { holderOf, type DeviceState, type GuestState } from "./state.ts";

const isIn = ({ kind }: AssignTarget): boolean => needsNetdev(kind);

/** QEMU itself knows no next start. */
const keepsDevices = ({ kind }: AssignTarget): boolean => kind !== "qemu";

/** `netns:ci`, without the interface. */
const namespaceOf = ({ kind, name }: AssignTarget): string => `${kind}:${name}`;

/** Whether there is such a consumer. An application brings itself. */
export function isThere(machine: Machine, target: AssignTarget): boolean {
  if (target.kind === "dpdk") return true;
  if (!isIn(target)) return guestOf(machine, target.name) !== null;
  return (machine.state.core.namespaces ?? []).includes(namespaceOf(target));
}

const problem = (message: string, hint: string | null = null): PlugProblem => ({ message, hint });

function netdevProblems({ vf }: VfPlace, { consumer }: Plug): PlugProblem[] {
  const inside = vf.netdev?.inside;
  if (inside === undefined || inside === namespaceOf(consumer)) return [];
  return [problem(`its interface is in ${inside}`)];
}

/** As virtio's failover wants it: one MAC for both. */
function standInProblems(
  { name, standIns = [], devices = [] }: GuestState,
  { failover, mac, vf }: Plug,
): PlugProblem[] {
  if (failover === null) return [];
  const nic = standIns.find((one) => one.name === failover);
  if (nic === undefined) return [problem(`guest ${name} has no NIC ${failover} that can stand in`)];
  const paired = devices.find((device) => device.failover === failover && device.vf !== vf);
  if (paired !== undefined) {
    return [problem(`${failover} stands in for ${paired.name} already`, oneEachHint)];
  }
  if (nic.mac === mac) return [];
  const hint = `Attach with --mac ${nic.mac}`;
  return [
    problem(`the MAC of ${failover} is ${nic.mac}, that of the VF ${mac ?? "its own"}`, hint),
  ];
}

/** Of QEMU and libvirt: a device's name is its guest's, and vfio opens a VF once. */
function guestProblems(machine: Machine, plug: Plug, guest: GuestState | null): PlugProblem[] {
  const { consumer, vf, scope } = plug;
  const problems: PlugProblem[] = [];
  const holder = holderOf(machine.state, vf);
  if (holder !== null && holder.name !== consumer.name) {
    problems.push(problem(`guest ${holder.name} has it open`));
  }
  if (guest === null) return problems;
  problems.push(...standInProblems(guest, plug));
  const device = guest.devices?.find(({ name }) => name === consumer.device);
  if (device !== undefined && device.vf !== vf) {
    problems.push(problem(`its device ${device.name} is ${device.vf} already`));
  }
  const isLiveOnly = scope === "live" || !keepsDevices(consumer);
  if (isLiveOnly && guest.stoppedWith !== undefined) {
    problems.push(problem("it does not run", "Attach with --persistent, or start it"));
  }
  return problems;
}

/** What is wrong with the VF itself when it is to be plugged in; null: nothing. */
export function unreadyWords(machine: Machine, { consumer, vf }: Plug): string | null {
  const place = findVf(machine, vf);
  if (consumer.kind === "dpdk") return null;
  if (isIn(consumer)) {
    return place?.vf.netdev === undefined ? "the VF has no network interface" : null;
  }
  const driver = place?.vf.driver ?? findPf(machine, vf)?.driver ?? "no driver";
  return driver === "vfio-pci" ? null : `the device is on ${driver}, wanted vfio-pci`;
}

export function problemsOf(machine: Machine, plug: Plug): readonly PlugProblem[] {
  const place = findVf(machine, plug.vf);
  if (place === null && findPf(machine, plug.vf) === null) return [problem("there is no such VF")];
  if (place === null) return guestProblems(machine, plug, guestOf(machine, plug.consumer.name));
  if (isIn(plug.consumer)) return netdevProblems(place, plug);
  return guestProblems(machine, plug, guestOf(machine, plug.consumer.name));
}

/** Why the consumer would not let go while it runs. */
export function keepersOf(machine: Machine, { consumer, vf }: Plug): readonly PlugProblem[] {
  if (isIn(consumer)) return [];
  if (consumer.kind === "dpdk") return [problem("applications are not asked", "End it first")];
  const guest = guestOf(machine, consumer.name);
  const isKept = guest?.keepsDevices === true && guest.holds.includes(vf);
  return isKept ? [problem(`guest ${consumer.name} has no port that takes hot-plug`)] : [];
}

/** One that the guest was made with has no name, and goes by any. */
function deviceOf(guest: GuestState | null, { consumer, vf }: Plug): DeviceState | null {
  const own = guest?.devices?.find((device) => device.vf === vf);
  if (own !== undefined) {
    return consumer.device === null || own.name === consumer.device ? own : null;
  }
  const has = guest?.stoppedWith ?? guest?.holds ?? [];
  return has.includes(vf) ? { name: vf, vf, mac: null, vlan: null, isPersistent: true } : null;
}

const nothing: Plugged = {
  isLive: false,
  isPersistent: false,
  mac: null,
  vlan: null,
  device: null,
  notes: [],
};

/** How a consumer has the VF. */
export function pluggedOf(machine: Machine, plug: Plug): Plugged {
  const { consumer, vf } = plug;
  const place = findVf(machine, vf);
  if (isIn(consumer)) {
    const netdev = place?.vf.netdev;
    const isHere = netdev !== undefined && netdev.inside === namespaceOf(consumer);
    if (!isHere) return { ...nothing, isPersistent: null };
    const { mac, name: device } = netdev;
    return { ...nothing, isLive: true, isPersistent: null, mac, device };
  }
  if (consumer.kind === "dpdk") {
    const isFor = place?.vf.application === consumer.name;
    const device = isFor ? vf : null;
    const notes = isFor ? [`EAL arguments: -a ${vf}`] : [];
    return { ...nothing, isLive: isFor, isPersistent: null, device, notes };
  }
  const guest = guestOf(machine, consumer.name);
  const isOff = guest?.stoppedWith !== undefined;
  const device = deviceOf(guest, plug);
  const isKept = keepsDevices(consumer);
  if (device === null) {
    return { ...nothing, isLive: isOff ? null : false, isPersistent: isKept ? false : null };
  }
  const isLive = isOff ? null : (guest?.holds.includes(vf) ?? false);
  const { mac, vlan, name } = device;
  const isPersistent = isKept ? device.isPersistent : null;
  const { failover = null } = device;
  const notes = failover === null ? [] : [`failover pair with ${failover}`];
  return { isLive, isPersistent, mac, vlan, failover, device: name, notes };
}

function plugGuest(guest: GuestState, plug: Plug): void {
  const { consumer, vf, mac, vlan, scope, form } = plug;
  const known = deviceOf(guest, plug);
  const isWanted = scope !== "live" || known?.isPersistent === true;
  const isPersistent = isWanted && keepsDevices(consumer);
  const own = form === "interface" ? (vlan ?? ("none" as const)) : null;
  const pair = plug.failover === null ? {} : { failover: plug.failover };
  const device = { name: consumer.device ?? vf, vf, mac, vlan: own, isPersistent, ...pair };
  guest.devices = [...(guest.devices ?? []).filter((other) => other !== known), device];
  if (guest.stoppedWith !== undefined) {
    if (!guest.stoppedWith.includes(vf)) guest.stoppedWith.push(vf);
    return;
  }
  if (scope !== "persistent" && !guest.holds.includes(vf)) guest.holds.push(vf);
}

/** `problemsOf` has found nothing. */
export function plugIn(machine: Machine, plug: Plug): void {
  const { consumer, vf: address } = plug;
  const place = findVf(machine, address);
  const guest = guestOf(machine, consumer.name);
  if (guest !== null && findPf(machine, address) !== null) plugGuest(guest, plug);
  if (place === null) return;
  const { netdev } = place.vf;
  if (consumer.kind === "dpdk") place.vf.application = consumer.name;
  else if (!isIn(consumer)) {
    if (guest !== null) plugGuest(guest, plug);
    return;
  } else if (netdev !== undefined) {
    netdev.inside = namespaceOf(consumer);
    netdev.name = consumer.device ?? netdev.name;
    netdev.isUp = true;
    if (plug.mac !== null) netdev.mac = plug.mac;
  }
  touchVf(machine, place.pf, place.vfIndex);
}

export function plugOut(machine: Machine, plug: Plug): void {
  const { consumer, vf: address } = plug;
  const place = findVf(machine, address);
  const guest = guestOf(machine, consumer.name);
  if (isIn(consumer) || consumer.kind === "dpdk") {
    if (place === null) return;
    const { netdev } = place.vf;
    if (place.vf.application === consumer.name) delete place.vf.application;
    if (netdev?.inside === namespaceOf(consumer)) {
      delete netdev.inside;
      netdev.name = nameForVf(machine, place.pf, place.vfIndex);
      netdev.isUp = false;
    }
    touchVf(machine, place.pf, place.vfIndex);
    return;
  }
  const known = deviceOf(guest, plug);
  if (guest === null || known === null) return;
  guest.devices = guest.devices?.filter((device) => device !== known) ?? [];
  if (guest.stoppedWith === undefined) closeVf(machine, guest.name, address);
  else guest.stoppedWith = guest.stoppedWith.filter((vf) => vf !== address);
}

/** Its netdevs come out with the names and MACs that they had, down. */
export function endNamespace(machine: Machine, namespace: string): void {
  const { core, pfs } = machine.state;
  core.namespaces = (core.namespaces ?? []).filter((name) => name !== namespace);
  for (const pf of pfs) {
    for (const [vfIndex, vf] of pf.vfs.entries()) {
      const netdev = vf?.netdev;
      if (netdev?.inside !== namespace) continue;
      delete netdev.inside;
      netdev.isUp = false;
      touchVf(machine, pf, vfIndex);
    }
  }
}

/** As people name it: `netns:ci/eth1`. */
export const nameOf = (plug: Plug): string => formatAssignTarget(plug.consumer);
