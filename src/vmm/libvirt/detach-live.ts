// Taking a VF from a guest that runs: libvirt asks it, and the guest lets go when it wants to, or never.
// We listen for libvirt's events while we ask, and believe only the domain's XML: an event can be missed,
// and one of another device can come.

import { formatAssignTarget } from "../../model/assign-target.ts";
import type { Plug } from "../../model/plug.ts";
import type { Unplugged } from "../consumer.ts";
import type { ProgramOutput } from "../program.ts";
import { vfIn, type DomainSides } from "./obstacles.ts";
import { queryDeadlineMs, type Virsh, virshError, virshWords } from "./virsh.ts";

type Detaching = {
  readonly virsh: Virsh;
  readonly plug: Plug;
  readonly sides: DomainSides;
  /** Whether the domain that runs has the VF. */
  readonly hasLive: () => Promise<boolean>;
};

/** An event that comes before virsh listens is missed, which is soon: look again, soon at first. */
const lookAgainMs = (round: number): number => Math.min(1000 * 2 ** round, 8000);

/** QEMU refuses a second request while the first is open (hw/core/qdev-hotplug.c); libvirt passes it on. */
const isAskedAlready = (words: string): boolean =>
  /already in the process of unplug|device_del.*already/i.test(words);
/** Somebody was faster, or the guest let go just now. */
export const isGone = (words: string): boolean =>
  /no device found with alias|device not found|no matching device/i.test(words);

/** Ends with the first event of the domain, of whatever device. */
const nextEvent = (
  { virsh, sides }: Detaching,
  durationMs: number,
  signal: AbortSignal,
): Promise<ProgramOutput> => {
  const seconds = String(Math.max(1, Math.ceil(durationMs / 1000)));
  const words = ["event", "--domain", sides.uuid, "--all", "--timeout", seconds];
  return virsh(words, durationMs + queryDeadlineMs, signal);
};

async function request({ virsh, plug, sides }: Detaching, alias: string): Promise<void> {
  const words = virshWords(
    await virsh(["detach-device-alias", sides.uuid, alias, "--live"], queryDeadlineMs),
  );
  if (words === null || isAskedAlready(words) || isGone(words)) return;
  throw virshError(words, "detach VF", `${plug.vf} from ${formatAssignTarget(plug.consumer)}`);
}

/** `paused (user)`, `running (booted)`; empty where it cannot be told. */
export async function stateOf(virsh: Virsh, sides: DomainSides): Promise<string> {
  const { stdout, end } = await virsh(["domstate", "--reason", sides.uuid], queryDeadlineMs);
  const isTold = end.status === "exited" && end.exitCode === 0;
  return isTold ? (stdout.toString("utf8").trim().split("\n")[0] ?? "") : "";
}

async function pending(
  detaching: Detaching,
  alias: string,
  { deadlineMs, isRefused }: { readonly deadlineMs: number; readonly isRefused: boolean },
): Promise<Unplugged> {
  const { plug, sides } = detaching;
  const state = await stateOf(detaching.virsh, detaching.sides);
  const why = isRefused
    ? "its guest refused"
    : state.startsWith("paused")
      ? `it is ${state}, and asked for ${alias}`
      : `its guest was asked for ${alias} and has not let go in ${deadlineMs / 1000} s`;
  const target = formatAssignTarget(plug.consumer);
  const wake = state.startsWith("paused") ? `Resume it (virsh resume ${sides.name}) and ` : "";
  const hint = `${wake === "" ? "D" : `${wake}d`}etach again to wait on, once the guest runs and handles PCI hot-plug; or shut it down, which frees the VF`;
  return {
    status: "pending",
    message: `Cannot detach ${plug.vf} from ${target} yet: ${why}`,
    hint,
  };
}

/** Waits until the domain has it no longer, or the deadline has passed. */
export async function detachLive(detaching: Detaching, deadlineMs: number): Promise<Unplugged> {
  const { plug, sides, hasLive } = detaching;
  const alias = vfIn(sides.live, plug)?.alias ?? "";
  const startedAt = performance.now();
  const listening = new AbortController();
  let rounds = 0;
  const listen = (): Promise<ProgramOutput> => {
    const restMs = Math.max(0, deadlineMs - (performance.now() - startedAt));
    return nextEvent(detaching, Math.min(lookAgainMs(rounds++), restMs), listening.signal);
  };
  try {
    let event = listen();
    await request(detaching, alias);
    for (;;) {
      if (!(await hasLive())) return { status: "done" };
      const said = (await event).stdout.toString("utf8");
      const isRefused = said.includes("'device-removal-failed'") && said.includes(alias);
      const isLate = performance.now() - startedAt >= deadlineMs;
      if (!isRefused && !isLate) event = listen();
      else if (!(await hasLive())) return { status: "done" };
      else return await pending(detaching, alias, { deadlineMs, isRefused });
    }
  } finally {
    listening.abort();
  }
}
