// Several files as one spec: what an unattended apply reads. Lists follow each other in file
// order, names are one space over all files. Whatever is wrong stays with the cards that it
// touches: the entries of all files fall into groups that share a PF or a name, and a group is
// applied whole or not at all. docs/spec.md has the rules for people.

import type { Problem } from "./problem.ts";
import type { AdapterSpec, SourcePlace, Spec } from "./spec.ts";
import { buildSpec } from "./spec/build.ts";
import { checkSpec } from "./spec/check.ts";
import {
  canonical,
  entriesOf,
  groupsOf,
  mentions,
  withoutRepeats,
  type Entry,
} from "./spec/groups.ts";
import { JoinedPlaces } from "./spec/joined-places.ts";
import { byPlace, type Places } from "./spec/places.ts";
import { readTree } from "./spec/read.ts";
import { knownNames, type LooseSpec } from "./spec/reference.ts";
import { specShape, type SpecText } from "./spec/shape.ts";
import { parseTree } from "./spec/tree.ts";

type SpecFile = {
  /** As messages name it. */
  readonly source: string;
  /** null: it is there and cannot be read. */
  readonly text: string | null;
};

export type BlockedAdapter = {
  readonly adapter: AdapterSpec;
  /** What stands in its way; never empty. */
  readonly because: readonly Problem[];
};

export type MergedSpec = {
  /** Everything that nothing stands in the way of. */
  readonly spec: Spec;
  /** All problems of all files, also of those that block no adapter. */
  readonly problems: readonly Problem[];
  readonly blocked: readonly BlockedAdapter[];
};

type ReadFile = SpecFile & { readonly problems: readonly Problem[] } & (
    | { readonly isSound: true; readonly value: LooseSpec; readonly places: Places }
    | { readonly isSound: false }
  );

function readFile(file: SpecFile): ReadFile {
  const { source, text } = file;
  const broken = (problems: readonly Problem[]): ReadFile => {
    return { ...file, problems, isSound: false };
  };
  if (text === null) {
    const message = `Cannot read ${source}: whatever it says about any PF is not known`;
    return broken([{ code: "file-unreadable", where: source, message }]);
  }
  const { tree, placeAt, problems: syntax } = parseTree(text, source);
  if (tree === null) return broken(syntax);
  if (tree.kind === "scalar" && tree.value === null) {
    const message = "The spec is empty: wanted at least apiVersion: sriovctl/v1";
    return broken([{ code: "spec-syntax", where: placeAt(tree.place), message }]);
  }
  const { value, places, problems } = readTree(specShape, {
    tree,
    placeAt,
    label: "The spec",
  });
  const all = [...syntax, ...problems].sort(byPlace);
  if (value === null || all.length > 0) return broken(all);
  return { ...file, places, problems: all, isSound: true, value };
}

type Sound = Extract<ReadFile, { isSound: true }>;
type Broken = Extract<ReadFile, { isSound: false }>;

type Definition = readonly [name: string, { readonly value: unknown; readonly where: SourcePlace }];

/** One value a name; a second that differs is a problem of everybody who uses the name. */
class Definitions {
  readonly #byName = new Map<string, Definition[1]>();
  readonly conflicts = new Map<string, Problem>();

  add(name: string, value: unknown, where: string, what: string): void {
    const first = this.#byName.get(name);
    if (first === undefined) this.#byName.set(name, { value, where });
    else if (canonical(first.value) !== canonical(value) && !this.conflicts.has(name)) {
      const message = `${what} differs from what is there: wanted it once, first at ${first.where}`;
      this.conflicts.set(name, { code: "merge-conflict", where, message });
    }
  }

  values(): Definition[] {
    return [...this.#byName];
  }
}

function profilesOf(files: readonly Sound[]): Definitions {
  const profiles = new Definitions();
  for (const { value, places } of files) {
    const ofFile = value.profiles ?? {};
    for (const [name, profile] of Object.entries(ofFile)) {
      profiles.add(name, profile, places.at(ofFile, name), `Profile ${name}`);
    }
  }
  return profiles;
}

function defaultsOf(files: readonly Sound[]): Definitions {
  const defaults = new Definitions();
  for (const { value, places } of files) {
    const ofFile = value.defaults ?? {};
    for (const [key, given] of Object.entries(ofFile)) {
      defaults.add(key, given, places.at(ofFile, key), `defaults.${key}`);
    }
  }
  return defaults;
}

/** Builds specs out of entries of several files, with places that lead back to them. */
class Assembly {
  readonly places: JoinedPlaces;
  readonly #profiles: Definitions;
  readonly #defaults: Definitions;
  readonly #source: string;

  constructor(files: readonly Sound[], source: string) {
    this.places = new JoinedPlaces(files.map(({ places }) => places));
    this.#profiles = profilesOf(files);
    this.#defaults = defaultsOf(files);
    this.#source = source;
  }

  /** Conflicts that hit these entries; those of defaults hit all. */
  conflictsOf(entries: readonly Entry[]): Problem[] {
    const used = new Set(entries.flatMap(({ profile }) => profile ?? []));
    const ofProfiles = [...this.#profiles.conflicts].filter(([name]) => used.has(name));
    return [...this.#defaults.conflicts.values(), ...ofProfiles.map(([, problem]) => problem)];
  }

  allConflicts(): Problem[] {
    return [...this.#defaults.conflicts.values(), ...this.#profiles.conflicts.values()];
  }

  /** A loose spec of these entries and the profiles that `takes` chooses. */
  specOf(entries: readonly Entry[], takes: (profile: string) => boolean): LooseSpec {
    const { places } = this;
    const where = this.#source;
    const mapping = (values: readonly Definition[]): object => {
      const object: Record<string, unknown> = Object.create(null);
      for (const [name, { value }] of values) object[name] = value;
      const placed = values.map(([name, definition]) => [name, definition.where]);
      return places.make(object, where, Object.fromEntries(placed));
    };
    const list = (key: Entry["kind"]): object => {
      const values = entries.filter(({ kind }) => kind === key).map(({ value }) => value);
      const placed = values.map((value, index) => [index, places.of(value)]);
      return places.make(values, where, Object.fromEntries(placed));
    };
    const spec = {
      apiVersion: "sriovctl/v1",
      defaults: mapping(this.#defaults.values()),
      profiles: mapping(this.#profiles.values().filter(([name]) => takes(name))),
      adapters: list("adapters"),
      pools: list("pools"),
      virtualFunctions: list("virtualFunctions"),
      assign: list("assign"),
    };
    const placed = Object.keys(spec).map((key) => [key, where]);
    return places.make(spec, where, Object.fromEntries(placed)) as LooseSpec;
  }

  /** Only of entries without problems, and of adapters, which reading made whole. */
  build(spec: LooseSpec): Spec {
    return buildSpec(spec as SpecText, this.places, this.#source);
  }
}

/** Why a broken file stands in the way of this group: it may say more about it. */
function brokenProblems(
  entries: readonly Entry[],
  broken: readonly Broken[],
  hasDefaults: boolean,
): Problem[] {
  if (!entries.some(({ kind }) => kind === "adapters")) return [];
  const names = entries.flatMap((entry) => entry.names);
  return broken.flatMap(({ source, text, problems }): Problem[] => {
    if (text === null) return [...problems];
    const mentioned = names.find((name) => mentions(text, name));
    const isDefaults = !hasDefaults && mentions(text, "defaults");
    if (mentioned === undefined && !isDefaults) return [];
    const about = mentioned ?? "defaults";
    const [first] = problems;
    const message = `${source} has problems and speaks of ${about}: what it wants is not known`;
    const hint = `Correct ${first === undefined ? source : first.where}`;
    return [{ code: "broken-file", where: source, message, hint }];
  });
}

/** Merges the files in the order given. `source` names the whole, for messages. Never throws. */
export function mergeSpecs(files: readonly SpecFile[], source: string): MergedSpec {
  const read = files.map(readFile);
  const sound = read.filter((file) => file.isSound);
  const broken = read.filter((file) => !file.isSound);
  const assembly = new Assembly(sound, source);
  const entries = withoutRepeats(sound.map(({ value, places }) => entriesOf(value, places)));
  const hasDefaults = sound.some(({ value }) => value.defaults !== undefined);
  const known = knownNames(
    assembly.specOf(entries, () => true),
    assembly.places,
  );
  const problems: Problem[] = [
    ...broken.flatMap((file) => file.problems),
    ...assembly.allConflicts(),
  ];
  const usedProfiles = new Set(entries.flatMap(({ profile }) => profile ?? []));
  const unused = assembly.specOf([], (name) => !usedProfiles.has(name));
  problems.push(...checkSpec(unused, assembly.places, known));
  const kept: Entry[] = [];
  const blocked: BlockedAdapter[] = [];
  for (const group of groupsOf(entries)) {
    const used = new Set(group.flatMap(({ profile }) => profile ?? []));
    const spec = assembly.specOf(group, (name) => used.has(name));
    const own = checkSpec(spec, assembly.places, known);
    problems.push(...own);
    const because = [
      ...own,
      ...assembly.conflictsOf(group),
      ...brokenProblems(group, broken, hasDefaults),
    ];
    if (because.length === 0) kept.push(...group);
    else {
      const adapters = group.filter(({ kind }) => kind === "adapters");
      const built = assembly.build(assembly.specOf(adapters, () => false));
      blocked.push(...built.adapters.map((adapter) => ({ adapter, because })));
    }
  }
  const order = new Map(entries.map((entry, index) => [entry, index]));
  kept.sort((left, right) => (order.get(left) ?? 0) - (order.get(right) ?? 0));
  const spec = assembly.build(assembly.specOf(kept, () => true));
  return { spec, problems, blocked };
}
