// Reads command lines that are in order, without commander: loading that takes longer than `list`
// itself on a small host. Whatever is unusual (help, a mistake, joined short options) gives null,
// and commander then parses it and finds the words. Both go by the same command table, and a test
// holds them to the same answers.

import { commandTable, globalOptions, type CommandRow, type OptionRow } from "./command-table.ts";
import type { Arguments } from "./context.ts";
import type { GlobalOptions, Request } from "./program.ts";

type Found = Map<string, true | string | string[]>;

type Known = ReadonlyMap<string, OptionRow>;

const namesOf = ({ flags }: OptionRow): string[] => flags.replace(/<.*/, "").trim().split(/,\s*/);

const longName = (option: OptionRow): string => namesOf(option).at(-1)?.slice(2) ?? "";

const takesValue = ({ flags }: OptionRow): boolean => flags.includes("<");

function byName(options: readonly OptionRow[]): Known {
  return new Map(options.flatMap((option) => namesOf(option).map((name) => [name, option])));
}

const globals = byName(globalOptions);

/** Operands that the row wants: at least, at most. */
function operandRange({ operands }: CommandRow): readonly [min: number, max: number] {
  const required = operands.filter(([name]) => name.startsWith("<")).length;
  const isVariadic = operands.some(([name]) => name.includes("..."));
  return [required, isVariadic ? Infinity : operands.length];
}

function note(found: Found, option: OptionRow, value: true | string): void {
  const name = longName(option);
  const known = found.get(name);
  if (option.isRepeatable !== true || value === true) found.set(name, value);
  else if (Array.isArray(known)) known.push(value);
  else found.set(name, [value]);
}

/** The option at `argv[at]` and how many words it takes; null when it is nothing usual. */
function takeOption(argv: readonly string[], at: number, known: Known, found: Found) {
  const word = argv[at] ?? "";
  const equals = word.startsWith("--") ? word.indexOf("=") : -1;
  const option = known.get(equals === -1 ? word : word.slice(0, equals));
  if (option === undefined) return null;
  if (!takesValue(option)) {
    if (equals !== -1) return null;
    note(found, option, true);
    return 1;
  }
  const value = equals === -1 ? argv[at + 1] : word.slice(equals + 1);
  if (value === undefined || (value.startsWith("-") && value !== "-")) return null;
  note(found, option, value);
  return equals === -1 ? 2 : 1;
}

type QuickParse = { readonly options: GlobalOptions; readonly request: Request };

export function parseQuickly(argv: readonly string[]): QuickParse | null {
  const found: Found = new Map();
  const operands: string[] = [];
  let row: CommandRow | null = null;
  let known = globals;
  for (let at = 0; at < argv.length;) {
    const word = argv[at] ?? "";
    if (word.startsWith("-") && word !== "-") {
      const taken = takeOption(argv, at, known, found);
      if (taken === null) return null;
      at += taken;
      continue;
    }
    at += 1;
    if (row !== null) {
      operands.push(word);
      continue;
    }
    row = commandTable.find(({ name }) => name === word) ?? null;
    if (row === null) return null;
    known = new Map([...globals, ...byName(row.options)]);
  }
  if (row === null) return null;
  const [min, max] = operandRange(row);
  if (operands.length < min || operands.length > max) return null;
  return { options: optionsOf(found), request: { row, args: argumentsOf(found, operands) } };
}

function optionsOf(found: Found): GlobalOptions {
  const host = found.get("host");
  const speed = found.get("speed");
  return {
    host: typeof host === "string" ? host : "linux",
    ...(typeof speed === "string" ? { speed } : {}),
    json: found.has("json"),
    color: !found.has("no-color"),
    verbose: found.has("verbose"),
    debug: found.has("debug"),
  };
}

function argumentsOf(found: Found, operands: readonly string[]): Arguments {
  return {
    operands,
    isSet: (name) => found.get(name) === true,
    text: (name) => {
      const value = found.get(name);
      return typeof value === "string" ? value : null;
    },
    texts: (name) => {
      const value = found.get(name);
      return Array.isArray(value) ? value : [];
    },
  };
}
