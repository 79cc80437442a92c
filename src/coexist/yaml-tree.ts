// YAML and JSON of other managers, read with the spec's own bounded parser. Scalars are taken as
// the texts that they are: `on`, `"8"` and `8` mean to others what they mean to their own parsers.
// Every value keeps its place.

import { type PlaceAt, parseTree, type Tree } from "../model/spec/tree.ts";
import type { Complaints, ConfigFile } from "./config-file.ts";

export type ConfigTree = { readonly place: string } & (
  | {
      readonly kind: "map";
      readonly entries: readonly { readonly key: string; readonly value: ConfigTree }[];
    }
  | { readonly kind: "list"; readonly items: readonly ConfigTree[] }
  | { readonly kind: "scalar"; readonly text: string | null }
);

function withPlaces(tree: Tree, placeAt: PlaceAt): ConfigTree {
  const place = placeAt(tree.place);
  if (tree.kind === "list") {
    return { kind: "list", place, items: tree.items.map((item) => withPlaces(item, placeAt)) };
  }
  if (tree.kind === "map") {
    const entries = tree.entries.map(({ key, value }) => {
      return { key, value: withPlaces(value, placeAt) };
    });
    return { kind: "map", place, entries };
  }
  return { kind: "scalar", place, text: tree.value === null ? null : String(tree.value) };
}

/** null, with complaints, when it is not YAML. */
export function readYaml({ path, text }: ConfigFile, complaints: Complaints): ConfigTree | null {
  const { tree, placeAt, problems } = parseTree(text, path);
  for (const { where, message } of problems) complaints.add(where, message);
  return tree === null ? null : withPlaces(tree, placeAt);
}

/** Value of a key; null where there is no mapping or no such key. */
export function field(tree: ConfigTree | null, key: string): ConfigTree | null {
  if (tree?.kind !== "map") return null;
  return tree.entries.findLast((entry) => entry.key === key)?.value ?? null;
}

export const fieldsOf = (tree: ConfigTree | null) => (tree?.kind === "map" ? tree.entries : []);

export const itemsOf = (tree: ConfigTree | null): readonly ConfigTree[] =>
  tree?.kind === "list" ? tree.items : [];

/** A scalar's text; null for lists, mappings and null itself. */
export const textOf = (tree: ConfigTree | null): string | null =>
  tree?.kind === "scalar" ? tree.text : null;

/** One text or a list of them. */
export function textsOf(tree: ConfigTree | null): string[] {
  const text = textOf(tree);
  return text === null ? itemsOf(tree).flatMap((item) => textOf(item) ?? []) : [text];
}
