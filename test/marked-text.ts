// Texts that carry the places where problems are expected, so that no test counts columns by hand:
// `¦` stands before what a problem points at, `§` before a place that a message names.

import assert from "node:assert/strict";
import type { Problem } from "../src/model/problem.ts";

type Said = { readonly problems: readonly Problem[] };

/** Line and column of each mark in `text`, and the text without marks. */
function unmarked(text: string): { clean: string; marks: string[]; named: string[] } {
  const [marks, named]: [string[], string[]] = [[], []];
  let [line, column, clean] = [1, 1, ""];
  for (const character of text) {
    if (character === "¦") marks.push(`${line}:${column}`);
    else if (character === "§") named.push(`${line}:${column}`);
    else {
      clean += character;
      [line, column] = character === "\n" ? [line + 1, 1] : [line, column + 1];
    }
  }
  return { clean, marks, named };
}

/**
 * Asserts that `parse` finds in the text the problems `expected` (`code: message`) and no other,
 * each at its mark; a place in a message is written `§`.
 */
export function assertProblems(
  parse: (text: string, source: string) => Said,
  text: string,
  expected: readonly string[],
): void {
  const { clean, marks, named } = unmarked(text);
  const { problems } = parse(clean, "s");
  const found = problems.map(({ code, message }) => `${code}: ${message}`);
  const wanted = expected.map((message) => message.replaceAll("§", `s:${named[0] ?? "?"}`));
  assert.deepEqual(found, wanted, clean);
  const places = problems.map(({ where }) => where.slice("s:".length));
  assert.deepEqual(places, marks, clean);
}
