// Who reaches whom through the switch of one PF: one frame from each sender to each receiver, and
// from a VF that may tag by itself one in the receiver's VLAN too. Guests of a bridge reach each
// other in the bridge, so that is not asked here.

import {
  certainties,
  compileSwitch,
  tagCode,
  untagged,
  type CompiledSwitch,
} from "./compiled-switch.ts";
import {
  certaintyOf,
  emptyBatch,
  portOf,
  setDestination,
  setFrom,
  setSource,
  setTag,
  takerAt,
  takersAt,
  type BatchResult,
} from "./frame-batch.ts";
import { broadcastMac } from "./frame.ts";
import { tenantOf } from "./outcome.ts";
import type { Certainty, SwitchState } from "./switch-state.ts";
import { SwitchRun } from "./switch-frames.ts";
import { isPortVlan } from "./vf-checks.ts";

export type Endpoint = {
  readonly kind: "vf" | "host" | "bridge-guest";
  /** `vf3`, `host`, `br0/tap101i0`. */
  readonly name: string;
  readonly vfIndex: number | null;
  /** null: not known; then a broadcast is asked for. */
  readonly mac: string | null;
  /** Port VLAN; 0: none, null: not known. */
  readonly vlan: number | null;
  /** Who uses it: `VM web1`; null: nobody that is known, or the host. */
  readonly tenant: string | null;
};

/** `null`: the same party, or not through this switch. */
export type Reach = { readonly certainty: Certainty; readonly tag: number | null } | null;

export type Leak = {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly certainty: Certainty;
  /** VLAN that the sender has to tag by itself; null: it need not. */
  readonly tag: number | null;
  readonly because: "owners" | "vlans";
};

export type AllPairs = {
  readonly endpoints: readonly Endpoint[];
  /** By sender, then receiver. */
  readonly reach: readonly (readonly Reach[])[];
  readonly leaks: readonly Leak[];
};

/** Owners that are somebody else than the host itself. */
const tenantKinds = new Set(["vm", "process", "netns", "unknown"]);

function endpointsOf({ vfs, pfPort }: SwitchState): Endpoint[] {
  const host: Endpoint = {
    kind: "host",
    name: "host",
    vfIndex: null,
    mac: pfPort.mac,
    vlan: 0,
    tenant: null,
  };
  const guests = (pfPort.guests ?? []).map(({ mac, port }): Endpoint => ({
    kind: "bridge-guest",
    name: `${pfPort.bridge}/${port}`,
    vfIndex: null,
    mac,
    vlan: 0,
    tenant: `guest behind ${port}`,
  }));
  return [
    ...vfs.map(({ vfIndex, mac, vlan, owners }): Endpoint => ({
      kind: "vf",
      name: `vf${vfIndex}`,
      vfIndex,
      mac,
      vlan: vlan?.id ?? null,
      tenant: tenantOf(owners.filter(({ kind }) => tenantKinds.has(kind))),
    })),
    host,
    ...guests,
  ];
}

/** Frames of one sender: destination, and VLAN that it tags by itself. */
type Question = { readonly destination: string; readonly tag: number | null };

type Asked = {
  readonly endpoints: readonly Endpoint[];
  readonly portOf: (endpoint: number) => number;
  readonly isTrunk: (endpoint: number) => boolean;
};

function ask(run: SwitchRun, asked: Asked, sender: number, questions: readonly Question[]) {
  const batch = emptyBatch(questions.length);
  const from = asked.endpoints[sender];
  questions.forEach(({ destination, tag }, at) => {
    setFrom(batch, at, asked.portOf(sender));
    setDestination(batch, at, destination);
    setSource(batch, at, from?.mac ?? null);
    const code = tag === null ? untagged : tagCode({ id: tag, qos: 0, protocol: "802.1q" });
    setTag(batch, at, code);
  });
  return run.run(batch);
}

function certaintyAt(result: BatchResult, at: number, wanted: number): number {
  let best = 0;
  const takers = takersAt(result, at);
  for (let nth = 0; nth < takers; nth++) {
    const delivery = takerAt(result, at, nth);
    if (portOf(delivery) === wanted) best = Math.max(best, certaintyOf(delivery));
  }
  return best;
}

const isSoftware = ({ kind }: Endpoint): boolean => kind !== "vf";

function reachOfSender(run: SwitchRun, asked: Asked, sender: number): Reach[] {
  const { endpoints, isTrunk } = asked;
  const from = endpoints[sender];
  const questions: Question[] = [];
  const numbers = new Map<string, number>();
  const numberOf = (destination: string, tag: number | null): number => {
    const key = `${destination} ${tag}`;
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, questions.length);
    return questions.push({ destination, tag }) - 1;
  };
  const wanted = endpoints.map((to, receiver) => {
    if (from === undefined || receiver === sender) return [];
    if (isSoftware(from) && isSoftware(to)) return [];
    const destination = to.mac ?? broadcastMac;
    const tags = isTrunk(sender) && to.vlan !== null && to.vlan !== 0 ? [null, to.vlan] : [null];
    return tags.map((tag) => ({ tag, number: numberOf(destination, tag) }));
  });
  const result = ask(run, asked, sender, questions);
  return wanted.map((tries, receiver) => {
    let best: { code: number; tag: number | null } | null = null;
    for (const { tag, number } of tries) {
      const code = certaintyAt(result, number, asked.portOf(receiver));
      if (best === null || code > best.code) best = { code, tag };
    }
    if (best === null) return null;
    const certainty = certainties[best.code] ?? "no";
    return { certainty, tag: certainty === "no" ? null : best.tag };
  });
}

function leakOf(from: Endpoint, to: Endpoint, reach: Reach): Leak[] {
  if (reach === null || (reach.certainty !== "yes" && reach.certainty !== "if")) return [];
  if (from.tenant === null || to.tenant === null) return [];
  const { certainty, tag } = reach;
  if (from.tenant !== to.tenant) return [{ from, to, certainty, tag, because: "owners" }];
  return from.vlan === to.vlan ? [] : [{ from, to, certainty, tag, because: "vlans" }];
}

export function allPairs(state: SwitchState): AllPairs {
  const endpoints = endpointsOf(state);
  const compiled: CompiledSwitch = compileSwitch(state);
  const run = new SwitchRun(compiled);
  const asked: Asked = {
    endpoints,
    portOf: (endpoint) => Math.min(endpoint, compiled.pf),
    isTrunk: (endpoint) => {
      const vlan = state.vfs[endpoint]?.vlan ?? null;
      return vlan !== null && !isPortVlan(vlan);
    },
  };
  const reach = endpoints.map((_, sender) => reachOfSender(run, asked, sender));
  const leaks = endpoints.flatMap((from, sender) =>
    endpoints.flatMap((to, receiver) => leakOf(from, to, reach[sender]?.[receiver] ?? null)),
  );
  return { endpoints, reach, leaks };
}
