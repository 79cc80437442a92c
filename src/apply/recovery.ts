// What to do about an apply that has not ended: pure, from its journal and the host as it is now.
// The journal says what was begun; the inventory says what of it is so; neither is believed about
// the other. A boot that is over took every VF with it, so then there is nothing to undo.

import {
  isPfChange,
  type Action,
  type Disruption,
  type PfChange,
  type PlugChange,
} from "../model/action.ts";
import { isOfTarget } from "../model/assign-target.ts";
import type { HostIdentity, Inventory, Pf } from "../model/inventory.ts";
import { disruptionsOf } from "../plan/disruption.ts";
import { undoOrder } from "./backward.ts";
import { unnamedUsers } from "./census.ts";
import type { Journal } from "./journal.ts";
import { lanesOf } from "./request.ts";
import { isSatisfied } from "./satisfied.ts";

export type Way = {
  /** In the order in which they run: forwards for finish, backwards for undo. */
  readonly actions: readonly Action[];
  /** Users whom it would hit and whom no consent names. */
  readonly unnamed: readonly Disruption[];
};

export type Recovery =
  | {
      readonly kind: "nothing";
      readonly journal: string;
      readonly reason: "other-machine" | "rebooted";
      readonly sentence: string;
    }
  | {
      readonly kind: "choice";
      readonly journal: string;
      readonly finish: Way;
      readonly undo: Way;
      readonly preferred: "finish" | "undo";
      readonly sentence: string;
    };

const differs = (left: string | null, right: string | null): boolean =>
  left !== null && right !== null && left !== right;

/** Whether the journal is about this machine and this boot. */
export function placeOf(
  { header }: Journal,
  host: HostIdentity,
): "here" | "other-machine" | "rebooted" {
  if (differs(header.host.machineId, host.machineId)) return "other-machine";
  return differs(header.host.bootId, host.bootId) ? "rebooted" : "here";
}

/**
 * What finishing runs: of each PF, everything from the first action that is not known to be done.
 * Later actions may have been done to VFs that the first ones make anew; repeating one that is
 * so already changes nothing.
 */
function finishOrder({ header, states }: Journal): Action[] {
  const todo = new Set<Action>();
  for (const lane of lanesOf(header.actions).values()) {
    const from = lane.findIndex(({ id }) => states.get(id) !== "done");
    for (const action of from === -1 ? [] : lane.slice(from)) todo.add(action);
  }
  return header.actions.filter((action) => todo.has(action));
}

function undoActions(journal: Journal): Action[] {
  return [...lanesOf(journal.header.actions)].flatMap(([pf, lane]) =>
    pf === null ? [] : undoOrder(lane, journal),
  );
}

/** The PF once a consumer has let go of its VF. */
function withoutConsumer({ vfIndex, plug }: PlugChange, pf: Pf): Pf {
  const vfs = pf.virtualFunctions.map((vf) =>
    vf.vfIndex === vfIndex
      ? { ...vf, owners: vf.owners.filter((owner) => !isOfTarget(plug.consumer, owner)) }
      : vf,
  );
  return { ...pf, virtualFunctions: vfs };
}

const after = (change: PfChange, pf: Pf): Pf =>
  change.kind === "detach-vf"
    ? withoutConsumer(change, pf)
    : change.kind === "detach-pf"
      ? { ...pf, owners: pf.owners.filter((owner) => !isOfTarget(change.plug.consumer, owner)) }
      : change.kind === "remove-vfs" || change.kind === "create-vfs"
        ? { ...pf, numVfs: change.kind === "create-vfs" ? change.numVfs : 0, virtualFunctions: [] }
        : pf;

/** Whom these changes would hit, in order, on the host as it is: VFs made on the way have no user. */
function hitsOf(changes: readonly PfChange[], inventory: Inventory): Disruption[] {
  const pfs = new Map(inventory.physicalFunctions.map((pf) => [pf.address, pf]));
  const hits = new Map<string, Disruption>();
  for (const change of changes) {
    const pf = pfs.get(change.pf);
    if (pf === undefined || isSatisfied(change, pf)) continue;
    for (const hit of disruptionsOf(change, pf)) {
      hits.set(`${hit.kind}:${hit.name} ${hit.target}`, hit);
    }
    pfs.set(change.pf, after(change, pf));
  }
  return [...hits.values()];
}

type WayInput = {
  readonly inventory: Inventory;
  readonly consent: ReadonlySet<string>;
};

function wayOf(
  actions: readonly Action[],
  changesOf: (action: Action) => readonly Action["change"][],
  { inventory, consent }: WayInput,
): Way {
  const changes = actions.flatMap(changesOf).filter(isPfChange);
  return { actions, unnamed: unnamedUsers(hitsOf(changes, inventory), consent) };
}

function finishWay(journal: Journal, input: WayInput): Way {
  return wayOf(finishOrder(journal), ({ change }) => [change], input);
}

export function undoWay(journal: Journal, input: WayInput): Way {
  return wayOf(undoActions(journal), ({ inverse }) => inverse, input);
}

/** `consent` is what is agreed to now; the journal's own counts too. */
export function recoveryOf(
  journal: Journal,
  inventory: Inventory,
  consent: readonly string[],
): Recovery {
  const place = placeOf(journal, inventory.host);
  const { id } = journal;
  if (place === "other-machine") {
    const sentence = `Journal ${id} is of another machine: it says nothing about this host`;
    return { kind: "nothing", journal: id, reason: place, sentence };
  }
  if (place === "rebooted") {
    const sentence = `Journal ${id} is of an earlier boot: its VFs went with the reboot, plan again`;
    return { kind: "nothing", journal: id, reason: place, sentence };
  }
  const input = { inventory, consent: new Set([...journal.consent, ...consent]) };
  const finish = finishWay(journal, input);
  const undo = undoWay(journal, input);
  // What was detached is being cleaned for others: only its lease is left to give back.
  const isDetached =
    finish.actions.length === 0 &&
    journal.header.comesBack !== true &&
    journal.header.actions.some(({ change }) => change.kind === "detach-vf");
  const preferred = undo.unnamed.length === 0 && !isDetached ? "undo" : "finish";
  const numDone = [...journal.states.values()].filter((state) => state === "done").length;
  const begun = `${numDone} of ${journal.header.actions.length} actions are done`;
  const sentence = `Journal ${id} (${journal.header.command}) has not ended: ${begun}`;
  return { kind: "choice", journal: id, finish, undo, preferred, sentence };
}
