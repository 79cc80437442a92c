// Which PF of the host a label of the spec means. Strong keys (permanent MAC, serial with port,
// address) must all agree on one PF; names and drivers are never identity, and a wrong address
// hint only warns.

import { parseBdf, type Address } from "../model/bdf.ts";
import type { Inventory, Pf } from "../model/inventory.ts";
import type { PlanProblem } from "../model/plan.ts";
import type { Problem } from "../model/problem.ts";
import type { AdapterSpec, PfSpec, Spec } from "../model/spec.ts";

export type MatchedPf = {
  readonly pf: Pf;
  readonly spec: PfSpec;
  readonly adapter: AdapterSpec;
  /** Name of the adapter in messages and results. */
  readonly adapterName: string;
};

type Matching = {
  readonly matched: readonly MatchedPf[];
  readonly problems: readonly PlanProblem[];
  readonly warnings: readonly Problem[];
};

type Key = { readonly name: string; readonly wanted: string; readonly isOn: (pf: Pf) => boolean };

const functionOf = (address: Address): string => address.slice(-1);

const sameSerial = (left: string | null, right: string): boolean =>
  left !== null && left.toLowerCase() === right.toLowerCase();

const hasPort = (pf: Pf, port: string): boolean =>
  pf.netdevs.some(({ portName }) => portName === port) || functionOf(pf.address) === port;

function keysOf(adapter: AdapterSpec, { match }: PfSpec): Key[] {
  const keys: Key[] = [];
  const { permanentMac, port, address } = match;
  const serial = match.serial ?? adapter.match.serial;
  if (permanentMac !== undefined) {
    const wanted = permanentMac.toLowerCase();
    keys.push({ name: "permanentMac", wanted, isOn: (pf) => pf.permanentMac === wanted });
  }
  if (serial !== undefined) {
    keys.push({ name: "serial", wanted: serial, isOn: (pf) => sameSerial(pf.serial, serial) });
  }
  if (port !== undefined) {
    keys.push({ name: "port", wanted: port, isOn: (pf) => hasPort(pf, port) });
  }
  if (address !== undefined) {
    keys.push({ name: "address", wanted: address, isOn: (pf) => pf.address === address });
  }
  return keys;
}

const shown = (keys: readonly Key[]): string =>
  keys.map(({ name, wanted }) => `${name} ${wanted}`).join(" and ");

type Answer = { readonly pf: Pf } | { readonly code: string; readonly message: string };

function findPf(inventory: Inventory, spec: PfSpec, keys: readonly Key[]): Answer {
  const pfs = inventory.physicalFunctions;
  if (keys.length === 0) {
    const message = `Cannot match ${spec.name}: it has no key, wanted permanentMac, serial or address`;
    return { code: "pf-without-key", message };
  }
  const [pf, ...more] = pfs.filter((pf) => keys.every(({ isOn }) => isOn(pf)));
  if (pf !== undefined && more.length === 0) return { pf };
  if (pf !== undefined) {
    const addresses = [pf, ...more].map(({ address }) => address).join(", ");
    const message = `Cannot match ${spec.name}: ${shown(keys)} fits ${addresses}, wanted one PF`;
    return { code: "pf-ambiguous", message };
  }
  const partly = pfs.find((pf) => keys.some(({ isOn }) => isOn(pf)));
  if (partly !== undefined) {
    const right = keys.filter(({ isOn }) => isOn(partly));
    const wrong = keys.filter(({ isOn }) => !isOn(partly));
    const message = `Cannot match ${spec.name}: ${partly.address} has ${shown(right)} but not ${shown(wrong)}`;
    return { code: "pf-keys-disagree", message };
  }
  const known = pfs.map(({ address }) => address).join(", ") || "none";
  const message = `Cannot find ${spec.name}: no PF has ${shown(keys)}, this host has ${known}`;
  return { code: "pf-not-found", message };
}

function hintWarning({ pf, spec }: MatchedPf): Problem[] {
  const hint = spec.addressHint;
  if (hint === undefined || hint === pf.address) return [];
  const message = `${spec.name} is at ${pf.address}: addressHint says ${hint}`;
  const fix = parseBdf(hint) === null ? "Write it as 0000:3b:00.0" : "Correct the hint";
  return [{ code: "address-hint", where: spec.where, message, hint: fix }];
}

/** Finds the PF of every label; a label without exactly one PF is a problem. */
export function matchPfs(spec: Spec, inventory: Inventory): Matching {
  const matched: MatchedPf[] = [];
  const problems: PlanProblem[] = [];
  const takenBy = new Map<Address, string>();
  for (const adapter of spec.adapters) {
    for (const pfSpec of adapter.physicalFunctions) {
      const adapterName = adapter.name ?? pfSpec.name;
      const problem = (code: string, message: string, hint: string): void => {
        problems.push({ code, where: pfSpec.where, message, hint, adapter: adapterName });
      };
      const answer = findPf(inventory, pfSpec, keysOf(adapter, pfSpec));
      if (!("pf" in answer)) {
        problem(answer.code, answer.message, "See sriovctl list for the PFs and their keys");
        continue;
      }
      const { pf } = answer;
      const other = takenBy.get(pf.address);
      if (other === undefined) {
        takenBy.set(pf.address, pfSpec.name);
        matched.push({ pf, spec: pfSpec, adapter, adapterName });
      } else {
        const message = `${pfSpec.name} and ${other} are both ${pf.address}: wanted one label a PF`;
        problem("pf-matched-twice", message, "Remove one of them");
      }
    }
  }
  return { matched, problems, warnings: matched.flatMap(hintWarning) };
}
