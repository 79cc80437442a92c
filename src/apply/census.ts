// The last look before a change that can hit somebody. Whoever uses the functions right now must
// be named in the recorded consent, whether the change goes forwards, backwards or is taken up
// again after a crash: a user who came after the plan was made has agreed to nothing.

import { isOnVf, type Change, type Disruption } from "../model/action.ts";
import type { Address } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import { vfAt, type Owner, type Pf } from "../model/inventory.ts";
import type { Host } from "../host/host.ts";
import { consentWord, disruptionsOf } from "../plan/disruption.ts";
import { changeWords } from "../plan/plan-text.ts";

const someone: readonly Owner[] = [{ kind: "unknown", name: "", pid: null, evidence: "" }];

/** The PF as if these functions, and no others, had users. */
const withOwners = (pf: Pf, ownersOf: (address: string) => readonly Owner[]): Pf => ({
  ...pf,
  owners: ownersOf(pf.address),
  virtualFunctions: pf.virtualFunctions.map((vf) => ({ ...vf, owners: ownersOf(vf.address) })),
});

/** VFs that the change is about; a PF's own change is about all of them. */
function vfsOf(change: Change, pf: Pf): Pf["virtualFunctions"] {
  if (!isOnVf(change)) return pf.virtualFunctions;
  const vf = vfAt(pf, change.vfIndex);
  return vf === null ? [] : [vf];
}

/** Nobody can use a function without a driver, and creating VFs hits none that exists. */
function isHarmless(change: Change, pf: Pf): boolean {
  const vfs = vfsOf(change, pf);
  if (isOnVf(change) && vfs.every(({ driver }) => driver === null)) return true;
  return (
    disruptionsOf(
      change,
      withOwners({ ...pf, virtualFunctions: vfs }, () => someone),
    ).length === 0
  );
}

/**
 * Users whom a running apply brought itself, beside the words of the consent: one user of one
 * function, or the host's own traffic on VFs that it has just made (a network manager may give
 * them addresses at once). They are as old as the run and go with it: a recover or a rollback
 * later asks about them like about anybody.
 */
export const broughtUser = (user: Pick<Owner, "kind" | "name">, target: Address): string =>
  `${consentWord(user)}@${target}`;

export const broughtVfs = (pf: Address): string => `traffic@${pf}/vf`;

function isBrought({ kind, name, target }: Disruption, consent: ReadonlySet<string>): boolean {
  if (consent.has(broughtUser({ kind, name }, target))) return true;
  const [pf = "", vf] = target.split("/");
  const isTraffic = kind === "netdev" || kind === "route";
  return vf !== undefined && isTraffic && consent.has(broughtVfs(pf));
}

export const unnamedUsers = (
  disruptions: readonly Disruption[],
  consent: ReadonlySet<string>,
): Disruption[] =>
  disruptions.filter((user) => !consent.has(consentWord(user)) && !isBrought(user, consent));

/** `what` is not done, and these are the users who did not agree to it. */
export function wouldDisrupt(
  operation: string,
  what: string,
  unnamed: readonly Disruption[],
): SriovError {
  const users = [...new Set(unnamed.map(consentWord))];
  const message = `Cannot ${what}: it would disrupt ${users.join(", ")}`;
  const hint = `To do it anyway: ${users.map((user) => `--allow-disruption ${user}`).join(" ")}`;
  const target = unnamed[0]?.target ?? "host";
  return new SriovError("would-disrupt", message, { operation, target, hint });
}

/** Throws `would-disrupt` naming every user that the consent does not name. */
export async function refuseUnnamedUsers(
  change: Change,
  pf: Pf,
  { host, consent }: { readonly host: Host; readonly consent: ReadonlySet<string> },
): Promise<void> {
  if (isHarmless(change, pf)) return;
  const vfs = vfsOf(change, pf);
  const owners = await host.owners([pf.address, ...vfs.map(({ address }) => address)]);
  const seen = withOwners({ ...pf, virtualFunctions: vfs }, (address) => owners.get(address) ?? []);
  const unnamed = unnamedUsers(disruptionsOf(change, seen), consent);
  const [first] = unnamed;
  if (first === undefined) return;
  throw wouldDisrupt(change.kind, `${changeWords(change)} on ${first.target}`, unnamed);
}
