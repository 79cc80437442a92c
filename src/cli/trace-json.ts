// The public JSON of `trace`, written by hand.

import type { AllPairs, Endpoint, Leak } from "../eswitch/all-pairs.ts";
import type { Port, Tag } from "../eswitch/frame.ts";
import type { SwitchState } from "../eswitch/switch-state.ts";
import type { Trace } from "./trace-text.ts";

const traceFormat = "sriovctl-trace/1";
const pairsFormat = "sriovctl-trace-pairs/1";

const portJson = (port: Port) =>
  port.kind === "vf" ? { kind: "vf", vf: port.vfIndex } : { kind: port.kind, vf: null };

const tagJson = ({ id, qos, protocol }: Tag) => ({ id, qos, protocol });

export const traceJson = (trace: Trace) => {
  const { state, frame, from, isBridgeGuest, decision, outcome } = trace;
  return {
    format: traceFormat,
    physicalFunction: state.pf,
    driver: state.traits.driver,
    eswitchMode: state.mode,
    from: { ...portJson(from), isBridgeGuest },
    frame: {
      destination: frame.destination,
      source: frame.source,
      tag: frame.tag === null ? null : tagJson(frame.tag),
      etherType: frame.etherType,
      sizeBytes: frame.sizeBytes,
    },
    class: decision.frameClass,
    stages: decision.stages.map(({ name, looked, found, certainty, reference }) => ({
      name,
      looked,
      found,
      certainty,
      reference,
    })),
    tagsInside: decision.tags.map(tagJson),
    fate: decision.fate,
    summary: outcome.summary,
    deliveries: decision.deliveries.map(({ port, certainty, why, tags }, at) => ({
      to: portJson(port),
      certainty,
      why,
      tags: tags.map(tagJson),
      mustSee: outcome.lines[at]?.mustSee ?? null,
    })),
    remedies: outcome.remedies.map(({ when, run }) => ({ when, run })),
  };
};

const endpointJson = ({ kind, name, vfIndex, mac, vlan, tenant }: Endpoint) => ({
  kind,
  name,
  vf: vfIndex,
  mac,
  vlan,
  tenant,
});

const leakJson = ({ from, to, certainty, tag, because }: Leak) => ({
  from: from.name,
  to: to.name,
  certainty,
  tag,
  because,
});

export const pairsJson = (found: readonly { state: SwitchState; pairs: AllPairs }[]) => ({
  format: pairsFormat,
  physicalFunctions: found.map(({ state, pairs }) => ({
    address: state.pf,
    name: state.name,
    driver: state.traits.driver,
    eswitchMode: state.mode,
    endpoints: pairs.endpoints.map(endpointJson),
    /** By sender, then receiver; null: not through this switch. */
    reach: pairs.reach.map((row) => row.map((reach) => reach?.certainty ?? null)),
    leaks: pairs.leaks.map(leakJson),
  })),
});
