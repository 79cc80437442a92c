// A spec of one VF and nothing else: so that making a VF clean, and making it ready for its consumer, are
// plans like any other.

import { choiceOf } from "./binding.ts";
import type { Pf, Vf } from "../model/inventory.ts";
import type { AssignSpec, DriverChoice, PolicySpec, Spec } from "../model/spec.ts";

type OneVf = {
  /** What wants it, for messages. */
  readonly where: string;
  readonly pf: Pf;
  readonly vf: Vf;
  /** null: the driver that it has. */
  readonly driver: DriverChoice | null;
  readonly policy: PolicySpec;
};

export function oneVfSpec({ where, pf, vf, driver, policy }: OneVf): Spec {
  const name = pf.address;
  const physicalFunctions = [{ name, match: { address: pf.address }, protect: [], where }];
  const vfs = [{ pf: name, vfIndexes: [vf.vfIndex], where }];
  return {
    source: where,
    adapters: [{ name: pf.address, match: {}, physicalFunctions, where }],
    pools: [],
    virtualFunctions: [{ vfs, driver: driver ?? choiceOf(vf), policy, where }],
    assign: [],
  };
}

/** The same for a consumer: `where` is its name. */
export function oneConsumerSpec(one: OneVf): Spec {
  const { virtualFunctions, ...spec } = oneVfSpec(one);
  const assign = virtualFunctions.flatMap(({ vfs: [vf], ...entry }): AssignSpec[] =>
    vf === undefined ? [] : [{ ...entry, to: one.where, source: { kind: "vf", vf } }],
  );
  return { ...spec, virtualFunctions: [], assign };
}
