// What a hook does for a guest: brings its VFs to what the specs say of them, and nothing else of the
// host, before it starts and after it has stopped. A VF that cannot be brought there before the
// start is a reason to refuse it; whatever goes wrong with sriovctl itself is thrown, and for the
// hook's script to weigh.

import { apply } from "../apply/apply.ts";
import type { Report } from "../apply/report.ts";
import type { Host } from "../host/host.ts";
import { fullInventory } from "../host/host.ts";
import { SriovError, type ErrorCode } from "../model/errors.ts";
import { vfAt, type Inventory, type Vf } from "../model/inventory.ts";
import { vfTarget, type Address } from "../model/bdf.ts";
import type { Problem } from "../model/problem.ts";
import type { PolicySpec, Spec } from "../model/spec.ts";
import { plan } from "../plan/plan.ts";
import { changeWords } from "../plan/plan-text.ts";
import { matchPfs, type MatchedPf } from "../plan/match.ts";
import { narrowSpec, withoutDrivers, type VfsByLabel } from "../plan/narrow.ts";
import type { GuestDevice } from "../coexist/domain-xml.ts";
import { withSession } from "./changing.ts";
import type { Context } from "./context.ts";
import { noConsumers } from "../apply/request.ts";
import { readingOf } from "./attaching.ts";
import { planOn } from "./planning.ts";

export type Guest = {
  readonly kind: "libvirt" | "pve";
  /** Domain or VMID, as `assign` names it. */
  readonly name: string;
  readonly devices: readonly GuestDevice[];
};

/** `given`: the guest is starting, and its hypervisor has chosen and bound its VFs. */
export type Moment = "start" | "given" | "stop";

export type HookResult = {
  /** `BDF/vfN` of the guest's VFs that a spec is about. */
  readonly targets: readonly string[];
  /** What was set: `mac`, `vlan 120` and so on, per target. */
  readonly changes: readonly { readonly target: string; readonly words: string }[];
  /** Why the guest must not start; empty: it may. */
  readonly refusals: readonly Problem[];
};

type GuestVf = {
  readonly label: string;
  readonly pf: MatchedPf["pf"];
  readonly vf: Vf;
  /** null: the spec assigns it, and the guest's own configuration does not name it. */
  readonly device: GuestDevice | null;
};

const refusal = (code: string, where: string, message: string): Problem => ({
  code,
  where,
  message,
});

function vfsOfDevices(matched: readonly MatchedPf[], devices: readonly GuestDevice[]): GuestVf[] {
  return devices.flatMap((device) =>
    matched.flatMap(({ pf, spec }) =>
      pf.virtualFunctions
        .filter(({ address }) => address === device.address)
        .map((vf) => ({ label: spec.name, pf, vf, device })),
    ),
  );
}

const plainAlias = (alias: string): string => alias.replace(/^ua-/, "");

/** VFs that the spec gives to this guest, and where the guest's own configuration has others. */
function assignedVfs(
  spec: Spec,
  matched: readonly MatchedPf[],
  { kind, name, devices }: Guest,
): { readonly vfs: readonly GuestVf[]; readonly refusals: readonly Problem[] } {
  const refusals: Problem[] = [];
  const vfs = spec.assign.flatMap((entry): GuestVf[] => {
    const { target, source, to, where } = entry;
    if (target?.kind !== kind || target.name !== name || source.kind !== "vf") return [];
    const match = matched.find((one) => one.spec.name === source.vf.pf);
    const index = source.vf.vfIndexes[0] ?? -1;
    const vf = match === undefined ? null : vfAt(match.pf, index);
    if (match === undefined || vf === null) {
      const message = `Cannot give ${source.vf.pf}/${index} to ${to}: this host has no such VF`;
      refusals.push(refusal("guest-vf-missing", where, message));
      return [];
    }
    const device = devices.find(({ alias }) => alias === plainAlias(target.device ?? ""));
    if (device !== undefined && device.address !== vf.address) {
      const wanted = `${source.vf.pf}/${index} (${vf.address})`;
      const message = `Cannot start ${name}: its ${target.device} is ${device.address}, wanted ${wanted}`;
      refusals.push(refusal("guest-vf-other", where, message));
    }
    return [{ label: match.spec.name, pf: match.pf, vf, device: device ?? null }];
  });
  return { vfs, refusals };
}

function byLabel(vfs: readonly GuestVf[]): VfsByLabel {
  const sets = new Map<string, Set<number>>();
  for (const { label, vf } of vfs) {
    sets.set(label, (sets.get(label) ?? new Set()).add(vf.vfIndex));
  }
  return sets;
}

/** The policy that the spec claims for a VF. */
function policyOf({ pools, virtualFunctions, assign }: Spec, { label, vf }: GuestVf): PolicySpec {
  const entries = [
    ...[...pools, ...virtualFunctions].map(({ vfs, policy }) => ({ vfs, policy })),
    ...assign.flatMap(({ source, policy }) =>
      source.kind === "vf" ? [{ vfs: [source.vf], policy }] : [],
    ),
  ];
  const claim = entries.find(({ vfs }) =>
    vfs.some(({ pf, vfIndexes }) => pf === label && vfIndexes.includes(vf.vfIndex)),
  );
  return claim?.policy ?? {};
}

/** libvirt sets MAC and VLAN of an `<interface type='hostdev'>` itself, between `start` and `given`.
 * Without a `<vlan>` it takes the VLAN away (src/hypervisor/virhostdev.c), and `given` sets it. */
function overruledBy(spec: Spec, guestVf: GuestVf, now: Vf): Problem[] {
  const { device, label } = guestVf;
  if (device === null || device.mac === null) return [];
  const policy = policyOf(spec, guestVf);
  const target = `${label}/${now.vfIndex}`;
  const found: Problem[] = [];
  const isMacSaid = policy.mac !== undefined && policy.mac !== "default";
  const mac = now.policy?.mac ?? null;
  if (isMacSaid && mac !== null && mac !== device.mac) {
    const message = `${target} is to have MAC ${mac}: the domain's XML sets ${device.mac}`;
    found.push(refusal("guest-overrules-mac", now.address, message));
  }
  const vlan = now.policy?.vlan?.id ?? null;
  const isVlanSaid = policy.vlan !== undefined && policy.vlan !== "default";
  if (isVlanSaid && vlan !== null && device.vlanId !== null && vlan !== device.vlanId) {
    const message = `${target} is to have VLAN ${vlan}: the domain's XML sets VLAN ${device.vlanId}`;
    found.push(refusal("guest-overrules-vlan", now.address, message));
  }
  return found;
}

/** Guests that start at once have their VFs set one after the other. */
const lockWaitMs = 6000;

/** What says nothing of the VF: the hook's script knows whether the guest starts all the same. */
const ownTrouble: ReadonlySet<ErrorCode> = new Set([
  "file-format",
  "file-unreadable",
  "file-unwritable",
  "journal-unwritable",
  "lock-unusable",
  "permission",
  "state-unwritable",
]);

/** When the hook's script finds it too long and says SIGTERM, it takes back what it did. */
async function converge(
  context: Context,
  host: Host,
  narrowed: Spec,
): Promise<Report | readonly Problem[]> {
  // Whoever asked libvirt here would wait for it for ever: it waits for its hook.
  const around = { ...readingOf(context, host), consumers: noConsumers };
  const planned = (await planOn(host, narrowed, { around })).plan;
  if (planned.problems.length > 0) return planned.problems;
  const { commandLine: command } = context;
  const abort = new AbortController();
  const stopListening = context.io.onInterrupt(() => abort.abort());
  try {
    return await withSession(context, host, { lockWaitMs }, (session) =>
      apply(
        { ...session, consumers: noConsumers },
        {
          spec: narrowed,
          plan: planned,
          consent: [],
          command,
          onProblem: "stop",
          keepGoing: false,
          onInterrupt: "undo",
          signal: abort.signal,
          onProgress: () => {},
        },
      ),
    );
  } finally {
    stopListening();
  }
}

const isAsSpecified = ({ outcome }: Report): boolean =>
  outcome === "done" || outcome === "unverified";

function refusalsOf(report: Report): Problem[] {
  if (isAsSpecified(report)) return [];
  const failed = report.actions.flatMap(({ action, error }) =>
    error === null ? [] : [refusal(error.code, action.target, error.message)],
  );
  const message = `Its VFs could not be set as the specs say: ${report.outcome}`;
  return failed.length > 0 ? failed : [refusal("guest-vf-not-set", "", message)];
}

const changesOf = ({ actions }: Report): HookResult["changes"] =>
  actions
    .filter(({ result }) => result === "done")
    .map(({ action }) => ({ target: action.target, words: changeWords(action.change) }));

/** Not as specified and not to be changed now (an apply runs, or has not ended): a refusal. */
async function convergeOrRefuse(
  context: Context,
  host: Host,
  narrowed: Spec,
): Promise<Pick<HookResult, "changes" | "refusals">> {
  try {
    const ended = await converge(context, host, narrowed);
    return "outcome" in ended
      ? { changes: changesOf(ended), refusals: refusalsOf(ended) }
      : { changes: [], refusals: ended };
  } catch (error) {
    if (!(error instanceof SriovError) || ownTrouble.has(error.code)) throw error;
    return { changes: [], refusals: [refusal(error.code, error.target, error.message)] };
  }
}

function freshVf(inventory: Inventory, { pf, vf }: GuestVf): Vf {
  const now = inventory.physicalFunctions.find(({ address }) => address === pf.address);
  return (now === undefined ? null : vfAt(now, vf.vfIndex)) ?? vf;
}

/** What is to be done for the VFs, if anything: without a census, as nobody is hit by nothing. */
async function isAsSpecifiedNow(host: Host, narrowed: Spec, pfs: readonly Address[]) {
  const wish = { ...fullInventory, census: false, detailOf: pfs, only: pfs };
  const inventory = await host.inventory(wish);
  const { actions, problems } = plan({ spec: narrowed, inventory, consent: [] });
  return actions.length + problems.length === 0;
}

export type HookCall = {
  readonly guest: Guest;
  readonly moment: Moment;
  readonly spec: Spec;
  /** Of all PFs; nobody's use of them. */
  readonly inventory: Inventory;
};

export async function runGuestHook(
  context: Context,
  host: Host,
  { guest, moment, spec, inventory }: HookCall,
): Promise<HookResult> {
  const { matched } = matchPfs(spec, inventory);
  const assigned = assignedVfs(spec, matched, guest);
  const named = vfsOfDevices(matched, guest.devices);
  const vfs = [...assigned.vfs, ...named];
  const isStart = moment !== "stop";
  const targets = [...new Set(vfs.map(({ pf, vf }) => vfTarget(pf.address, vf.vfIndex)))];
  if (isStart && assigned.refusals.length > 0) {
    return { targets, changes: [], refusals: assigned.refusals };
  }
  if (vfs.length === 0) return { targets, changes: [], refusals: [] };
  const narrow = moment === "given" ? withoutDrivers : (whole: Spec): Spec => whole;
  const narrowed = narrow(narrowSpec(spec, byLabel(vfs)));
  const pfs = [...new Set(vfs.map(({ pf }) => pf.address))];
  const { changes, refusals } = (await isAsSpecifiedNow(host, narrowed, pfs))
    ? { changes: [], refusals: [] }
    : await convergeOrRefuse(context, host, narrowed);
  if (!isStart || refusals.length > 0) return { targets, changes, refusals };
  const setByOthers = named.filter(({ device }) => device !== null && device.mac !== null);
  if (setByOthers.length === 0) return { targets, changes, refusals };
  const now = await host.inventory({ ...fullInventory, census: false, only: pfs });
  const overruled = setByOthers.flatMap((one) => overruledBy(narrowed, one, freshVf(now, one)));
  return { targets, changes, refusals: overruled };
}
