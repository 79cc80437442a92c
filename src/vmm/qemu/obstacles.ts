// What stands in the way of a VF in a VM of plain QEMU, all of it at once and before anything is
// changed: what the VM has already, ports, the failover NIC, the group and the process's limits.

import type { Plug } from "../../model/plug.ts";
import { oneEachHint, type PlugProblem } from "../consumer.ts";
import {
  type GivenFunction,
  type Port,
  hasDevice,
  isPlainPci,
  readGivenFunctions,
  readMemoryBytes,
  readPorts,
  readStandIn,
  readThread,
} from "./machine.ts";
import { groupProblem, lockProblem, nodeProblem, readQemuProcess } from "./process.ts";
import { type QemuDeps, type Vm, findGiven, vmText } from "./vm.ts";

/** What the VM already has under the VF's name or of the VF, other than what is asked for. */
export async function conflictOf(
  plug: Plug,
  vm: Vm,
  given: GivenFunction | null,
): Promise<PlugProblem | null> {
  const { device } = plug.consumer;
  if (given !== null) {
    if (given.id !== device) {
      const has = given.id ?? given.path;
      const message = `VM ${vm.name} has VF ${plug.vf} as ${has}, wanted ${device}`;
      return { message, hint: `Detach ${has} first, or use its name` };
    }
    if (given.failover === plug.failover) return null;
    const pair = (id: string | null): string => (id === null ? "none" : id);
    const message = `${device} of VM ${vm.name} has failover NIC ${pair(given.failover)}, wanted ${pair(plug.failover)}`;
    return { message, hint: `Detach ${device} first: QEMU pairs devices when they are plugged` };
  }
  if (device === null || !(await hasDevice(vm.ask, device))) return null;
  const message = `VM ${vm.name} has another device with ID ${device}`;
  return { message, hint: "Choose another device ID" };
}

export async function findPort(vm: Vm): Promise<Port | PlugProblem> {
  const ports = await readPorts(vm.ask);
  const free = ports.find(({ isHotpluggable, isFree }) => isHotpluggable && isFree);
  if (free !== undefined) return free;
  if (ports.length === 0 && (await isPlainPci(vm.ask))) {
    const message = `The machine of VM ${vm.name} has no PCI Express: there is no port for a VF`;
    return { message, hint: "Start it with -machine q35 (or virt) and root ports" };
  }
  const fixed = ports.filter(({ isHotpluggable }) => !isHotpluggable).length;
  const states = `of ${ports.length} ports ${ports.length - fixed} take hot-plug, all of them full`;
  return {
    message: `VM ${vm.name} has no free hot-pluggable port: ${ports.length === fixed ? `of ${ports.length} ports none takes hot-plug` : states}`,
    hint: "Detach something, or start the VM with more root ports: see sriovctl qemu-args",
  };
}

/** QEMU hw/net/virtio-net.c: a primary whose pair has not been negotiated is kept back, and taken
 * from the host whenever the guest negotiates it: neither seen nor to be unplugged until then. */
export async function failoverProblem(plug: Plug, vm: Vm): Promise<PlugProblem | null> {
  const { failover } = plug;
  if (failover === null) return null;
  const nic = await readStandIn(vm.ask, failover);
  if (nic === null) {
    const message = `VM ${vm.name} has no device ${failover} to stand in for the VF`;
    return { message, hint: "Name the ID of a virtio-net-pci device that has failover=on" };
  }
  if (!nic.isStandby) {
    const message = `${failover} of VM ${vm.name} cannot stand in: it was started without failover=on`;
    return { message, hint: "Start or plug the virtio-net-pci device with failover=on" };
  }
  if (plug.mac !== null && nic.mac !== null && nic.mac !== plug.mac) {
    const message = `${failover} of VM ${vm.name} has MAC ${nic.mac}, the VF ${plug.mac}: a pair has one`;
    return { message, hint: `Attach with --mac ${nic.mac}` };
  }
  const paired = (await readGivenFunctions(vm.ask)).find((given) => given.failover === failover);
  if (paired !== undefined) {
    const message = `${failover} of VM ${vm.name} stands in for ${paired.id ?? paired.path} already`;
    return { message, hint: oneEachHint };
  }
  if (nic.isNegotiated !== false) return null;
  return {
    message: `The guest of VM ${vm.name} has not taken ${failover} as a stand-in`,
    hint: "Its virtio_net driver must run and know failover (Linux 4.18, net_failover); then attach",
  };
}

/** Of the process that would open the VF. Its limits say nothing of a VM that this host does not run. */
async function processProblems(
  plug: Plug,
  vm: Vm,
  { root }: QemuDeps,
): Promise<(PlugProblem | null)[]> {
  const thread = await readThread(vm.ask);
  const process = thread === null ? null : readQemuProcess(root, thread);
  if (process === null) return [];
  const memoryBytes = await readMemoryBytes(vm.ask);
  return [
    memoryBytes === null ? null : lockProblem(process, memoryBytes),
    plug.user === null ? nodeProblem(root, plug.vf, process) : null,
  ];
}

export const isPort = (found: Port | PlugProblem): found is Port => "bus" in found;
const isProblem = (problem: PlugProblem | null): problem is PlugProblem => problem !== null;

export async function problemsIn(plug: Plug, vm: Vm, deps: QemuDeps): Promise<PlugProblem[]> {
  const given = await findGiven(plug, vm);
  const conflict = await conflictOf(plug, vm, given);
  if (conflict !== null) return [conflict];
  if (given !== null) return [];
  const port = await findPort(vm);
  return [
    isPort(port) ? null : port,
    await failoverProblem(plug, vm),
    groupProblem(deps.root, plug.vf),
    ...(await processProblems(plug, vm, deps)),
  ].filter(isProblem);
}

/** What can be said without asking the VM. */
export function problemsOfWish({ scope, consumer }: Plug): PlugProblem[] {
  if (scope !== "persistent") return [];
  return [
    {
      message: `QEMU keeps no configuration of ${vmText(consumer)}: a VF can be plugged live only`,
      hint: "For the next start add what sriovctl qemu-args prints to its command line",
    },
  ];
}
