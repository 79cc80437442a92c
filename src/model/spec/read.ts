// Walks a tree along the zod schema and keeps going: each fault becomes a problem with its place,
// and what could be read is handed on, so that the checks between keys still find theirs. zod's
// own parse stops short of that: one fault in an object and its refinements never run.

import * as z from "zod";
import type { Problem } from "../problem.ts";
import { nearest } from "./nearest.ts";
import { type Loose, Places } from "./places.ts";
import { commaHint, wantedTexts } from "./shape.ts";
import type { MapEntry, PlaceAt, Tree } from "./tree.ts";

/** More than anybody reads; what a hostile file can make us say is bounded by it. */
export const maxProblems = 500;

type Walk = { readonly problems: Problem[]; readonly places: Places };

type Position = { readonly schema: z.core.$ZodType; readonly tree: Tree; readonly label: string };

const bareRange = /^[0-9]+(?:-[0-9]+)?$/;

const missing = Symbol("refused");

/** Text as it was written, in quotes where it would be mistaken, shortened where it is long. */
function shown(tree: Tree): string {
  if (tree.kind !== "scalar") return tree.kind === "map" ? "a mapping" : "a list";
  if (tree.value === null) return "empty";
  const text = String(tree.value);
  const short = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return tree.isQuoted || !/^[\x21-\x7e]+$/.test(short) ? JSON.stringify(short) : short;
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional ? unwrapped(schema.unwrap()) : schema;
}

/** The alternatives of a union, unions inside it included. */
function optionsOf(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  const known = knownOptions.get(schema);
  if (known !== undefined) return known;
  const inner = unwrapped(schema);
  const options = inner instanceof z.ZodUnion ? inner.options.flatMap(optionsOf) : [inner];
  knownOptions.set(schema, options);
  return options;
}

/** Asked for each value of a spec, and the same for all values of a key. */
const knownOptions = new WeakMap<z.core.$ZodType, readonly z.core.$ZodType[]>();

function wantedOf(schema: z.core.$ZodType, kind: string, value?: unknown): string {
  const { wanted, narrow } = wantedTexts.get(unwrapped(schema)) ?? { wanted: kind };
  return (typeof value === "string" ? narrow?.(value) : null) ?? wanted;
}

function report(walk: Walk, problem: Problem): void {
  if (walk.problems.length < maxProblems) walk.problems.push(problem);
}

function reportWrong(walk: Walk, position: Position, kind: string): typeof missing {
  const { tree, label } = position;
  const message = `${label} is ${shown(tree)}: wanted ${wantedOf(position.schema, kind)}`;
  report(walk, { code: "wrong-value", where: walk.places.textOf(tree.place), message });
  return missing;
}

const isCollection = (schema: z.core.$ZodType): boolean =>
  schema instanceof z.ZodObject || schema instanceof z.ZodArray || schema instanceof z.ZodRecord;

const kindOf = (schema: z.core.$ZodType): string =>
  schema instanceof z.ZodArray ? "a list" : isCollection(schema) ? "a mapping" : "a value";

function walk(walking: Walk, position: Position): unknown {
  const { tree } = position;
  const options = optionsOf(position.schema);
  if (tree.kind === "scalar") return walkScalar(walking, position, options);
  if (tree.kind === "list") {
    const list = options.find((option) => option instanceof z.ZodArray);
    if (list !== undefined) return walkList(walking, { ...position, schema: list }, tree.items);
  } else {
    const object = options.find((option) => option instanceof z.ZodObject);
    if (object !== undefined) return walkObject(walking, position, object);
    const record = options.find((option) => option instanceof z.ZodRecord);
    if (record !== undefined) return walkRecord(walking, position, record);
  }
  return reportWrong(walking, position, kindOf(options[0] ?? position.schema));
}

/** The nearest word of a closed set, when every alternative is a word. */
function nearestWord(options: readonly z.core.$ZodType[], value: unknown): string | null {
  if (typeof value !== "string") return null;
  const words = options.flatMap((option) => {
    const inner = option instanceof z.ZodPipe ? option.in : option;
    if (inner instanceof z.ZodLiteral) return [...inner.values];
    return inner instanceof z.ZodEnum ? inner.options : [];
  });
  return nearest(value, words.map(String));
}

/** The schema's own hint, for the slip that leaves a bare number or range behind. */
function hintFor(schema: z.core.$ZodType, value: unknown): { readonly hint?: string } {
  const hint = wantedTexts.get(unwrapped(schema))?.hint;
  return hint !== undefined && bareRange.test(String(value)) ? { hint } : {};
}

function walkScalar(
  walking: Walk,
  position: Position,
  options: readonly z.core.$ZodType[],
): unknown {
  const { tree, label, schema } = position;
  if (tree.kind !== "scalar") return missing;
  const failures: z.ZodSafeParseError<unknown>[] = [];
  for (const option of options) {
    if (isCollection(option)) continue;
    const result = z.safeParse(option, tree.value);
    if (result.success) return result.data;
    failures.push(result);
  }
  // Making an error costs more than finding out that there is one.
  const issues = failures.flatMap(({ error }) => error.issues);
  const reason = issues.find(({ code }) => code === "custom")?.message;
  const kind = kindOf(options[0] ?? schema);
  if (reason === undefined && isCollection(options[0] ?? schema)) {
    return reportWrong(walking, position, kind);
  }
  const guess = reason === undefined ? nearestWord(options, tree.value) : null;
  const what = reason === undefined ? shown(tree) : `${shown(tree)}, ${reason}`;
  report(walking, {
    code: "wrong-value",
    where: walking.places.textOf(tree.place),
    message: `${label} is ${what}: wanted ${wantedOf(schema, kind, tree.value)}`,
    ...(guess === null ? hintFor(schema, tree.value) : { hint: `Perhaps ${guess} was meant` }),
  });
  return missing;
}

function walkList(walking: Walk, position: Position, items: readonly Tree[]): unknown {
  const { schema, tree, label } = position;
  if (!(schema instanceof z.ZodArray)) return missing;
  if (items.length === 0 && !z.safeParse(schema, []).success) {
    report(walking, {
      code: "wrong-value",
      where: walking.places.textOf(tree.place),
      message: `${label} is an empty list: wanted at least one entry`,
    });
    return missing;
  }
  const list: unknown[] = [];
  walking.places.enter(list, tree.place);
  items.forEach((item, index) => {
    const inner = { schema: schema.element, tree: item, label: `${label}[${index}]` };
    const value = walk(walking, inner);
    if (value === missing) {
      walking.places.addHole(list);
      return;
    }
    walking.places.add(list, list.length, item.place);
    list.push(value);
  });
  return list;
}

/** First entry of each key; every further one is reported with the place of the first. */
function withoutDuplicates(walking: Walk, entries: readonly MapEntry[]): Map<string, MapEntry> {
  const byKey = new Map<string, MapEntry>();
  for (const entry of entries) {
    const first = byKey.get(entry.key);
    if (first === undefined) {
      byKey.set(entry.key, entry);
      continue;
    }
    const firstPlace = walking.places.textOf(first.keyPlace);
    const message = `Key ${entry.key} is given twice: first at ${firstPlace}`;
    const where = walking.places.textOf(entry.keyPlace);
    report(walking, { code: "duplicate-key", where, message });
  }
  return byKey;
}

function walkRecord(walking: Walk, position: Position, schema: z.ZodRecord): unknown {
  const { tree, label } = position;
  if (tree.kind !== "map") return missing;
  const record: Record<string, unknown> = Object.create(null);
  walking.places.enter(record, tree.place);
  for (const { key, keyPlace, value } of withoutDuplicates(walking, tree.entries).values()) {
    const keyTree: Tree = { kind: "scalar", value: key, isQuoted: false, place: keyPlace };
    const inner = { schema: schema.keyType, tree: keyTree, label: `Key of ${label}` };
    if (walk(walking, inner) === missing) continue;
    walking.places.add(record, key, value.place);
    const read = walk(walking, { schema: schema.valueType, tree: value, label: key });
    if (read !== missing) record[key] = read;
  }
  return record;
}

/** Gives a mistyped key the place of the one that it is near to, if that one is free. */
function reportUnknown(
  walking: Walk,
  { key, keyPlace }: MapEntry,
  { known, label }: { readonly known: readonly string[]; readonly label: string },
): string | null {
  const guess = nearest(key, known);
  const where = walking.places.textOf(keyPlace);
  const name = shown({ kind: "scalar", value: key, isQuoted: key === "", place: keyPlace });
  const wanted = guess === null ? `one of ${known.join(", ")}` : `${guess}, the nearest known key`;
  const message = `Unknown key ${name} in ${label.replace(/^The /, "the ")}: wanted ${wanted}`;
  const knownKeys = { hint: `Keys known here: ${known.join(", ")}` };
  const hint = bareRange.test(key) ? { hint: commaHint } : guess === null ? {} : knownKeys;
  report(walking, { code: "unknown-key", where, message, ...hint });
  return guess;
}

/** Drops what the value of a mistyped scalar key would say: one mistake, one problem. */
const quietFor = (walking: Walk, tree: Tree): Walk =>
  tree.kind === "scalar" ? { ...walking, problems: [] } : walking;

function walkObject(walking: Walk, position: Position, schema: z.ZodObject): unknown {
  const { tree, label } = position;
  if (tree.kind !== "map") return missing;
  const object: Record<string, unknown> = {};
  walking.places.enter(object, tree.place);
  const byKey = withoutDuplicates(walking, tree.entries);
  const known = Object.keys(schema.shape);
  const excused = new Set<string>();
  for (const entry of byKey.values()) {
    const isKnown = Object.hasOwn(schema.shape, entry.key);
    const key = isKnown ? entry.key : reportUnknown(walking, entry, { known, label });
    if (key === null || (!isKnown && (byKey.has(key) || excused.has(key)))) continue;
    excused.add(key);
    const inner = { schema: schema.shape[key] as z.ZodType, tree: entry.value, label: key };
    walking.places.add(object, key, entry.value.place);
    const value = walk(isKnown ? walking : quietFor(walking, entry.value), inner);
    if (value !== missing) object[key] = value;
  }
  for (const key of known) {
    if (excused.has(key) || schema.shape[key] instanceof z.ZodOptional) continue;
    const wanted = wantedOf(
      schema.shape[key] as z.ZodType,
      kindOf(unwrapped(schema.shape[key] as z.ZodType)),
    );
    report(walking, {
      code: "missing-key",
      where: walking.places.textOf(tree.place),
      message: `${label} has no ${key}: wanted ${wanted}`,
    });
  }
  return object;
}

/**
 * Reads `tree` along `schema`. `value` lacks what was refused, and is null when nothing could be
 * read; it is whole when there are no problems.
 */
export function readTree<S extends z.ZodType>(
  schema: S,
  { tree, placeAt, label }: { tree: Tree; placeAt: PlaceAt; label: string },
): { value: Loose<z.output<S>> | null; places: Places; problems: Problem[] } {
  const walking: Walk = { problems: [], places: new Places(placeAt) };
  const value = walk(walking, { schema, tree, label });
  return {
    value: value === missing ? null : (value as Loose<z.output<S>>),
    places: walking.places,
    problems: walking.problems,
  };
}
