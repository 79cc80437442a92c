// What the configuration of other managers says about a PF's SR-IOV: who, in which file and line,
// of which PFs, and what it sets. A selector is judged against the inventory; what only the
// running manager could judge makes the answer "maybe", never a guess.

import type { Address } from "./bdf.ts";
import type { EswitchMode, Pf } from "./inventory.ts";
import type { PolicySpec, SourcePlace } from "./spec.ts";

const managerNames = [
  "networkd",
  "networkmanager",
  "netplan",
  "nmstate",
  "sysfs",
  "udev",
  "tmpfiles",
  "modprobe",
  "script",
  "sriov-operator",
  "proxmox",
  "unraid",
] as const;

export type ManagerName = (typeof managerNames)[number];

/** Which PFs a claim is about: keys must all agree, of each list one pattern is enough. Patterns
 * are shell globs; one that begins with `!` excludes. */
export type PfSelector = {
  readonly names?: readonly string[];
  readonly macs?: readonly string[];
  readonly permanentMacs?: readonly string[];
  readonly addresses?: readonly Address[];
  /** udev's ID_PATH, `pci-0000:3b:00.0`. */
  readonly paths?: readonly string[];
  readonly drivers?: readonly string[];
  /** `8086:10fb`. */
  readonly ids?: readonly string[];
  /** The PF that one of these VFs belongs to. */
  readonly vfAddresses?: readonly Address[];
  /** Conditions that the inventory cannot answer: `Host=web1`. */
  readonly unjudged: readonly string[];
};

export type ClaimSetting = { readonly where: SourcePlace } & (
  | { readonly kind: "num-vfs"; readonly numVfs: number }
  | { readonly kind: "eswitch-mode"; readonly mode: EswitchMode }
  | { readonly kind: "autoprobe"; readonly isOn: boolean }
  | { readonly kind: "vf"; readonly vfIndex: number; readonly policy: PolicySpec }
  /** A VF that the manager knows by its netdev's name. */
  | { readonly kind: "vf-netdev"; readonly netdevs: readonly string[]; readonly policy: PolicySpec }
  /** The PF itself goes to a guest. */
  | { readonly kind: "pf-assigned"; readonly to: string }
  /** A VF goes to a guest: its consumer's business, not the PF's. */
  | { readonly kind: "vf-assigned"; readonly vfAddress: Address; readonly to: string }
  /** Something that a spec has no word for: `max_vfs=8,8`. */
  | { readonly kind: "other"; readonly words: string }
);

export type Claim = {
  readonly manager: ManagerName;
  readonly selector: PfSelector;
  /** Of the claims with the same word only the first that fits a PF holds, as systemd takes the
   * first .link file; null: all hold. Claims are in the manager's own order. */
  readonly firstOf: string | null;
  /** Empty where a file fits PFs and says nothing about SR-IOV. */
  readonly settings: readonly ClaimSetting[];
};

type Judgement = "yes" | "no" | "maybe";

/** Shell glob (`*`, `?`, `[a-z]`) against a whole text, without backtracking over more than the
 * last star. */
export function fitsGlob(glob: string, text: string): boolean {
  let [at, pos, starAt, starPos] = [0, 0, -1, 0];
  while (pos < text.length) {
    const step = glob[at] === "*" ? null : stepOf(glob, at, text[pos] ?? "");
    if (glob[at] === "*") {
      [starAt, starPos] = [at, pos];
      at += 1;
    } else if (step !== null) {
      at = step;
      pos += 1;
    } else if (starAt >= 0) {
      starPos += 1;
      [at, pos] = [starAt + 1, starPos];
    } else return false;
  }
  while (glob[at] === "*") at += 1;
  return at >= glob.length;
}

/** Where the glob goes on after one character; null when it does not take it. */
function stepOf(glob: string, at: number, character: string): number | null {
  const here = glob[at];
  if (here === undefined) return null;
  if (here === "?") return at + 1;
  const end = here === "[" ? glob.indexOf("]", at + 2) : -1;
  if (end === -1) return here === character ? at + 1 : null;
  const isInverted = glob[at + 1] === "!" || glob[at + 1] === "^";
  const set = glob.slice(at + (isInverted ? 2 : 1), end);
  return isInSet(set, character) === isInverted ? null : end + 1;
}

function isInSet(set: string, character: string): boolean {
  for (let at = 0; at < set.length; at++) {
    const [low = "", dash, high] = [set[at], set[at + 1], set[at + 2]];
    if (dash === "-" && high !== undefined) {
      if (low <= character && character <= high) return true;
      at += 2;
    } else if (low === character) return true;
  }
  return false;
}

/** One of the patterns fits one of the values, and no excluding pattern does. */
function fitsSome(patterns: readonly string[], values: readonly (string | null)[]): boolean {
  const known = values.filter((value) => value !== null);
  const fits = (pattern: string): boolean => known.some((value) => fitsGlob(pattern, value));
  const excluding = patterns.filter((pattern) => pattern.startsWith("!"));
  if (excluding.some((pattern) => fits(pattern.slice(1)))) return false;
  return excluding.length === patterns.length || patterns.some(fits);
}

const hex4 = (value: number): string => value.toString(16).padStart(4, "0");

type Values = Readonly<Record<string, readonly (string | null)[]>>;

/** What a PF has to show to each key of a selector. */
function valuesOf(pf: Pf): Values {
  const { netdevs, permanentMac } = pf;
  const permanentMacs = [permanentMac, ...netdevs.map((netdev) => netdev.permanentMac)];
  return {
    names: netdevs.map(({ name }) => name),
    // When the netdev appears, and a bond has not given it another one, it has its permanent MAC.
    macs: [...netdevs.map(({ mac }) => mac), ...permanentMacs],
    permanentMacs,
    addresses: [pf.address],
    paths: [`pci-${pf.address}`],
    drivers: [pf.driver],
    ids: [`${hex4(pf.vendorId)}:${hex4(pf.deviceId)}`],
    vfAddresses: pf.virtualFunctions.map(({ address }) => address),
  };
}

/** Whether a selector is about the PF with these values; `maybe` where everything known fits and
 * something is not known. */
function judgeSelector(selector: PfSelector, values: Values): Judgement {
  const { unjudged, ...keys } = selector;
  const isOff = Object.entries(keys).some(([key, patterns]) => {
    return !fitsSome(patterns, values[key] ?? []);
  });
  if (isOff) return "no";
  return unjudged.length > 0 ? "maybe" : "yes";
}

type PfClaim = { readonly claim: Claim; readonly judgement: "yes" | "maybe" };

/** The claims about this PF, in order, without those that an earlier file of theirs outranks. */
export function claimsOn(pf: Pf, claims: readonly Claim[]): PfClaim[] {
  const taken = new Set<string>();
  const values = valuesOf(pf);
  const found: PfClaim[] = [];
  for (const claim of claims) {
    const { firstOf, manager } = claim;
    const group = firstOf === null ? null : `${manager} ${firstOf}`;
    if (group !== null && taken.has(group)) continue;
    const judgement = judgeSelector(claim.selector, values);
    if (judgement === "no") continue;
    if (group !== null && judgement === "yes") taken.add(group);
    if (claim.settings.length > 0) found.push({ claim, judgement });
  }
  return found;
}

/** Both policies; where both say something the later one holds, of rates each on its own. */
export function mergedPolicy(before: PolicySpec, next: PolicySpec): PolicySpec {
  const rates = [before.rate, next.rate].filter((rate) => typeof rate === "object");
  const rate = rates.length === 0 ? {} : { rate: Object.assign({}, ...rates) };
  return { ...before, ...next, ...rate };
}
