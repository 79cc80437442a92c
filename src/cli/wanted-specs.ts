// What this host is to be, as the configuration folder says it, or one file instead. Loads the YAML
// parser.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Problem } from "../model/problem.ts";
import type { Spec } from "../model/spec.ts";
import { parseSpec } from "../model/spec-text.ts";
import type { Paths } from "./paths.ts";
import { readSource } from "./spec-source.ts";

export type WantedSpec = {
  readonly source: string;
  /** null: it cannot be used, and the problems say why. */
  readonly spec: Spec | null;
  readonly problems: readonly Problem[];
};

function specFiles({ configDir }: Paths): string[] {
  if (!existsSync(configDir)) return [];
  const names = readdirSync(configDir).filter((name) => /^[^.].*\.yaml$/.test(name));
  return names.toSorted().map((name) => join(configDir, name));
}

/** Throws `file-unreadable`. */
export function readWantedSpecs(paths: Paths, file: string | null): WantedSpec[] {
  return (file === null ? specFiles(paths) : [file]).map((path) => {
    const { source, text } = readSource(path);
    const { spec, problems } = parseSpec(text, source);
    return { source, spec, problems };
  });
}
