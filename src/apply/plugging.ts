// Putting a VF into its consumer and taking it out, as changes like any other: asked who would be hit,
// done by the consumer's adapter, and believed only when the consumer says so itself.

import { formatAssignTarget } from "../model/assign-target.ts";
import { vfTarget } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import type { PlugChange, WholeChange } from "../model/action.ts";
import { vfAt } from "../model/inventory.ts";
import { isWhole, type Plug } from "../model/plug.ts";
import type { ConsumerAdapter, Consumers, Plugged, Unplugged } from "../vmm/consumer.ts";
import type { PfView } from "./pf-view.ts";
import { done, type Bench, type Executed } from "./request.ts";

const plugDeadlineMs = 60_000;
/** A guest that listens lets go within a second or two; a booting one takes its time. */
const unplugDeadlineMs = 30_000;

/** Throws `not-found` where there is no adapter for such consumers. */
export async function adapterFor(plug: Plug, consumers: Consumers): Promise<ConsumerAdapter> {
  const { kind } = plug.consumer;
  const adapter = await consumers(kind);
  if (adapter !== null) return adapter;
  const target = formatAssignTarget(plug.consumer);
  const message = `Cannot reach ${target}: attaching to ${kind} is not built in`;
  const hint = "Attach the VF to it by hand";
  throw new SriovError("not-found", message, { operation: "attach VF", target, hint });
}

export const isPlugged = ({ isLive, isPersistent }: Plugged): boolean =>
  isLive === true || isPersistent === true;

/** Whether the consumer has the VF; `gone` is a consumer that is not there any more. */
export async function answerOf(
  plug: Plug,
  consumers: Consumers,
): Promise<"has" | "has-not" | "gone" | "unknown"> {
  let isKnown = false;
  try {
    const adapter = await adapterFor(plug, consumers);
    isKnown = true;
    return isPlugged(await adapter.look(plug)) ? "has" : "has-not";
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    return isKnown && error.code === "not-found" ? "gone" : "unknown";
  }
}

/** A consumer that cannot be asked may well have it; one that is not there any more has nothing. */
export async function mayHave(plug: Plug, consumers: Consumers): Promise<boolean> {
  const answer = await answerOf(plug, consumers);
  return answer === "has" || answer === "unknown";
}

/** What of the plug is not as asked, in words; null: nothing. What cannot be told is taken as so. */
export function faultOf({ scope, mac, vlan, failover }: Plug, plugged: Plugged): string | null {
  const { isLive, isPersistent } = plugged;
  const pair = plugged.failover === undefined ? failover : plugged.failover;
  if (!isPlugged(plugged)) return "it is not there";
  if (scope !== "persistent" && isLive === false) return "what runs does not have it";
  if (scope === "live" && isLive !== true) return "what runs does not have it";
  if (scope !== "live" && isPersistent === false) return "its configuration does not have it";
  if (mac !== null && plugged.mac !== null && plugged.mac !== mac) {
    return `its MAC there is ${plugged.mac}, wanted ${mac}`;
  }
  if (pair !== failover) {
    return `its failover NIC there is ${pair ?? "none"}, wanted ${failover ?? "none"}`;
  }
  if (plugged.vlan === null) return null;
  const has = plugged.vlan === "none" ? 0 : plugged.vlan.id;
  const wanted = vlan?.id ?? 0;
  return has === wanted ? null : `its VLAN there is ${has}, wanted ${wanted}`;
}

/** With the address that its VF has now: one that the plan made had none before. */
async function asItIs({ plug, vfIndex }: PlugChange, view: PfView): Promise<Plug> {
  const vf = vfAt(await view.read(), vfIndex);
  return vf === null || plug.vf === vf.address ? plug : { ...plug, vf: vf.address };
}

export const attachVf = async (change: PlugChange, view: PfView, bench: Bench): Promise<Executed> =>
  await plugIn(await asItIs(change, view), view, bench);

export const attachPf = async (
  change: WholeChange,
  view: PfView,
  bench: Bench,
): Promise<Executed> => await plugIn(change.plug, view, bench);

export const detachPf = async (
  change: WholeChange,
  view: PfView,
  bench: Bench,
): Promise<Executed> => await plugOut(change.plug, view, bench);

const deviceName = (plug: Plug): string =>
  isWhole(plug) ? plug.pf : vfTarget(plug.pf, plug.vfIndex);

async function plugIn(plug: Plug, view: PfView, bench: Bench): Promise<Executed> {
  const adapter = await adapterFor(plug, bench.consumers);
  await bench.permit();
  const fault = faultOf(plug, await adapter.plug(plug, plugDeadlineMs));
  view.forget();
  if (fault === null) return done;
  const target = formatAssignTarget(plug.consumer);
  const message = `Cannot attach ${deviceName(plug)} to ${target}: ${fault}`;
  throw new SriovError("consumer-refused", message, { operation: "attach VF", target });
}

/** A consumer that is not there any more has let go. */
async function unplugFrom(adapter: ConsumerAdapter, plug: Plug): Promise<Unplugged> {
  try {
    return await adapter.unplug(plug, { deadlineMs: unplugDeadlineMs, isForced: false });
  } catch (error) {
    if (error instanceof SriovError && error.code === "not-found") return { status: "done" };
    throw error;
  }
}

export const detachVf = async (change: PlugChange, view: PfView, bench: Bench): Promise<Executed> =>
  await plugOut(await asItIs(change, view), view, bench);

async function plugOut(plug: Plug, view: PfView, bench: Bench): Promise<Executed> {
  const adapter = await adapterFor(plug, bench.consumers);
  await bench.permit();
  const unplugged = await unplugFrom(adapter, plug);
  view.forget();
  if (unplugged.status === "done") return done;
  const { message, hint } = unplugged;
  const target = formatAssignTarget(plug.consumer);
  const detail = { operation: "detach VF", target, ...(hint === null ? {} : { hint }) };
  throw new SriovError("unplug-pending", message, detail);
}
