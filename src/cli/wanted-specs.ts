// What this host is to be, as the configuration folder says it (all of its files as one spec), or one
// file instead. Loads the YAML parser.

import type { Problem } from "../model/problem.ts";
import type { Spec } from "../model/spec.ts";
import { parseSpec } from "../model/spec-text.ts";
import type { Paths } from "./paths.ts";
import { readSpecDirectory } from "./spec-directory.ts";
import { readSource } from "./spec-source.ts";

export type WantedSpec = {
  /** The file, or the folder. */
  readonly source: string;
  readonly files: readonly string[];
  /** Without what the problems stand in the way of; null: nothing of it can be used. */
  readonly spec: Spec | null;
  readonly problems: readonly Problem[];
};

function readFolder({ configDir: source }: Paths): WantedSpec | null {
  const { files, merged } = readSpecDirectory(source);
  if (files.length === 0) return null;
  const { spec, problems } = merged;
  const isUsable = spec.adapters.length > 0 || problems.length === 0;
  return {
    source: files.length === 1 ? (files[0]?.path ?? source) : source,
    files: files.map(({ path }) => path),
    spec: isUsable ? spec : null,
    problems,
  };
}

/** null: nothing is wanted. Throws `file-unreadable`. */
export function readWantedSpec(paths: Paths, file: string | null): WantedSpec | null {
  if (file === null) return readFolder(paths);
  const { source, text } = readSource(file);
  const { spec, problems } = parseSpec(text, source);
  return { source, files: [source], spec, problems };
}
