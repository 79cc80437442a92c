// libvirt domains as consumers of VFs, through virsh at any connection URI. A VF goes in with a small XML of
// its own, alive and in the definition by one command, and comes out by its alias; nothing else of a domain's
// XML is ever written. docs/attach.md has the user's side.

import type { Host } from "../../host/host.ts";
import { formatAssignTarget } from "../../model/assign-target.ts";
import { SriovError } from "../../model/errors.ts";
import type { Plug } from "../../model/plug.ts";
import type { ConsumerAdapter, Plugged, PlugProblem, Unplugged } from "../consumer.ts";
import { availableBytes } from "../pinned-memory.ts";
import type { RunProgram } from "../program.ts";
import { parseDomainView, type DomainVf, type DomainView } from "./domain.ts";
import { deviceXml, userAlias } from "./device-xml.ts";
import {
  costsOf,
  differenceOf,
  type DomainSides,
  isWanted,
  keepersOf,
  type MemoryNow,
  obstaclesOf,
  vfIn,
} from "./obstacles.ts";
import { detachLive, isGone, stateOf } from "./detach-live.ts";
import { vfFactsOf } from "./vf-facts.ts";
import {
  holderIn,
  meaningOf,
  queryDeadlineMs,
  type Virsh,
  virshAt,
  virshError,
  virshWords,
} from "./virsh.ts";
import { withFile } from "./virsh-file.ts";

type LibvirtDeps = {
  readonly run: RunProgram;
  /** null: what only the host knows is not checked. */
  readonly host: Host | null;
};

const domainOf = ({ consumer }: Plug): string => `libvirt:${consumer.name}`;

async function asked(virsh: Virsh, words: readonly string[], plug: Plug): Promise<string> {
  const output = await virsh(words, queryDeadlineMs);
  const refusal = virshWords(output);
  if (refusal !== null) throw virshError(refusal, "read domain", domainOf(plug));
  return output.stdout.toString("utf8");
}

function viewOf(xml: string, plug: Plug): DomainView {
  const view = parseDomainView(xml);
  const target = domainOf(plug);
  const operation = "read domain";
  if (typeof view === "string") {
    const message = `Cannot read domain ${target}: ${view}`;
    throw new SriovError("consumer-refused", message, { operation, target });
  }
  const { name } = plug.consumer;
  if (view.name === name || view.uuid === name) return view;
  // virsh takes a number for the ID of a domain that runs before it looks for a name.
  const message = `Cannot read domain ${target}: there is none of this name, and ${name} is the ID of ${view.name}`;
  const hint = "Name it by its name or UUID";
  throw new SriovError("not-found", message, { operation, target, hint });
}

const readView = async (virsh: Virsh, plug: Plug, words: readonly string[]): Promise<DomainView> =>
  viewOf(await asked(virsh, ["dumpxml", ...words], plug), plug);

/** The domain on both sides. Throws `not-found` where libvirt has no such domain. */
async function sidesOf(virsh: Virsh, plug: Plug): Promise<DomainSides> {
  const now = await readView(virsh, plug, [plug.consumer.name]);
  const { name, uuid } = now;
  if (!now.isActive) return { name, uuid, live: null, persistent: now };
  const [kept, persistent] = await Promise.all([
    asked(virsh, ["dominfo", uuid], plug),
    readView(virsh, plug, ["--inactive", uuid]),
  ]);
  const isTransient = /^Persistent:\s*no\s*$/m.test(kept);
  return { name, uuid, live: now, persistent: isTransient ? null : persistent };
}

async function sidesOrGone(virsh: Virsh, plug: Plug): Promise<DomainSides | null> {
  try {
    return await sidesOf(virsh, plug);
  } catch (error) {
    if (error instanceof SriovError && error.code === "not-found") return null;
    throw error;
  }
}

/** Whether the domain that runs has the VF; a guest may have shut down while it was waited for. */
const hasLive = async (virsh: Virsh, plug: Plug): Promise<boolean> =>
  vfIn((await sidesOrGone(virsh, plug))?.live ?? null, plug) !== null;

const unknownMemory: MemoryNow = { resident: null, available: null };

/** Of the domain and this host, where that is where it runs. */
async function memoryOf(virsh: Virsh, { live, uuid }: DomainSides): Promise<MemoryNow> {
  // Another host's domain has `qemu+ssh://host/system`, and its memory is not ours.
  const isHere = /^qemu:\/\/\/|^qemu\+unix:\/\/\//.test(virsh.uri);
  if (!isHere || live === null || live.vfs.length > 0) return unknownMemory;
  const { stdout, end } = await virsh(["dommemstat", uuid], queryDeadlineMs);
  const isTold = end.status === "exited" && end.exitCode === 0;
  const kib = isTold ? /^rss (\d{1,15})$/m.exec(stdout.toString("utf8"))?.[1] : undefined;
  return { resident: kib === undefined ? null : Number(kib) * 1024, available: availableBytes("") };
}

/** As the plug has it, where that is the same NIC: libvirt's alias has `ua-` before what was asked for. */
const standInOf = ({ standby }: DomainVf, { failover }: Plug): string | null =>
  failover !== null && standby === userAlias(failover) ? failover : standby;

function pluggedOf(
  { live, persistent }: DomainSides,
  plug: Plug,
  memory: MemoryNow = unknownMemory,
): Plugged {
  const now = vfIn(live, plug);
  const kept = vfIn(persistent, plug);
  const vf = now ?? kept;
  const notes: string[] = [];
  const view = live ?? persistent;
  if (now !== null && now.guestBus !== null) notes.push(`on bus ${now.guestBus} of the guest`);
  if (vf !== null && vf.standby !== null) notes.push(`failover pair with ${vf.standby}`);
  if (live === null && kept !== null)
    notes.push("the domain does not run: it has the VF from its next start");
  if (view !== null && view.vfs.length <= (vf === null ? 0 : 1))
    notes.push(...costsOf(view, memory));
  const vlan = vf?.vlanId ?? 0;
  return {
    isLive: live === null ? null : now !== null,
    isPersistent: persistent === null ? null : kept !== null,
    mac: vf?.mac ?? null,
    vlan:
      vf === null || vf.form === "hostdev"
        ? null
        : vlan === 0
          ? "none"
          : { id: vlan, qos: 0, protocol: "802.1q" },
    ...(vf === null ? {} : { failover: standInOf(vf, plug), form: vf.form }),
    device: vf?.alias ?? null,
    notes,
  };
}

type Side = "live" | "persistent";

const flagOf = { live: "--live", persistent: "--config" } as const;

/** Sides that the plug is about, and that there are. */
const sidesFor = (sides: DomainSides, plug: Plug): Side[] =>
  (["live", "persistent"] as const).filter((side) => isWanted(plug, side) && sides[side] !== null);

async function attach(virsh: Virsh, sides: DomainSides, plug: Plug, deadlineMs: number) {
  const missing = sidesFor(sides, plug).filter((side) => vfIn(sides[side], plug) === null);
  if (missing.length === 0) return;
  const flags = missing.map((side) => flagOf[side]);
  const xml = deviceXml(plug, plug.consumer.device ?? `vf${plug.vfIndex}`);
  const words = await withFile(xml, async (file) =>
    virshWords(await virsh(["attach-device", sides.uuid, file, ...flags], deadlineMs)),
  );
  if (words === null) return;
  const stale = await staleHolder(virsh, words, plug);
  if (stale !== null) throw stale;
  throw virshError(words, "attach VF", `${plug.vf} to ${formatAssignTarget(plug.consumer)}`);
}

/** Whether a domain is gone, or runs without the VF. */
async function isWithout(virsh: Virsh, domain: string, { vf }: Plug): Promise<boolean> {
  const output = await virsh(["dumpxml", domain], queryDeadlineMs);
  const words = virshWords(output);
  if (words !== null) return meaningOf(words).code === "not-found";
  const view = parseDomainView(output.stdout.toString("utf8"));
  return typeof view !== "string" && !view.vfs.some(({ address }) => address === vf);
}

/** libvirt can go on counting a VF as that of a domain which has lost it. The kernel takes a VF's `vendor`
 * away before its `config`, and a VF that libvirt 9.0 looks at in between, to take it off its list of
 * devices in use, stays there (src/hypervisor/virhostdev.c virHostdevReAttachPCIDevices()). */
async function staleHolder(virsh: Virsh, words: string, plug: Plug): Promise<SriovError | null> {
  const holder = holderIn(words);
  if (holder === null || !(await isWithout(virsh, holder, plug))) return null;
  const target = formatAssignTarget(plug.consumer);
  const message = `Cannot attach VF ${plug.vf} to ${target}: libvirt still counts it as domain ${holder}'s, which has it no more`;
  const hint = "Restart libvirtd or virtqemud: it looks anew then, and guests run on";
  return new SriovError("consumer-refused", message, { operation: "attach VF", target, hint });
}

/** A device of the domain that is not as asked is somebody's choice: it is not replaced. */
function refuseDifference(sides: DomainSides, plug: Plug): void {
  for (const side of sidesFor(sides, plug)) {
    const there = vfIn(sides[side], plug);
    const difference = there === null ? null : differenceOf(there, plug);
    if (difference === null) continue;
    const target = formatAssignTarget(plug.consumer);
    const message = `Cannot attach VF ${plug.vf} to ${target}: ${difference}`;
    const hint = "Detach it first";
    throw new SriovError("consumer-refused", message, { operation: "attach VF", target, hint });
  }
}

/** Takes it out of the definition; what is not there is fine. */
async function detachPersistent(virsh: Virsh, sides: DomainSides, plug: Plug): Promise<void> {
  const vf = vfIn(sides.persistent, plug);
  if (vf === null) return;
  const detach = async (verb: string, device: string): Promise<string | null> =>
    virshWords(await virsh([verb, sides.uuid, device, "--config"], queryDeadlineMs));
  const { form, mac, alias } = vf;
  const words =
    alias === null
      ? // Attached by somebody else, who gave it none.
        await withFile(deviceXml({ ...plug, form, mac, failover: null }, null), (file) =>
          detach("detach-device", file),
        )
      : await detach("detach-device-alias", alias);
  if (words === null || isGone(words)) return;
  throw virshError(words, "detach VF", `${plug.vf} from ${formatAssignTarget(plug.consumer)}`);
}

export function libvirtConsumer({ run, host }: LibvirtDeps): ConsumerAdapter {
  const look = async (plug: Plug): Promise<Plugged> => {
    const virsh = virshAt(run, plug.endpoint);
    const sides = await sidesOf(virsh, plug);
    return pluggedOf(sides, plug, await memoryOf(virsh, sides));
  };

  const check = async (plug: Plug): Promise<readonly PlugProblem[]> => {
    const sides = await sidesOf(virshAt(run, plug.endpoint), plug);
    return obstaclesOf(sides, plug, await vfFactsOf(host, plug));
  };

  const plugIn = async (plug: Plug, deadlineMs: number): Promise<Plugged> => {
    const virsh = virshAt(run, plug.endpoint);
    const sides = await sidesOf(virsh, plug);
    refuseDifference(sides, plug);
    await attach(virsh, sides, plug, deadlineMs);
    return pluggedOf(await sidesOf(virsh, plug), plug);
  };

  const unplug: ConsumerAdapter["unplug"] = async (plug, { deadlineMs }): Promise<Unplugged> => {
    const virsh = virshAt(run, plug.endpoint);
    const sides = await sidesOrGone(virsh, plug);
    // With a domain that is gone its VFs are out.
    if (sides === null) return { status: "done" };
    // First: a guest that never lets go is without the VF after its next start.
    if (isWanted(plug, "persistent")) await detachPersistent(virsh, sides, plug);
    if (!isWanted(plug, "live") || vfIn(sides.live, plug) === null) return { status: "done" };
    return await detachLive(
      { virsh, plug, sides, hasLive: () => hasLive(virsh, plug) },
      deadlineMs,
    );
  };

  const checkUnplug = async (plug: Plug): Promise<readonly PlugProblem[]> => {
    const virsh = virshAt(run, plug.endpoint);
    const sides = await sidesOf(virsh, plug);
    return keepersOf(sides, plug, await stateOf(virsh, sides));
  };

  return { look, check, checkUnplug, plug: plugIn, unplug };
}
