// Colour for people. A Style is made once per run from what the terminal and the person want
// (`--no-color`, NO_COLOR, FORCE_COLOR, a pipe), so that printing code never asks again. Text that
// came from the host is cleaned here: a VM may call itself by a terminal escape.

import { stripVTControlCharacters, styleText } from "node:util";

export type Tone = "strong" | "dim" | "good" | "bad" | "warn" | "name" | "link";

const formats = {
  strong: "bold",
  dim: "dim",
  good: "green",
  bad: "red",
  warn: "yellow",
  name: "cyan",
  link: "underline",
} as const satisfies Record<Tone, Parameters<typeof styleText>[0]>;

export type Style = (tone: Tone, text: string) => string;

export const plainStyle: Style = (_tone, text) => text;

const colorStyle: Style = (tone, text) =>
  text === "" ? "" : styleText(formats[tone], text, { validateStream: false });

type ColorWish = {
  readonly isTerminal: boolean;
  /** `--no-color` was given. */
  readonly isForbidden: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
};

export function styleFor({ isTerminal, isForbidden, env }: ColorWish): Style {
  if (isForbidden || (env["NO_COLOR"] ?? "") !== "") return plainStyle;
  const forced = env["FORCE_COLOR"] ?? "";
  if (forced !== "") return forced === "0" ? plainStyle : colorStyle;
  return isTerminal && env["TERM"] !== "dumb" ? colorStyle : plainStyle;
}

const isControl = (code: number): boolean => code < 0x20 || (code >= 0x7f && code < 0xa0);

/** Control characters as `\xNN`, so that foreign text cannot steer the terminal. */
export function clean(text: string): string {
  let result = "";
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    result += isControl(code) ? `\\x${code.toString(16).padStart(2, "0")}` : character;
  }
  return result;
}

/** `clean`, for a line that has colours of ours in it: those stay. */
export const cleanLine = (line: string): string =>
  line
    .split(ownColors)
    .map((piece, at) => (at % 2 === 1 ? piece : clean(piece)))
    .join("");

// Split by a group keeps the separators, at the odd places.
const ownColors = new RegExp(`(${String.fromCodePoint(27)}\\[[0-9;]*m)`);

/** Columns that a text takes on a terminal, colours not counted. */
export const widthOf = (text: string): number => [...stripVTControlCharacters(text)].length;

/** The text in at most so many columns; its colours end where it is cut. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let result = "";
  let left = Math.max(0, columns - 1);
  text.split(ownColors).forEach((piece, at) => {
    const isColor = at % 2 === 1;
    // What ends a colour must not be cut off, and what begins one is ended by it.
    result += isColor ? piece : [...piece].slice(0, left).join("");
    if (!isColor) left = Math.max(0, left - [...piece].length);
  });
  return `${result}…`;
}
