// What is attached where, for people and for programs.

import type { Attached } from "../apply/attach.ts";
import type { Report } from "../apply/report.ts";
import { formatAssignTarget } from "../model/assign-target.ts";
import { vfTarget } from "../model/bdf.ts";
import type { Plug } from "../model/plug.ts";
import type { Lease } from "../lease/lease.ts";
import type { Finding } from "../lease/reconcile.ts";
import { faultOf } from "../apply/plugging.ts";
import type { Plugged } from "../vmm/consumer.ts";
import { reportJson } from "./apply-report.ts";
import { findingJson } from "./lease-json.ts";
import { clean, type Style } from "./style.ts";

export const plugName = ({ pf, vfIndex, vf }: Plug): string => `${vfTarget(pf, vfIndex)} (${vf})`;

const scopeWords = ({ isLive, isPersistent }: Plugged): string =>
  isLive === true && isPersistent === true
    ? "live and persistent"
    : isPersistent === true
      ? "from its next start on"
      : "live";

function termsWords({ mac, vlan }: Plug): string[] {
  const tag = vlan === null ? [] : [`VLAN ${vlan.id}${vlan.qos === 0 ? "" : `, QoS ${vlan.qos}`}`];
  return [...(mac === null ? [] : [`MAC ${mac}`]), ...tag];
}

/** `0000:3b:00.0/vf0 (0000:3b:01.0) is attached to libvirt:web1/net1: live, MAC ..., VLAN 120`. */
export function attachedText(plug: Plug, plugged: Plugged | null, style: Style): string[] {
  const to = formatAssignTarget(plug.consumer);
  const scope = plugged === null ? "it cannot be asked" : scopeWords(plugged);
  const words = [scope, ...termsWords(plug)].join(", ");
  const name = style("strong", plugName(plug));
  const notes = (plugged?.notes ?? []).map((note) => `  ${clean(note)}`);
  return [`${name} is attached to ${clean(to)}: ${words}`, ...notes];
}

const plugJson = (plug: Plug, plugged: Plugged | null, lease: Lease | null) => ({
  vf: vfTarget(plug.pf, plug.vfIndex),
  address: plug.vf,
  consumer: formatAssignTarget(plug.consumer),
  mac: plug.mac,
  vlan: plug.vlan,
  scope: plug.scope,
  isLive: plugged?.isLive ?? null,
  isPersistent: plugged?.isPersistent ?? null,
  device: plugged?.device ?? null,
  notes: plugged?.notes ?? [],
  lease: lease === null ? null : { state: lease.state, generation: lease.generation },
});

type Done = Extract<Attached, { kind: "done" }>;

/** True when the consumer has it as asked. */
export const isAttached = ({ plug, plugged, report }: Done): boolean =>
  report === null ||
  (report.outcome === "done" && plugged !== null && faultOf(plug, plugged) === null);

export const attachedJson = (done: Done) => ({
  format: "sriovctl-attach/1",
  outcome: done.report?.outcome ?? (done.isAdopted ? "adopted" : "nothing-to-do"),
  ...plugJson(done.plug, done.plugged, done.lease),
  because: done.because,
  apply: done.report === null ? null : reportJson(done.report),
});

export type Detached = {
  readonly plug: Plug;
  readonly report: Report;
  readonly lease: Lease | null;
};

/** Out, and for the next one: clean, or still leased by hand. Otherwise it is used, or in quarantine. */
export const isFree = ({ report, lease }: Detached): boolean =>
  report.outcome === "done" && lease?.state !== "releasing" && lease?.state !== "quarantined";

const outcomeOf = (detached: Detached): string => {
  const { outcome } = detached.report;
  return outcome !== "done" || isFree(detached) ? outcome : "not-free";
};

export const detachedJson = (detached: readonly Detached[], waiting: readonly Finding[]) => ({
  format: "sriovctl-detach/1",
  detached: detached.map((one) => ({
    outcome: outcomeOf(one),
    ...plugJson(one.plug, null, one.lease),
    apply: reportJson(one.report),
  })),
  notFreeYet: waiting.map(findingJson),
});
