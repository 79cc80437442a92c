// Numbers of the kernel's own headers, where this machine has them (Debian: linux-libc-dev).

import { existsSync, readFileSync } from "node:fs";

const pathOf = (header: string): string => `/usr/include/linux/${header}`;

/** Why a test against the header cannot run here; false where it can. */
export const headerAbsent = (header: string): string | false =>
  existsSync(pathOf(header)) ? false : `no ${pathOf(header)} on this machine`;

type Numbers = ReadonlyMap<string, number>;

/** A literal, a name seen before, or `1 << n`; null for anything else. */
function evaluate(expression: string, known: Numbers): number | null {
  const text = expression.trim().replaceAll(/^\(|\)$/g, "");
  const shift = /^1U?\s*<<\s*(\d+)$/.exec(text);
  if (shift !== null) return 2 ** Number(shift[1]);
  if (/^(?:0x[0-9a-f]+|\d+)U?$/i.test(text)) return Number(text.replace(/U$/, ""));
  return known.get(text) ?? null;
}

/** Names and values of the enums and simple #defines of a header. */
export function numbersOf(header: string): Numbers {
  const text = readFileSync(pathOf(header), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  const known = new Map<string, number>();
  for (const [, name = "", value = ""] of text.matchAll(/^#define[ \t]+(\w+)[ \t]+(.+)$/gm)) {
    const number = evaluate(value, known);
    if (number !== null) known.set(name, number);
  }
  for (const [, body = ""] of text.matchAll(/\benum\b[^{;]*\{([^}]*)\}/g)) {
    let next: number | null = 0;
    for (const entry of body.replaceAll(/^#(?:.*\\\n)*.*$/gm, "").split(",")) {
      const [, name, , value] = /^\s*(\w+)\s*(=\s*([\s\S]+))?$/.exec(entry) ?? [];
      if (name === undefined) continue;
      if (value !== undefined) next = evaluate(value, known);
      if (next === null) continue;
      known.set(name, next);
      next++;
    }
  }
  return known;
}
