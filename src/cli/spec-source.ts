// Reads a spec from a file or from standard input. Loads the YAML parser, so only commands that
// take a spec import this file.

import { SriovError } from "../model/errors.ts";
import { parseSpec } from "../model/spec-text.ts";
import type { Spec } from "../model/spec.ts";
import type { Arguments } from "./context.ts";
import { maxFileBytes, readText } from "./read-file.ts";
import { SpecProblems } from "./spec-problems.ts";

export type SpecSource = { readonly source: string; readonly text: string };

/** Throws SriovError `usage` without -f, `file-unreadable` when the file cannot be read. */
export function readSpecSource(args: Arguments): SpecSource {
  const path = args.text("file");
  if (path === null) {
    throw new SriovError("usage", "Cannot plan without a spec: no -f FILE was given", {
      operation: "read spec",
      target: "",
      hint: "Name a spec with -f, or make one with sriovctl import",
    });
  }
  return readSource(path);
}

/** Throws SriovError `file-unreadable`. */
export function readSource(path: string): SpecSource {
  return { source: path === "-" ? "<stdin>" : path, text: readText(path, maxFileBytes) };
}

/** Throws SpecProblems. */
export function parseSource({ source, text }: SpecSource): Spec {
  const { spec, problems } = parseSpec(text, source);
  if (spec === null) throw new SpecProblems(source, problems);
  return spec;
}
