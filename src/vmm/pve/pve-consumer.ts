// A VF for a VM of Proxmox VE: a `hostpciN` of its configuration, which its next start takes. What is so
// is read from its files; what changes, qm changes, so that locks, permissions and the cluster's copy
// are its business. A VM that runs gets PCI devices, and loses them, at its next start only.

import { formatAssignTarget } from "../../model/assign-target.ts";
import { SriovError } from "../../model/errors.ts";
import type { Plug } from "../../model/plug.ts";
import {
  type ConsumerAdapter,
  notPlugged,
  type Plugged,
  type PlugProblem,
  type Unplugged,
} from "../consumer.ts";
import { said, type RunProgram } from "../program.ts";
import { otherUserOf, readVm, runsWith, type PveFiles, type VmConfig } from "./vm-config.ts";

type PveDeps = { readonly run: RunProgram } & Partial<PveFiles>;

/** qm waits for the lock of the configuration for ten seconds by itself. */
const limits = { deadlineMs: 30_000, bytesMax: 1 << 20 };

const absent: Plugged = { ...notPlugged, isPersistent: false };

const deviceOf = ({ consumer }: Plug): string => consumer.device ?? "";

/** A mapping of several is PVE's to choose from, so no VF is known to be there. */
const isIt = (addresses: readonly string[] | undefined, { vf }: Plug): boolean =>
  addresses?.length === 1 && addresses[0] === vf;

const noVm = ({ consumer: { name } }: Plug): PlugProblem => ({
  message: `Cannot find VM ${name}: this node has none of that number`,
  hint: "List them with qm list",
});

function lookAt(files: PveFiles, plug: Plug): Plugged {
  const { name } = plug.consumer;
  const vm = readVm(files, name);
  if (vm === null) return { ...absent, notes: [noVm(plug).message] };
  const isPersistent = isIt(vm.next.get(deviceOf(plug)), plug);
  const isRunningWith = vm.isRunning && runsWith(files, plug.vf, name);
  // A VM that runs cannot be given it: then nobody can ask for it either.
  const isLive = isRunningWith ? true : null;
  const waits =
    !vm.isRunning || isRunningWith === isPersistent
      ? []
      : [isPersistent ? "from the VM's next start" : "until the VM stops"];
  const device = isPersistent || isLive === true ? deviceOf(plug) : null;
  return { ...absent, isLive, isPersistent, device, notes: waits };
}

function wishProblems(plug: Plug): PlugProblem[] {
  const refuse = (message: string, hint: string): PlugProblem => {
    return { message: `Cannot attach to ${formatAssignTarget(plug.consumer)}: ${message}`, hint };
  };
  const rows: readonly (readonly [isOff: boolean, message: string, hint: string])[] = [
    [
      plug.scope === "live",
      "Proxmox VE gives PCI devices to a VM at its start only",
      "Attach it without --live, and restart the VM",
    ],
    [plug.failover !== null, "Proxmox VE has no failover pairs", "Leave the failover NIC out"],
    [plug.vfToken !== null, "Proxmox VE passes no VF token", "Bind the PF to its kernel driver"],
    [plug.ipAddresses.length > 0, "the guest gives itself addresses", "Leave them out"],
    [plug.user !== null, "QEMU runs as root there", "Leave the user out"],
  ];
  return rows.flatMap(([isOff, message, hint]) => (isOff ? [refuse(message, hint)] : []));
}

function vmProblems(files: PveFiles, plug: Plug, vm: VmConfig): PlugProblem[] {
  const { name } = plug.consumer;
  const device = deviceOf(plug);
  const cannot = `Cannot attach ${plug.vf} to VM ${name}`;
  const problems: PlugProblem[] = [];
  if (vm.lock !== null) {
    const message = `${cannot}: its configuration is locked (${vm.lock})`;
    problems.push({ message, hint: "Wait for what works on it" });
  }
  const there = vm.next.get(device);
  if (there !== undefined && !isIt(there, plug)) {
    const what = there.length === 0 ? "something else" : there.join(" or ");
    problems.push({
      message: `${cannot}: its ${device} is ${what}`,
      hint: "Choose another hostpciN",
    });
  }
  const twice = [...vm.next].find(([other, its]) => other !== device && its.includes(plug.vf));
  const user = twice === undefined ? otherUserOf(files, plug.vf, name) : `it has it as ${twice[0]}`;
  if (user !== null) {
    problems.push({ message: `${cannot}: ${user}`, hint: "Take it from there first" });
  }
  return problems;
}

export function pveConsumer({ run, ...given }: PveDeps): ConsumerAdapter {
  const isAlive = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch (error) {
      return error instanceof Error && "code" in error && error.code === "EPERM";
    }
  };
  const nowS = (): number => Date.now() / 1000;
  const files: PveFiles = { root: "/", isAlive, nowS, ...given };
  const set = async (plug: Plug, verb: string, ...words: readonly string[]): Promise<void> => {
    const output = await run(["qm", "set", plug.consumer.name, ...words], limits);
    said(output, "qm", { operation: verb, target: `${plug.vf} of VM ${plug.consumer.name}` });
  };
  return {
    look: async (plug) => lookAt(files, plug),
    check: async (plug) => {
      const vm = readVm(files, plug.consumer.name);
      const problems = wishProblems(plug);
      return [...problems, ...(vm === null ? [noVm(plug)] : vmProblems(files, plug, vm))];
    },
    checkUnplug: async (plug) => {
      const { name } = plug.consumer;
      if (readVm(files, name)?.isRunning !== true) return [];
      const message = `VM ${name} runs, and Proxmox VE takes a device out with the VM's end`;
      return [{ message, hint: `Stop it: qm shutdown ${name}` }];
    },
    plug: async (plug) => {
      const vm = readVm(files, plug.consumer.name);
      if (vm === null) {
        const { message, hint } = noVm(plug);
        const target = formatAssignTarget(plug.consumer);
        throw new SriovError("not-found", message, {
          operation: "attach",
          target,
          hint: hint ?? "",
        });
      }
      const device = deviceOf(plug);
      if (!isIt(vm.next.get(device), plug)) {
        // Without a PCIe root port of its own a device on q35 sits on a conventional bus.
        const value = vm.isQ35 ? `${plug.vf},pcie=1` : plug.vf;
        // What waits to be deleted is taken back instead of being given twice.
        const isBack = isIt(vm.now.get(device), plug) && !vm.next.has(device);
        const words = isBack ? ["--revert", device] : [`--${device}`, value];
        await set(plug, "set", ...words);
      }
      return lookAt(files, plug);
    },
    unplug: async (plug): Promise<Unplugged> => {
      const { name } = plug.consumer;
      const device = deviceOf(plug);
      const vm = readVm(files, name);
      if (vm === null) return { status: "done" };
      if (isIt(vm.next.get(device), plug)) {
        const isPending = !isIt(vm.now.get(device), plug);
        await set(plug, "delete", isPending ? "--revert" : "--delete", device);
      }
      if (!vm.isRunning || !runsWith(files, plug.vf, name)) return { status: "done" };
      const message = `VM ${name} has ${plug.vf} until it stops; its next start is without it`;
      return { status: "pending", message, hint: `Stop it: qm shutdown ${name}` };
    },
  };
}
