// Where two believe that they own a PF or a VF: it works until both want it. Computed from the
// inventory's owners, reservations and claims alone, so that it is the same for every host.

import { vfTarget } from "../model/bdf.ts";
import { type Claim, claimsOn } from "../model/claim.ts";
import type { Conflict, ConflictKind } from "../model/conflict.ts";
import type { Owner, Pf, Vf } from "../model/inventory.ts";
import type { Reservation } from "../model/reservation.ts";

const wordOf = ({ kind, name }: { readonly kind: string; readonly name: string }): string =>
  `${kind}:${name}`;

const ofRole = (
  { reservations = [] }: Pf | Vf,
  role: Reservation["role"],
): readonly Reservation[] => reservations.filter((each) => each.role === role);

/** Kinds that have a function for themselves while they have it. */
const exclusive: ReadonlySet<Owner["kind"]> = new Set(["vm", "container"]);

const guestsOf = ({ owners }: Pf | Vf): string[] =>
  owners.filter(({ kind }) => exclusive.has(kind)).map(wordOf);

const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

function ofFunction(fn: Pf | Vf, target: string): Conflict[] {
  const users = guestsOf(fn);
  const reserving = ofRole(fn, "function").map(wordOf);
  const parties = [...new Set([...users, ...reserving])];
  if (parties.length < 2) return [];
  const [user] = users;
  const others = parties.filter((party) => party !== user);
  const sentence =
    user === undefined
      ? `${listed(parties)} are all to have ${target}: only one of them can`
      : `${user} has ${target}, and ${listed(others)} cannot start with it meanwhile`;
  return [{ kind: "function", target, address: fn.address, parties, sentence }];
}

/** A pool does not know who else was given one of its VFs, and hands it out. */
function ofPools(pf: Pf): Conflict[] {
  const pools = ofRole(pf, "vfs");
  // Guests of one manager get their VFs from it: it knows them all.
  const giverOf = (pool: Reservation): string =>
    pool.kind === "pool" ? wordOf(pool) : pool.manager;
  const names = [...new Set(pools.map(giverOf))];
  const [pool] = names;
  if (pool === undefined) return [];
  const { address } = pf;
  const shared: Conflict[] =
    names.length < 2
      ? []
      : [
          {
            kind: "pools",
            target: address,
            address,
            parties: names,
            sentence: `${listed(names)} hand out VFs of ${address}, each without knowing of the other`,
          },
        ];
  const named = pf.virtualFunctions.flatMap((vf): Conflict[] => {
    const strangers = ofRole(vf, "function").filter((each) => giverOf(each) !== pool);
    const guests = [...new Set(strangers.map(wordOf))];
    if (guests.length === 0) return [];
    const target = vfTarget(address, vf.vfIndex);
    const sentence = `${pool} may hand out ${target}, which is ${listed(guests)}'s by name`;
    const parties = [pool, ...guests];
    return [{ kind: "pool-and-guest", target, address: vf.address, parties, sentence }];
  });
  return [...shared, ...named];
}

/** Who gets a PF takes its VFs away from everybody else. */
function ofWholePf(pf: Pf): Conflict[] {
  const takers = [...new Set([...guestsOf(pf), ...ofRole(pf, "function").map(wordOf)])];
  const vfs = pf.virtualFunctions.filter(
    (vf) => guestsOf(vf).length > 0 || ofRole(vf, "function").length > 0,
  );
  const [first] = vfs;
  if (takers.length === 0 || first === undefined) return [];
  const users = [
    ...new Set(vfs.flatMap((vf) => [...guestsOf(vf), ...ofRole(vf, "function").map(wordOf)])),
  ];
  const sentence = `${listed(takers)} is to have the whole PF ${pf.address}, and its VFs go from ${listed(users)} then`;
  const { address } = pf;
  const parties = [...takers, ...users];
  return [{ kind: "whole-pf", target: address, address, parties, sentence }];
}

/** More than one network manager for an interface, or for a PF's VFs. */
function ofManagers(pf: Pf, claims: readonly Claim[]): Conflict[] {
  const { address } = pf;
  const conflict = (kind: ConflictKind, parties: readonly string[], sentence: string): Conflict[] =>
    parties.length < 2 ? [] : [{ kind, target: address, address, parties, sentence }];
  const managing = [...new Set(ofRole(pf, "manages").map(({ name }) => name))];
  const setting = new Set<string>();
  for (const { claim, judgement } of claimsOn(pf, claims)) {
    const setsVfs = claim.settings.some(
      ({ kind }) => kind !== "vf-assigned" && kind !== "pf-assigned",
    );
    if (judgement === "yes" && setsVfs) setting.add(claim.manager);
  }
  const both = [...setting];
  return [
    ...conflict(
      "interface-managers",
      managing,
      `${listed(managing)} both set up the interface of ${address}`,
    ),
    ...conflict(
      "vf-managers",
      both,
      `${listed(both)} both set up the VFs of ${address}, and undo each other`,
    ),
  ];
}

/** Everything on a PF and its VFs that two want, PF first. */
export const conflictsOn = (pf: Pf, claims: readonly Claim[]): Conflict[] => [
  ...ofManagers(pf, claims),
  ...ofFunction(pf, pf.address),
  ...ofWholePf(pf),
  ...ofPools(pf),
  ...pf.virtualFunctions.flatMap((vf) => ofFunction(vf, vfTarget(pf.address, vf.vfIndex))),
];
