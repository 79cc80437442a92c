// A VM of plain QEMU as it is talked to: found by its socket or its name, asked over one connection,
// and never taken for another, as a socket's path says nothing of who listens there.

import type { AssignTarget } from "../../model/assign-target.ts";
import { SriovError } from "../../model/errors.ts";
import type { Plug } from "../../model/plug.ts";
import { findQmpSockets } from "./find-socket.ts";
import { type AskQemu, type GivenFunction, readGivenFunctions, readName } from "./machine.ts";
import { QmpConnection } from "./qmp.ts";

export type QemuDeps = {
  /** Where /proc, /sys and /dev are: "" on a running system. */
  readonly root: string;
};

/** QEMU answers a question at once, or its main loop is stuck. */
export const answerMs = 15_000;

export type Vm = {
  readonly name: string;
  readonly connection: QmpConnection;
  readonly ask: AskQemu;
};

export const vmText = ({ name }: AssignTarget): string => `VM ${name}`;

export function refused(plug: Plug, message: string, hint: string | null): SriovError {
  return new SriovError("consumer-refused", message, {
    operation: "use VM",
    target: plug.vf,
    ...(hint === null ? {} : { hint }),
  });
}

function socketOf({ endpoint, consumer }: Plug, { root }: QemuDeps): string {
  if (endpoint !== null) return endpoint;
  const sockets = findQmpSockets(consumer.name, `${root}/proc`);
  const [socket] = sockets;
  if (socket !== undefined) return socket;
  const message = `Cannot find ${vmText(consumer)}: no QEMU that runs has this name and a QMP socket`;
  throw new SriovError("not-found", message, {
    operation: "find VM",
    target: consumer.name,
    hint: "Name the VM's QMP socket, or start it with -name and -qmp unix:PATH,server=on,wait=off",
  });
}

/** Opens the VM's socket for the length of one piece of work. */
export async function withVm<T>(
  plug: Plug,
  deps: QemuDeps,
  work: (vm: Vm) => Promise<T>,
): Promise<T> {
  const { name } = plug.consumer;
  const path = socketOf(plug, deps);
  const connection = await QmpConnection.open(path, answerMs);
  try {
    const ask: AskQemu = async (command, values) => {
      const reply = await connection.execute(command, values, answerMs);
      return reply.status === "returned" ? reply.value : null;
    };
    const found = await readName(ask);
    if (found !== null && found !== name) {
      const message = `Cannot use ${path} for VM ${name}: it is the socket of VM ${found}`;
      throw refused(plug, message, `Name VM ${found}, or the socket of VM ${name}`);
    }
    return await work({ name, connection, ask });
  } finally {
    connection.close();
  }
}

/** How the VM has the VF, whatever its ID there. */
export const findGiven = async (plug: Plug, { ask }: Vm): Promise<GivenFunction | null> =>
  (await readGivenFunctions(ask)).find(({ host }) => host === plug.vf) ?? null;
