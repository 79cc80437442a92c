// Who is to have a function by some manager's configuration, whether or not it has it now: a VM
// that is defined with a VF and is off, a pool of VFs, a network manager that sets the interface
// up. A reservation is no use: it is shown and warned of, and nobody's consent is asked for it.

import type { Address } from "./bdf.ts";
import type { Inventory, Owner, Pf, Vf } from "./inventory.ts";
import type { Problem } from "./problem.ts";

export type Reservation = {
  readonly kind: "vm" | "container" | "pool" | "manager";
  readonly name: string;
  /** Whose configuration says so: `libvirt`, `proxmox`, `networkd` ... */
  readonly manager: string;
  /** `function`: this very function for itself; `vfs`: whichever VF of this PF is free; `shares`:
   * on top of its interface, beside others; `manages`: it sets the interface up, whoever uses it. */
  readonly role: "function" | "vfs" | "shares" | "manages";
  /** File, colon, what it says. */
  readonly evidence: readonly string[];
};

/** Of a function that is not there, such as a VF that nobody has made. */
export type AbsentReservation = {
  readonly address: Address;
  readonly reservation: Reservation;
};

/** A reservation as a file tells it, before it is known which function is meant. */
export type Wish = {
  readonly reservation: Reservation;
  readonly target:
    | { readonly address: Address }
    | { readonly netdev: string }
    | { readonly ifindex: number };
  /** Its manager says that it is in place now. */
  readonly isLive: boolean;
};

export type WishReading = {
  readonly wishes: readonly Wish[];
  readonly problems: readonly Problem[];
};

/** What a host's configuration comes to. */
export type HostWishes = WishReading & WishOptions;

type Place = {
  readonly isPf: boolean;
  readonly owners: readonly Owner[];
  readonly known: readonly Reservation[];
  readonly wishes: Wish[];
};

type Places = {
  readonly byAddress: ReadonlyMap<Address, Place>;
  /** By name and by number. */
  readonly byNetdev: ReadonlyMap<string | number, Place>;
};

function placesOf({ physicalFunctions }: Inventory): Places {
  const byAddress = new Map<Address, Place>();
  const byNetdev = new Map<string | number, Place>();
  const add = (fn: Pf | Vf, isPf: boolean): void => {
    const place = { isPf, owners: fn.owners, known: fn.reservations ?? [], wishes: [] };
    byAddress.set(fn.address, place);
    for (const { name, ifindex, altNames = [] } of fn.netdevs) {
      if (ifindex !== null) byNetdev.set(ifindex, place);
      for (const each of [name, ...altNames]) byNetdev.set(each, place);
    }
  };
  for (const pf of physicalFunctions) {
    add(pf, true);
    for (const vf of pf.virtualFunctions) add(vf, false);
  }
  return { byAddress, byNetdev };
}

const isSame = (left: Pick<Owner, "name"> & { kind: string }, right: Reservation): boolean =>
  left.kind === right.kind && left.name === right.name;

function mergedReservations(reservations: readonly Reservation[]): Reservation[] {
  const merged: Reservation[] = [];
  for (const reservation of reservations) {
    const at = merged.findIndex(
      (known) =>
        isSame(known, reservation) &&
        known.role === reservation.role &&
        known.manager === reservation.manager,
    );
    const known = merged[at];
    if (known === undefined) merged.push(reservation);
    else {
      const evidence = [...new Set([...known.evidence, ...reservation.evidence])];
      merged[at] = { ...known, evidence };
    }
  }
  return merged;
}

/** Whoever uses the function already has the file as one sign more. */
function withSigns(owner: Owner, wishes: readonly Wish[]): Owner {
  const { evidence, moreEvidence = [] } = owner;
  const known = new Set([evidence, ...moreEvidence]);
  const signs = new Set(
    wishes.flatMap(({ reservation }) => (isSame(owner, reservation) ? reservation.evidence : [])),
  ).difference(known);
  return signs.size === 0 ? owner : { ...owner, moreEvidence: [...moreEvidence, ...signs] };
}

type WishOptions = {
  /** Without processes to look at, what a manager calls running is the only sign of use. */
  readonly hasProcesses: boolean;
};

function ownersFrom(wishes: readonly Wish[]): Owner[] {
  const live = wishes.flatMap(({ isLive, reservation }) => (isLive ? [reservation] : []));
  return mergedReservations(live).flatMap(({ kind, name, evidence: [evidence = "", ...more] }) =>
    kind === "vm" || kind === "container"
      ? [{ kind, name, pid: null, evidence, ...(more.length === 0 ? {} : { moreEvidence: more }) }]
      : [],
  );
}

type Reserved = Pick<Pf, "owners" | "reservations">;

function reservedBy({ owners, known, wishes }: Place, { hasProcesses }: WishOptions): Reserved {
  const found = hasProcesses ? [] : ownersFrom(wishes);
  const users = [
    ...owners,
    ...found.filter(
      (each) => !owners.some(({ kind, name }) => kind === each.kind && name === each.name),
    ),
  ].map((owner) => withSigns(owner, wishes));
  const left = [...known, ...wishes.map(({ reservation }) => reservation)].filter(
    (reservation) => !users.some((owner) => isSame(owner, reservation)),
  );
  return { owners: users, reservations: mergedReservations(left) };
}

/** So many that name no function are kept: a host's files may be of another host. */
const elsewhereMax = 4096;

/** The inventory with what the wishes come to on its functions, and what they name besides. */
export function withWishes(
  inventory: Inventory,
  wishes: readonly Wish[],
  options: WishOptions,
): Inventory {
  if (wishes.length === 0) return { reservedElsewhere: [], ...inventory };
  const { byAddress, byNetdev } = placesOf(inventory);
  const reservedElsewhere = [...(inventory.reservedElsewhere ?? [])];
  for (const wish of wishes) {
    const { target, reservation } = wish;
    const place =
      "address" in target
        ? byAddress.get(target.address)
        : byNetdev.get("netdev" in target ? target.netdev : target.ifindex);
    if (place === undefined && "address" in target && reservedElsewhere.length < elsewhereMax) {
      reservedElsewhere.push({ address: target.address, reservation });
    }
    if (place !== undefined && (place.isPf || reservation.role !== "vfs")) place.wishes.push(wish);
  }
  const reserved = (address: Address): Partial<Reserved> => {
    const place = byAddress.get(address);
    return place === undefined || place.wishes.length === 0 ? {} : reservedBy(place, options);
  };
  return {
    ...inventory,
    reservedElsewhere,
    physicalFunctions: inventory.physicalFunctions.map((pf) => ({
      ...pf,
      ...reserved(pf.address),
      virtualFunctions: pf.virtualFunctions.map((vf) => ({ ...vf, ...reserved(vf.address) })),
    })),
  };
}
