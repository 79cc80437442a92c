// One finding of the census: a function and who uses it. Several signs of one user make one owner,
// whose evidence is the first and strongest.

import type { Address } from "../../../model/bdf.ts";
import type { Owner } from "../../../model/inventory.ts";
import { commandOf, guestNameOf, isVmm, type Process } from "./processes.ts";

export type User = { readonly address: Address; readonly owner: Owner };

/** The owner that a process is: the VM that it runs, or itself. */
export function ownerOfProcess(process: Process, evidence: string): Owner {
  const { pid } = process;
  const name = guestNameOf(process) ?? commandOf(process);
  return { kind: isVmm(process) ? "vm" : "process", name, pid, evidence };
}

/** Owners by function, each user once, in the order of the findings. */
export function groupUsers(users: readonly User[]): ReadonlyMap<Address, readonly Owner[]> {
  const byAddress = new Map<Address, Owner[]>();
  for (const { address, owner } of users) {
    const owners = byAddress.get(address);
    if (owners === undefined) byAddress.set(address, [owner]);
    else if (!owners.some((known) => isSameUser(known, owner))) owners.push(owner);
  }
  return byAddress;
}

const isSameUser = (left: Owner, right: Owner): boolean =>
  left.kind === right.kind && left.name === right.name && left.pid === right.pid;
