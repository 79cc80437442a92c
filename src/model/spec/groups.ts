// Entries of several files, and which of them belong together: those that share a PF, a pool, a
// consumer, or a key by which a card is found. What one of a group gets wrong may be meant for any
// other of it, and for nobody else.

import type { Places } from "./places.ts";
import { type LooseAdapter, type LooseSpec, setsOf } from "./reference.ts";

export type Entry = {
  readonly kind: "adapters" | "pools" | "virtualFunctions" | "assign";
  readonly value: object;
  /** Entries with a key in common belong together: `pf p0`, `pool tenants`. */
  readonly keys: readonly string[];
  /** Words by which another file would speak of it. */
  readonly names: readonly string[];
  readonly profile: string | null;
};

/** The same text for values that differ only in the order of their keys. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

const present = (...values: readonly (string | undefined)[]): string[] =>
  values.filter((value) => value !== undefined);

const withKind = (kind: string, values: readonly string[]): string[] =>
  values.map((value) => `${kind} ${value}`);

function adapterEntry(adapter: LooseAdapter): Entry {
  const pfs = adapter.physicalFunctions ?? [];
  const own = present(adapter.name);
  const labels = pfs.flatMap(({ name }) => present(name));
  const macs = pfs.flatMap(({ match }) => present(match?.permanentMac));
  const addresses = pfs.flatMap(({ match }) => present(match?.address));
  const serials = [adapter, ...pfs].flatMap(({ match }) => present(match?.serial));
  const keys = [
    ...withKind("adapter", own),
    ...withKind("pf", labels),
    ...withKind("permanentMac", macs),
    ...withKind("address", addresses),
  ];
  const names = [...own, ...labels, ...macs, ...addresses, ...serials];
  return { kind: "adapters", value: adapter, keys, names, profile: null };
}

/** Entries of one file, in the order of the kinds. */
export function entriesOf(spec: LooseSpec, places: Places): Entry[] {
  const pools = (spec.pools ?? []).map((pool): Entry => {
    const pfs = setsOf(pool, places).map(({ set }) => set.pf);
    const names = present(pool.name);
    const keys = [...withKind("pool", names), ...withKind("pf", pfs)];
    return { kind: "pools", value: pool, keys, names, profile: pool.profile ?? null };
  });
  const policies = (spec.virtualFunctions ?? []).map((entry): Entry => {
    const keys = withKind(
      "pf",
      setsOf(entry, places).map(({ set }) => set.pf),
    );
    const { profile = null } = entry;
    return { kind: "virtualFunctions", value: entry, keys, names: [], profile };
  });
  const assignments = (spec.assign ?? []).map((entry): Entry => {
    const { to, pool, vf, profile = null } = entry;
    const keys = [
      ...withKind("to", present(to?.text)),
      ...withKind("pool", present(pool)),
      ...withKind("pf", present(vf?.pf)),
    ];
    return { kind: "assign", value: entry, keys, names: present(to?.text), profile };
  });
  return [...(spec.adapters ?? []).map(adapterEntry), ...pools, ...policies, ...assignments];
}

/** What an earlier file says word for word is said once; a repeat inside a file is its problem. */
export function withoutRepeats(files: readonly (readonly Entry[])[]): Entry[] {
  const seen = new Set<string>();
  return files.flatMap((entries) => {
    const texts = entries.map(({ kind, value }) => `${kind} ${canonical(value)}`);
    const fresh = entries.filter((_, index) => !seen.has(texts[index] ?? ""));
    for (const text of texts) seen.add(text);
    return fresh;
  });
}

/** The entries in groups, each group in the order of its first entry. */
export function groupsOf(entries: readonly Entry[]): Entry[][] {
  const groupOf = new Map<string, Entry[]>();
  const groups = new Set<Entry[]>();
  for (const entry of entries) {
    const touched = new Set(entry.keys.flatMap((key) => [groupOf.get(key) ?? []]));
    const [group = [], ...others] = [...touched].filter((one) => groups.has(one));
    const joining = [...others.flat(), entry];
    for (const other of others) groups.delete(other);
    group.push(...joining);
    for (const member of joining) for (const key of member.keys) groupOf.set(key, group);
    groups.add(group);
  }
  return [...groups];
}

const plain = (text: string): string => text.toLowerCase().replaceAll("-", ":");

/** Whether `name` stands in `text` as a word, as a MAC or serial number however it is written. */
export function mentions(text: string, name: string): boolean {
  const escaped = plain(name).replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(`(?<![a-z0-9_])${escaped}(?![a-z0-9_])`).test(plain(text));
}
