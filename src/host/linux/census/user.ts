// One finding of the census: a function and who uses it. Several signs of one user make one owner:
// the first and strongest is its evidence, the others go with it.

import type { Address } from "../../../model/bdf.ts";
import type { Owner } from "../../../model/inventory.ts";
import { commandOf, guestNameOf, guestNumberOf, isVmm, type Process } from "./processes.ts";

export type User = { readonly address: Address; readonly owner: Owner };

/** The owner that a process is: the VM that it runs, or itself. */
export function ownerOfProcess(process: Process, evidence: string): Owner {
  const { pid } = process;
  const name = guestNameOf(process) ?? commandOf(process);
  const number = guestNumberOf(process);
  const numbered = number === null ? {} : { number };
  return { kind: isVmm(process) ? "vm" : "process", name, ...numbered, pid, evidence };
}

/** Owners by function, each user once, in the order of the findings. */
export function groupUsers(users: readonly User[]): ReadonlyMap<Address, readonly Owner[]> {
  const byAddress = new Map<Address, Owner[]>();
  for (const { address, owner } of users) {
    const owners = byAddress.get(address);
    if (owners === undefined) byAddress.set(address, [owner]);
    else addOwner(owners, owner);
  }
  return byAddress;
}

/** What a person reads of one user; more says nothing more. */
const evidenceMax = 8;

function addOwner(owners: Owner[], owner: Owner): void {
  const at = owners.findIndex((known) => isSameUser(known, owner));
  const known = owners[at];
  if (known === undefined) owners.push(owner);
  else owners[at] = mergedOwner(known, owner);
}

/** A sign that does not tell the process is of whoever has the name. */
const isSameUser = (left: Owner, right: Owner): boolean =>
  left.kind === right.kind &&
  left.name === right.name &&
  (left.pid === right.pid || left.pid === null || right.pid === null);

const signsOf = ({ evidence, moreEvidence = [] }: Owner): readonly string[] => [
  evidence,
  ...moreEvidence,
];

function mergedOwner(known: Owner, next: Owner): Owner {
  const [evidence = "", ...more] = new Set([...signsOf(known), ...signsOf(next)]);
  return {
    ...next,
    ...known,
    pid: known.pid ?? next.pid,
    evidence,
    ...(more.length === 0 ? {} : { moreEvidence: more.slice(0, evidenceMax - 1) }),
  };
}
