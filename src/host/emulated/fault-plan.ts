// From the text of a fault plan to faults, or to every problem with it and its place. What fits the
// shape is held against the machine that it is for: an operation that the effect cannot hit, a PF
// or a guest that is not there would be a fault that never comes, and nobody would know why.

import { nearest } from "../../model/spec/nearest.ts";
import { byPlace, type Loose, type Places } from "../../model/spec/places.ts";
import { readTree } from "../../model/spec/read.ts";
import { parseTree } from "../../model/spec/tree.ts";
import type { Problem } from "../../model/problem.ts";
import type { Address } from "../../model/bdf.ts";
import { vfIndexAt } from "../../pci/routing-id.ts";
import type { MachineEvent } from "./events.ts";
import type { EffectKey, EffectText, FaultText } from "./fault-plan-shape.ts";
import { faultPlanShape, targetsOf } from "./fault-plan-shape.ts";
import type { Fault, FaultEffect, FaultMoment, FaultTrigger } from "./faults.ts";
import { guestOf } from "./guests.ts";
import type { Machine } from "./machine.ts";
import { addressOfVf, bdfOf, placementOf } from "./machine.ts";
import type { PfState } from "./state.ts";
import { driverTotalVfs } from "./verbs/num-vfs.ts";

type ParsedFaults = {
  /** null exactly when there are problems. */
  readonly faults: readonly Fault[] | null;
  /** `where` is `source:line:column`. */
  readonly problems: readonly Problem[];
};

/** Each request looks at every fault. */
const mostFaults = 1000;

/** A PF (`vfIndex` null) or a VF that the machine has or can have. */
type Named = { readonly pf: PfState; readonly vfIndex: number | null; readonly address: Address };

type Reading = {
  readonly machine: Machine;
  readonly places: Places;
  readonly problems: Problem[];
};

type Holder = { readonly holder: object; readonly key: string };

function report({ places, problems }: Reading, { holder, key }: Holder, message: string): null {
  problems.push({ code: "fault-plan", where: places.at(holder, key), message });
  return null;
}

/** The function of that name; null after a problem. */
function namedFunction(reading: Reading, text: string, at: Holder): Named | null {
  const { machine } = reading;
  const [address = "", vf] = text.split("/vf");
  for (const pf of machine.state.pfs) {
    const total = driverTotalVfs(pf);
    if (pf.address === address) {
      const vfIndex = vf === undefined ? null : Number(vf);
      if (vfIndex === null) return { pf, vfIndex, address };
      if (vfIndex < total) return { pf, vfIndex, address: addressOfVf(machine, pf, vfIndex) };
      return report(reading, at, `${at.key} is ${text}: wanted a VF below vf${total}`);
    }
    const [own, other] = [bdfOf(pf.address), bdfOf(address)];
    if (vf !== undefined || own.domain !== other.domain) continue;
    const vfIndex = vfIndexAt(own.routingId, placementOf(machine, pf), total, other.routingId);
    if (vfIndex !== null) return { pf, vfIndex, address };
  }
  const known = machine.state.pfs.map((pf) => pf.address).join(", ");
  return report(reading, at, `${at.key} is ${text}: wanted one of ${known}, or a VF of them`);
}

function namedPf(reading: Reading, text: string | undefined, at: Holder): Address | null {
  const named = text === undefined ? null : namedFunction(reading, text, at);
  if (named === null || named.vfIndex === null) return named?.address ?? null;
  return report(reading, at, `${at.key} is ${text ?? ""}, which is a VF: wanted a PF`);
}

function namedVf(reading: Reading, text: string | undefined, at: Holder): Address | null {
  const named = text === undefined ? null : namedFunction(reading, text, at);
  if (named === null || named.vfIndex !== null) return named?.address ?? null;
  return report(reading, at, `${at.key} is ${text ?? ""}, which is a PF: wanted a VF`);
}

function namedGuest(reading: Reading, name: string | undefined, at: Holder): string | null {
  if (name === undefined || guestOf(reading.machine, name) !== null) return name ?? null;
  const known = reading.machine.state.core.guests.map((guest) => guest.name);
  const guess = nearest(name, known);
  const wanted = known.length === 0 ? "none, the machine has no guest" : known.join(", ");
  const perhaps = guess === null ? wanted : `${guess}, the nearest guest`;
  return report(reading, at, `${at.key} is ${name}: wanted ${perhaps}`);
}

const eventOf = (event: MachineEvent): FaultEffect => ({ kind: "event", event });

type EffectRow<Key extends EffectKey> = {
  /** Operations that it can hit; null is every one. */
  readonly hits: readonly FaultMoment[] | "requests" | null;
  /** null where something was refused. */
  readonly build: (
    reading: Reading,
    value: Loose<NonNullable<EffectText[Key]>>,
    at: Holder,
  ) => FaultEffect | null;
};

const probing = ["setNumVfs", "probe"] as const;

const guestAndVf =
  (event: "guest-opens" | "guest-closes"): EffectRow<"guestOpens">["build"] =>
  (reading, value) => {
    const guest = namedGuest(reading, value.guest, { holder: value, key: "guest" });
    const vf = namedVf(reading, value.vf, { holder: value, key: "vf" });
    return guest === null || vf === null ? null : eventOf({ event, guest, vf });
  };

const guestAlone =
  (event: "guest-ends" | "guest-starts"): EffectRow<"guestEnds">["build"] =>
  (reading, name, at) => {
    const guest = namedGuest(reading, name, at);
    return guest === null ? null : eventOf({ event, guest });
  };

const effectRows: { readonly [Key in EffectKey]-?: EffectRow<Key> } = {
  refuse: { hits: "requests", build: (_, errno) => ({ kind: "refuse", errno }) },
  shortCount: { hits: ["setNumVfs"], build: (_, numVfs) => ({ kind: "short-count", numVfs }) },
  noNetdev: { hits: probing, build: (_, vfIndexes) => ({ kind: "no-netdev", vfIndexes }) },
  slowProbe: {
    hits: probing,
    build: (_, { vfs, delayMs }) =>
      vfs === undefined || delayMs === undefined
        ? null
        : { kind: "slow-probe", vfIndexes: vfs, delayMs },
  },
  failedProbe: { hits: probing, build: (_, vfIndexes) => ({ kind: "probe-fails", vfIndexes }) },
  truncatedList: { hits: ["vfList"], build: (_, numVfs) => ({ kind: "truncated-list", numVfs }) },
  guestOpens: { hits: null, build: guestAndVf("guest-opens") },
  guestCloses: { hits: null, build: guestAndVf("guest-closes") },
  guestEnds: { hits: null, build: guestAlone("guest-ends") },
  guestStarts: { hits: null, build: guestAlone("guest-starts") },
  namespaceEnds: {
    hits: null,
    build: (reading, namespace, at) => {
      const known = reading.machine.state.core.namespaces ?? [];
      if (known.includes(namespace)) return eventOf({ event: "namespace-ends", namespace });
      return report(reading, at, `${at.key} is ${namespace}: wanted one of ${known.join(", ")}`);
    },
  },
  netdevRenamed: {
    hits: null,
    build: (reading, value) => {
      const pf = namedPf(reading, value.pf, { holder: value, key: "pf" });
      const { name } = value;
      return pf === null || name === undefined
        ? null
        : eventOf({ event: "netdev-renamed", pf, name });
    },
  },
  pfVanishes: {
    hits: null,
    build: (reading, text, at) => {
      const pf = namedPf(reading, text, at);
      return pf === null ? null : eventOf({ event: "pf-vanishes", pf });
    },
  },
};

const isRead = (moment: FaultMoment): boolean => moment === "inventory" || moment === "vfList";

function canHit(hits: EffectRow<EffectKey>["hits"], operation: FaultMoment): boolean {
  if (hits === "requests") return !isRead(operation);
  return hits === null ? operation !== "vfList" : hits.includes(operation);
}

const hitsText = (hits: EffectRow<EffectKey>["hits"]): string => {
  if (hits === "requests") return "an operation that changes something";
  return hits === null ? "any operation but vfList" : hits.join(" or ");
};

/** The effect, for a fault that waits for `operation`; null after a problem. */
function effectFor(
  reading: Reading,
  entry: Loose<FaultText>,
  operation: FaultMoment | undefined,
): FaultEffect | null {
  const { effect } = entry;
  const at = { holder: entry, key: "effect" };
  const check = (name: string, hits: EffectRow<EffectKey>["hits"]): void => {
    if (operation === undefined || canHit(hits, operation)) return;
    report(reading, at, `${name} cannot hit ${operation}: wanted ${hitsText(hits)}`);
  };
  if (effect === undefined) return null;
  if (effect === "hang") {
    check("hang", "requests");
    return { kind: "hang" };
  }
  if (effect === "rescan") {
    check("rescan", null);
    return eventOf({ event: "rescan" });
  }
  const written = Object.keys(reading.places.keysOf(effect));
  const [key, ...more] = Object.keys(effect) as EffectKey[];
  if (written.length === 0) return report(reading, at, "effect is empty: wanted one effect");
  if (key === undefined) return null;
  if (more.length > 0) {
    return report(reading, at, `effect has ${key} and ${more.join(", ")}: wanted a fault for each`);
  }
  const row = effectRows[key] as EffectRow<EffectKey>;
  check(key, row.hits);
  return row.build(reading, effect[key] as never, { holder: effect, key });
}

function triggerFor(reading: Reading, on: Loose<FaultText["on"]>): FaultTrigger | null {
  const { operation, target, attribute, skip, times } = on;
  if (operation === undefined) return null;
  const problem = (key: string, message: string): null =>
    report(reading, { holder: on, key }, message);
  if (attribute !== undefined && operation !== "setVf") {
    return problem("attribute", `${operation} sets no attribute of a VF: wanted setVf`);
  }
  const counts = {
    ...(attribute === undefined ? {} : { attribute }),
    ...(skip === undefined ? {} : { skip }),
    ...(times === undefined ? {} : { times }),
  };
  if (target === undefined) return { verb: operation, ...counts };
  const kinds = targetsOf[operation];
  if (kinds === "nothing") {
    return problem("target", `${operation} is of the whole host: wanted no target`);
  }
  const named = namedFunction(reading, target, { holder: on, key: "target" });
  if (named === null) return null;
  const { pf, vfIndex, address } = named;
  if (!kinds.includes(vfIndex === null ? "a PF" : "a VF")) {
    return problem("target", `target of ${operation} is ${target}: wanted ${kinds}`);
  }
  if (operation !== "setVf") return { verb: operation, target: address, ...counts };
  const index = vfIndex === null ? {} : { vfIndex };
  return { verb: operation, target: pf.address, ...index, ...counts };
}

function faultOf(reading: Reading, entry: Loose<FaultText>): Fault | null {
  const on = entry.on === undefined ? null : triggerFor(reading, entry.on);
  const effect = effectFor(reading, entry, entry.on?.operation);
  return on === null || effect === null ? null : { on, effect };
}

/** Parses YAML or JSON for `machine`; `source` is the file's name as the user gave it. Never throws. */
export function parseFaultPlan(text: string, source: string, machine: Machine): ParsedFaults {
  const { tree, placeAt, problems: syntax } = parseTree(text, source);
  if (tree === null) return { faults: null, problems: syntax };
  const {
    value,
    places,
    problems: shape,
  } = readTree(faultPlanShape, { tree, placeAt, label: "The fault plan" });
  const reading: Reading = { machine, places, problems: [...syntax, ...shape] };
  const entries = value?.faults ?? [];
  if (entries.length > mostFaults && value !== null) {
    const message = `${entries.length} faults: wanted at most ${mostFaults}`;
    report(reading, { holder: value, key: "faults" }, message);
  }
  const faults = entries.slice(0, mostFaults).map((entry) => faultOf(reading, entry));
  const { problems } = reading;
  if (problems.length > 0) return { faults: null, problems: problems.toSorted(byPlace) };
  return { faults: faults.filter((fault) => fault !== null), problems };
}
