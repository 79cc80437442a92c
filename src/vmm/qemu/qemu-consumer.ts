// VFs for VMs of plain QEMU, over the VM's QMP socket: a VF goes into a free hot-pluggable port,
// and comes out when the guest lets go of it. QEMU keeps no configuration, so all of this is live;
// for a start with VFs there is arguments.ts.

import { SriovError } from "../../model/errors.ts";
import type { Plug } from "../../model/plug.ts";
import {
  type ConsumerAdapter,
  notPlugged,
  type Plugged,
  type PlugProblem,
  type Unplugged,
} from "../consumer.ts";
import { availableBytes, pinWords } from "../pinned-memory.ts";
import {
  type GivenFunction,
  isMerged,
  readBalloonBytes,
  readGivenFunctions,
  readIommufd,
  readMemoryBytes,
  readPorts,
  readRunState,
  readThread,
} from "./machine.ts";
import { conflictOf, failoverProblem, findPort, isPort } from "./obstacles.ts";
import { problemsIn, problemsOfWish } from "./obstacles.ts";
import { isVmRunning } from "./find-socket.ts";
import { hasIommufd, readQemuProcess } from "./process.ts";
import type { QmpReply } from "./qmp.ts";
import { type QemuDeps, type Vm, answerMs, findGiven, refused, withVm } from "./vm.ts";

function pluggedOf(given: GivenFunction | null): Plugged {
  if (given === null) return notPlugged;
  const { id, path, bus, failover } = given;
  const notes = [
    ...(bus === null ? [] : [`in port ${bus}`]),
    ...(failover === null ? [] : [`failover pair with ${failover}`]),
  ];
  return { ...notPlugged, isLive: true, failover, device: id ?? path, notes };
}

/** What a VF means for a VM that has none yet. */
async function costsOf(vm: Vm, { root }: QemuDeps): Promise<readonly string[]> {
  const bytes = await readMemoryBytes(vm.ask);
  if (bytes === null || (await readGivenFunctions(vm.ask)).length > 0) return [];
  const thread = await readThread(vm.ask);
  const process = thread === null ? null : readQemuProcess(root, thread);
  const memory = {
    name: vm.name,
    bytes,
    balloonBytes: await readBalloonBytes(vm.ask),
    residentBytes: process?.residentBytes ?? null,
    isSharingOff: !(await isMerged(vm.ask)),
  };
  return pinWords(memory, availableBytes(root));
}

async function look(plug: Plug, vm: Vm, deps: QemuDeps): Promise<Plugged> {
  const given = await findGiven(plug, vm);
  const plugged = pluggedOf(given);
  return given === null ? { ...plugged, notes: await costsOf(vm, deps) } : plugged;
}

async function check(plug: Plug, deps: QemuDeps): Promise<readonly PlugProblem[]> {
  const wishes = problemsOfWish(plug);
  try {
    return [...wishes, ...(await withVm(plug, deps, (vm) => problemsIn(plug, vm, deps)))];
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    return [...wishes, { message: error.message, hint: error.hint }];
  }
}

async function plugInto(plug: Plug, vm: Vm, deps: QemuDeps, deadlineMs: number): Promise<Plugged> {
  const { device } = plug.consumer;
  const given = await findGiven(plug, vm);
  const conflict = await conflictOf(plug, vm, given);
  const port = given === null && conflict === null ? await findPort(vm) : null;
  const problem =
    conflict ??
    (port !== null && !isPort(port) ? port : null) ??
    (given === null ? await failoverProblem(plug, vm) : null);
  if (problem !== null) throw refused(plug, problem.message, problem.hint);
  if (port === null || !isPort(port)) return pluggedOf(given);
  const iommufd = hasIommufd(deps.root) ? await readIommufd(vm.ask) : null;
  const reply = await vm.connection.execute(
    "device_add",
    {
      driver: "vfio-pci",
      host: plug.vf,
      id: device,
      bus: port.bus,
      ...(plug.failover === null ? {} : { failover_pair_id: plug.failover }),
      ...(plug.vfToken === null ? {} : { "vf-token": plug.vfToken }),
      ...(iommufd === null ? {} : { iommufd }),
    },
    deadlineMs,
  );
  if (reply.status === "refused") {
    const message = `VM ${vm.name} does not take VF ${plug.vf} as ${device}: ${reply.words}`;
    throw refused(plug, message, null);
  }
  return pluggedOf((await findGiven(plug, vm)) ?? (await awaitNegotiated(plug, vm, deadlineMs)));
}

/** Only where this QEMU does not tell whether the guest has negotiated the pair. */
async function awaitNegotiated(plug: Plug, vm: Vm, deadlineMs: number): Promise<GivenFunction> {
  const { failover } = plug;
  if (failover !== null) {
    await vm.connection.awaitEvent(
      ({ name, data }) => name === "FAILOVER_NEGOTIATED" && data["device-id"] === failover,
      deadlineMs,
    );
    const given = await findGiven(plug, vm);
    if (given !== null) return given;
  }
  const message = `VM ${vm.name} took VF ${plug.vf} but does not have it`;
  const hint = "QEMU plugs it when the guest takes the failover NIC; until then it keeps the VF";
  throw refused(plug, message, failover === null ? null : hint);
}

/** `DEVICE_DELETED` of a device without ID has its path only. */
const isAbout = (
  data: Readonly<Record<string, unknown>>,
  { id, path }: { readonly id: string | null; readonly path: string },
): boolean => data["path"] === path || (id !== null && data["device"] === id);

const noHotplug = (id: string, vm: Vm, bus: string | null): PlugProblem => ({
  message: `${id} of VM ${vm.name} is in port ${bus}, which takes no hot-plug`,
  hint: "It comes out when the VM ends",
});

/** Why the VM would not let go of the VF; what the guest does is seen only then. */
async function keepersOf(plug: Plug, vm: Vm): Promise<readonly PlugProblem[]> {
  const given = await findGiven(plug, vm);
  if (given === null) return [];
  const problems: PlugProblem[] = [];
  const port = (await readPorts(vm.ask)).find(({ bus }) => bus === given.bus);
  if (port?.isHotpluggable !== true)
    problems.push(noHotplug(given.id ?? given.path, vm, given.bus));
  const state = await readRunState(vm.ask);
  if (state !== null && state !== "running") {
    const message = `VM ${vm.name} is ${state}, and a guest lets go only while it runs`;
    problems.push({ message, hint: "Continue the VM first" });
  }
  return problems;
}

async function unplugFrom(plug: Plug, vm: Vm, deadlineMs: number): Promise<Unplugged> {
  const given = await findGiven(plug, vm);
  if (given === null) return { status: "done" };
  // A device without ID is known to device_del by its path.
  const id = given.id ?? given.path;
  const port = (await readPorts(vm.ask)).find(({ bus }) => bus === given.bus);
  if (port?.isHotpluggable === false) {
    const { message, hint } = noHotplug(id, vm, port.bus);
    throw refused(plug, message, hint);
  }
  const reply = await vm.connection.execute("device_del", { id }, answerMs);
  const event = await vm.connection.awaitEvent(
    ({ name, data }) =>
      (name === "DEVICE_DELETED" || name === "DEVICE_UNPLUG_GUEST_ERROR") && isAbout(data, given),
    // Refused where it is on its way out already, and where it cannot be unplugged at all.
    reply.status === "refused" && (await findGiven(plug, vm)) === null ? 0 : deadlineMs,
  );
  if (event?.name === "DEVICE_UNPLUG_GUEST_ERROR") {
    throw new SriovError(
      "consumer-refused",
      `The guest of VM ${vm.name} refuses to let go of ${id}`,
      {
        operation: "unplug VF",
        target: plug.vf,
        hint: "See the guest's kernel log; what uses the VF there must end first",
      },
    );
  }
  if ((await findGiven(plug, vm)) === null) return { status: "done" };
  return { status: "pending", ...(await whyPending(vm, id, { deadlineMs, reply })) };
}

type Waited = {
  readonly deadlineMs: number;
  readonly reply: QmpReply;
};

async function whyPending(
  vm: Vm,
  id: string,
  { deadlineMs, reply }: Waited,
): Promise<{ readonly message: string; readonly hint: string }> {
  const seconds = Math.round(deadlineMs / 1000);
  const start = `The guest of VM ${vm.name} has not let go of ${id} within ${seconds} s`;
  const state = await readRunState(vm.ask);
  if (state !== null && state !== "running") {
    return {
      message: `${start}: the VM is ${state}`,
      hint: "A guest lets go only while it runs: continue the VM, then detach again",
    };
  }
  return {
    message: reply.status === "refused" ? `${start}: ${reply.words}` : start,
    hint: "Look whether the guest runs and has a PCI hot-plug driver; detach again, or end the VM",
  };
}

const isNotFound = (error: unknown): boolean =>
  error instanceof SriovError && error.code === "not-found";

export const qemuConsumer = (deps: QemuDeps): ConsumerAdapter => ({
  look: (plug) => withVm(plug, deps, (vm) => look(plug, vm, deps)),
  check: (plug) => check(plug, deps),
  checkUnplug: (plug) => withVm(plug, deps, (vm) => keepersOf(plug, vm)),
  plug: async (plug, deadlineMs) => {
    const [problem] = problemsOfWish(plug);
    if (problem !== undefined) throw refused(plug, problem.message, problem.hint);
    return await withVm(plug, deps, (vm) => plugInto(plug, vm, deps, deadlineMs));
  },
  // QEMU has no way to take a device from a guest that does not let go, so `isForced` is no other.
  unplug: async (plug, { deadlineMs }) => {
    try {
      return await withVm(plug, deps, (vm) => unplugFrom(plug, vm, deadlineMs));
    } catch (error) {
      // With a VM that has ended its VFs are out.
      if (!isNotFound(error) || isVmRunning(plug.consumer.name, `${deps.root}/proc`)) throw error;
      return { status: "done" };
    }
  },
});
