// From a sound spec text to the Spec that the planner reads: defaults filled in, profiles merged
// (a key given inline wins), sets expanded, places attached. Runs only on text without problems,
// so nothing here can fail.

import { assert } from "../assert.ts";
import type {
  AdapterSpec,
  AssignSpec,
  PfMatch,
  PfSpec,
  PolicySpec,
  PoolSpec,
  SourcePlace,
  Spec,
  VfPolicySpec,
  VfSet,
} from "../spec.ts";
import { expandRanges, type VfRanges } from "../vf-range.ts";
import type { Places } from "./places.ts";
import { setsOf } from "./reference.ts";
import type { SpecText } from "./shape.ts";

type Text<K extends "adapters" | "pools" | "virtualFunctions" | "assign"> = NonNullable<
  SpecText[K]
>[number];
type PolicyText = NonNullable<SpecText["profiles"]>[string];

type Build = { readonly text: SpecText; readonly places: Places };

/** Keys whose value is there; `exactOptionalPropertyTypes` knows no explicit undefined. */
type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function given<T extends object>(object: T): Given<T> {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined),
  ) as Given<T>;
}

const setOf = (set: VfRanges, where: SourcePlace): VfSet => ({
  pf: set.pf,
  vfIndexes: expandRanges(set),
  where,
});

function policyOf({ mac, vlan, rate, ...rest }: PolicyText): PolicySpec {
  const { spoofCheck, trust, linkState, rssQuery, nodeGuid, portGuid, msix, waive } = rest;
  const fullVlan =
    typeof vlan === "number"
      ? ({ id: vlan, qos: 0, protocol: "802.1q" } as const)
      : typeof vlan === "object"
        ? { id: vlan.id, qos: vlan.qos ?? 0, protocol: vlan.protocol ?? "802.1q" }
        : vlan;
  const wantedRate =
    typeof rate === "object" ? given({ minMbps: rate.min, maxMbps: rate.max }) : rate;
  const switches = { spoofCheck, trust, linkState, rssQuery };
  return given({
    mac,
    vlan: fullVlan,
    rate: wantedRate,
    ...switches,
    nodeGuid,
    portGuid,
    msix,
    waive,
  });
}

/** Policy of an entry with its profile's below it, and the places of both. */
function mergedPolicy(
  { text, places }: Build,
  entry: PolicyText & { readonly profile?: string | undefined },
) {
  const profile = entry.profile === undefined ? undefined : text.profiles?.[entry.profile];
  const below = profile === undefined ? {} : policyOf(profile);
  const placesBelow = profile === undefined ? {} : places.keysOf(profile);
  return {
    policy: { ...below, ...policyOf(entry) },
    where: places.of(entry),
    places: { ...placesBelow, ...places.keysOf(entry) },
  };
}

function pfOf({ places }: Build, adapter: Text<"adapters">, index: number): PfSpec {
  const pf = adapter.physicalFunctions[index];
  assert(pf !== undefined, "the index is one of the list's");
  const { permanentMac, serial, port, address } = pf.match ?? {};
  const hasOwnKey = permanentMac !== undefined || address !== undefined;
  const inherited = hasOwnKey && port === undefined ? undefined : adapter.match?.serial;
  const match: PfMatch = given({ permanentMac, serial: serial ?? inherited, port, address });
  const { name, addressHint, protect = [], numVfs, adminState, mtu } = pf;
  return {
    name,
    match,
    protect,
    ...given({ addressHint, numVfs, adminState, mtu }),
    where: places.of(pf),
    places: { ...places.keysOf(pf.match ?? pf), ...places.keysOf(pf) },
  };
}

const adapterOf = (build: Build, adapter: Text<"adapters">): AdapterSpec => ({
  name: adapter.name ?? null,
  match: given({ serial: adapter.match?.serial }),
  ...given({ eswitchMode: adapter.eswitchMode }),
  physicalFunctions: adapter.physicalFunctions.map((_, index) => pfOf(build, adapter, index)),
  where: build.places.of(adapter),
  places: build.places.keysOf(adapter),
});

const vfPolicyOf = (build: Build, entry: Text<"virtualFunctions">): VfPolicySpec => ({
  vfs: setsOf(entry, build.places).map(({ set, where }) => setOf(set, where)),
  ...given({ driver: entry.driver }),
  ...mergedPolicy(build, entry),
});

const poolOf = (build: Build, entry: Text<"pools">): PoolSpec => ({
  name: entry.name,
  ...vfPolicyOf(build, entry),
});

function assignOf(build: Build, entry: Text<"assign">): AssignSpec {
  const { to, pool, vf, driver, user } = entry;
  const ofVf = vf && ({ kind: "vf", vf: setOf(vf, build.places.at(entry, "vf")) } as const);
  return {
    to: to.text,
    target: to.target,
    source: ofVf ?? { kind: "pool", pool: pool ?? "" },
    ...given({ driver, user }),
    ...mergedPolicy(build, entry),
  };
}

export function buildSpec(text: SpecText, places: Places, source: string): Spec {
  const build: Build = { text, places };
  return {
    source,
    ...given({ unassigned: text.defaults?.unassigned, altNames: text.defaults?.altNames }),
    adapters: (text.adapters ?? []).map((adapter) => adapterOf(build, adapter)),
    pools: (text.pools ?? []).map((pool) => poolOf(build, pool)),
    virtualFunctions: (text.virtualFunctions ?? []).map((entry) => vfPolicyOf(build, entry)),
    assign: (text.assign ?? []).map((entry) => assignOf(build, entry)),
  };
}
