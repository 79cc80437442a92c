// Eswitch modes by devlink. A PF that devlink does not know, or whose driver has no eswitch,
// is in legacy mode and stays there: that is null here.

import { SriovError } from "../../model/errors.ts";
import type { EswitchMode } from "../../model/inventory.ts";
import type { Problem } from "../../model/problem.ts";
import {
  decodeDevlink,
  decodeFamilyId,
  eswitchChange,
  eswitchQuery,
  familyByName,
  type DevlinkHandle,
} from "../../netlink/devlink.ts";
import { refusalError } from "./errno.ts";
import { NetlinkSocket } from "./netlink-socket.ts";

type EswitchReading = {
  /** By devlink name, for a PF its address; only of those that have an eswitch. */
  readonly modes: ReadonlyMap<string, EswitchMode>;
  /** What was answered for them, after the message's header. */
  readonly replies: ReadonlyMap<string, Uint8Array>;
  readonly problems: readonly Problem[];
};

const nothing: EswitchReading = { modes: new Map(), replies: new Map(), problems: [] };

function withDevlink<Result>(
  otherwise: Result,
  run: (socket: NetlinkSocket, family: number) => Result,
): Result {
  const socket = NetlinkSocket.open("generic");
  if (socket === null) return otherwise;
  try {
    const { messages } = socket.exchange(familyByName("devlink"));
    const [family] = messages.flatMap((message) => decodeFamilyId(message) ?? []);
    // ENOENT: no driver that is loaded has asked for devlink.
    return family === undefined ? otherwise : run(socket, family);
  } finally {
    socket.close();
  }
}

/**
 * Modes of the functions named, on `bus` (`pci`). Needs root: without it, a problem each. Waits
 * while somebody changes the function: some drivers (nfp, netdevsim) disable VFs under its devlink
 * lock, and a dump takes the locks of all, so leave out those whose change is in flight.
 */
export function readEswitchModes(bus: string, names: readonly string[]): EswitchReading {
  if (names.length === 0) return nothing;
  return withDevlink(nothing, (socket, family) => {
    const modes = new Map<string, EswitchMode>();
    const replies = new Map<string, Uint8Array>();
    const problems: Problem[] = [];
    for (const name of names) {
      const { messages, errno } = socket.exchange(eswitchQuery(family, { bus, name }));
      for (const message of messages) {
        const mode = decodeDevlink(message, family)?.eswitchMode ?? null;
        if (mode === null || modes.has(name)) continue;
        modes.set(name, mode);
        replies.set(name, message.payload.slice());
      }
      if (errno === null || errno === "EOPNOTSUPP" || errno === "ENODEV") continue;
      const sentence = `Cannot read the eswitch mode of ${name}: the kernel answered ${errno}`;
      problems.push({ code: "eswitch-mode-unknown", where: name, message: sentence });
    }
    return { modes, replies, problems };
  });
}

/** Throws SriovError with the kernel's errno, ENODEV where devlink does not know the PF. */
export function setEswitchMode(handle: DevlinkHandle, mode: EswitchMode): void {
  const operation = `set eswitch mode ${mode}`;
  const isDone = withDevlink(false, (socket, family) => {
    const { errno, text } = socket.exchange(eswitchChange(family, handle, mode));
    if (errno !== null) throw refusalError({ operation, target: handle.name, errno, text });
    return true;
  });
  if (isDone) return;
  const message = `Cannot ${operation} of ${handle.name}: the kernel has no devlink, wanted a driver that uses it`;
  throw new SriovError("kernel-refused", message, { operation, target: handle.name });
}
