// From the text of a spec to a Spec, or to every problem with it: text to tree (places), tree
// along the shape (keys and values), then the rules between keys. Loads the yaml and zod
// libraries, so only commands that read a spec import this file.

import type { Problem } from "./problem.ts";
import type { Spec } from "./spec.ts";
import { buildSpec } from "./spec/build.ts";
import { checkSpec } from "./spec/check.ts";
import { byPlace } from "./spec/places.ts";
import { readTree } from "./spec/read.ts";
import { specShape, type SpecText } from "./spec/shape.ts";
import { parseTree } from "./spec/tree.ts";

type ParsedSpec = {
  /** null exactly when there are problems. */
  readonly spec: Spec | null;
  /** All of them, in the order of the text; `where` is `source:line:column`. */
  readonly problems: readonly Problem[];
};

/** Parses YAML or JSON; `source` is the file's name as the user gave it. Never throws. */
export function parseSpec(text: string, source: string): ParsedSpec {
  const { tree, placeAt, problems: syntax } = parseTree(text, source);
  if (tree === null) return { spec: null, problems: syntax };
  if (tree.kind === "scalar" && tree.value === null) {
    const message = "The spec is empty: wanted at least apiVersion: sriovctl/v1";
    return { spec: null, problems: [{ code: "spec-syntax", where: placeAt(tree.place), message }] };
  }
  const {
    value,
    places,
    problems: shape,
  } = readTree(specShape, { tree, placeAt, label: "The spec" });
  const rules = value === null ? [] : checkSpec(value, places);
  const problems = [...syntax, ...shape, ...rules].sort(byPlace);
  if (problems.length > 0 || value === null) return { spec: null, problems };
  // Nothing was refused, so nothing is missing.
  return { spec: buildSpec(value as SpecText, places, source), problems };
}
