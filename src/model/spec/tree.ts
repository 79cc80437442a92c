// YAML or JSON text to a small tree in which every node knows its place. Scalars are resolved
// here and not by YAML's schemas, so that `1e3`, `1.5` and `012` stay the texts they are and only
// plain decimal digits are numbers. Size, depth and node count are bounded, and what aliases may
// add to it.

import {
  Composer,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  Parser,
  Scalar,
  type Document,
} from "yaml";
import type { Problem } from "../problem.ts";
import type { SourcePlace } from "../spec.ts";

/** In characters of the text. */
export type Offset = number;

/** `file:line:column` of an offset. */
export type PlaceAt = (offset: Offset) => SourcePlace;

export type MapEntry = {
  readonly key: string;
  readonly keyPlace: Offset;
  readonly value: Tree;
};

export type Tree =
  | { readonly kind: "map"; readonly entries: readonly MapEntry[]; readonly place: Offset }
  | { readonly kind: "list"; readonly items: readonly Tree[]; readonly place: Offset }
  | {
      readonly kind: "scalar";
      readonly value: string | number | boolean | null;
      readonly isQuoted: boolean;
      readonly place: Offset;
    };

/** A spec of 65,000 VFs with an entry each stays below all. */
export const treeLimits = { characters: 16 << 20, depth: 16, nodes: 1_000_000, copies: 100_000 };

const maxSyntaxProblems = 20;

type Reading = {
  readonly placeAt: PlaceAt;
  /** Latest node of each anchor so far; yaml's own resolve() searches the document each time. */
  readonly anchors: Map<string, unknown>;
  readonly problems: Problem[];
  nodeCount: number;
  /** Nodes that came by an alias, and whether this one does. */
  copyCount: number;
  isCopying: boolean;
};

function plainValue(text: string): string | number | boolean | null {
  if (/^(?:true|True|TRUE)$/.test(text)) return true;
  if (/^(?:false|False|FALSE)$/.test(text)) return false;
  if (/^(?:~|null|Null|NULL)?$/.test(text)) return null;
  if (/^(?:0|-?[1-9][0-9]*)$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  return text;
}

const offsetOf = (node: unknown): number => {
  const range = (node as { range?: readonly number[] | null } | null)?.range;
  return range?.[0] ?? 0;
};

function scalarTree(node: Scalar, place: Offset): Tree {
  const isPlain = node.type === Scalar.PLAIN || node.type === undefined;
  const text = String(node.value ?? "");
  return {
    kind: "scalar",
    value: isPlain && node.tag === undefined ? plainValue(text) : text,
    isQuoted: !isPlain,
    place,
  };
}

/** Counts a node; what is wrong once it is one too many or too deep, and what to do about it. */
function excessOf(
  reading: Reading,
  depth: number,
): readonly [message: string, hint: string] | null {
  if (++reading.nodeCount > treeLimits.nodes) {
    return [`More than ${treeLimits.nodes} nodes: wanted fewer`, "Use VF sets and profiles"];
  }
  if (reading.isCopying && ++reading.copyCount > treeLimits.copies) {
    const message = `Aliases stand for more than ${treeLimits.copies} nodes: wanted fewer`;
    return [message, "Use profiles instead of aliases"];
  }
  if (depth <= treeLimits.depth) return null;
  return [
    `Nested more than ${treeLimits.depth} deep: no key lies that deep`,
    "An alias inside its own anchor nests without end",
  ];
}

function refuse(reading: Reading, place: Offset, message: string, hint?: string): null {
  const problem = syntaxProblem(reading.placeAt(place), message);
  reading.problems.push(hint === undefined ? problem : { ...problem, hint });
  return null;
}

/** null after a problem that ends the reading. */
function treeOf(node: unknown, reading: Reading, depth: number): Tree | null {
  const place = offsetOf(node);
  const excess = excessOf(reading, depth);
  if (excess !== null) return refuse(reading, place, ...excess);
  if (isAlias(node)) {
    const { source } = node;
    const target = reading.anchors.get(source);
    if (target !== undefined) return copyOf(target, reading, depth + 1);
    const message = `Alias *${source} has no anchor before it`;
    return refuse(reading, place, message, `Write &${source} first`);
  }
  if (isNode(node) && node.anchor !== undefined && !reading.isCopying) {
    reading.anchors.set(node.anchor, node);
  }
  if (isScalar(node)) return scalarTree(node, place);
  if (isSeq(node)) {
    const items: Tree[] = [];
    for (const item of node.items) {
      const tree = treeOf(item, reading, depth + 1);
      if (tree === null) return null;
      items.push(tree);
    }
    return { kind: "list", items, place };
  }
  if (isMap(node)) return mapTree(node.items, reading, { depth, place });
  return { kind: "scalar", value: null, isQuoted: false, place };
}

function copyOf(target: unknown, reading: Reading, depth: number): Tree | null {
  const wasCopying = reading.isCopying;
  reading.isCopying = true;
  const tree = treeOf(target, reading, depth);
  reading.isCopying = wasCopying;
  return tree;
}

function mapTree(
  pairs: readonly { readonly key: unknown; readonly value: unknown }[],
  reading: Reading,
  { depth, place }: { readonly depth: number; readonly place: Offset },
): Tree | null {
  const entries: MapEntry[] = [];
  for (const { key, value } of pairs) {
    const keyPlace = offsetOf(key);
    if (!isScalar(key)) {
      return refuse(reading, keyPlace, "A key is a list, a mapping or an alias: wanted a word");
    }
    const tree =
      value === null
        ? ({ kind: "scalar", value: null, isQuoted: false, place: keyPlace } as const)
        : treeOf(value, reading, depth + 1);
    if (tree === null) return null;
    entries.push({ key: String(key.value ?? ""), keyPlace, value: tree });
  }
  return { kind: "map", entries, place };
}

/** Feeds the parser token by token and stops where nesting goes too deep for the composer, which
 * recurses. The place where it stopped, or the documents. */
function composeBounded(text: string, lineCounter: LineCounter): Document[] | number {
  const parser = new Parser(lineCounter.addNewLine);
  const composer = new Composer({
    schema: "failsafe",
    uniqueKeys: false,
    logLevel: "error",
    lineCounter,
  });
  lineCounter.addNewLine(0);
  const tokens = [];
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > 8 * treeLimits.depth) return parser.offset;
  }
  tokens.push(...parser.end());
  return [...composer.compose(tokens, true, text.length)];
}

const syntaxProblem = (where: SourcePlace, message: string): Problem => ({
  code: "spec-syntax",
  where,
  message,
});

/** First sentence of the library's message; its further lines quote the text. */
const firstLine = (message: string): string => (message.split("\n")[0] ?? "").replace(/[.:]$/, "");

function syntaxProblems(documents: readonly Document[], placeAt: Reading["placeAt"]): Problem[] {
  const [document, second] = documents;
  if (document === undefined) return [];
  const problems = [...document.errors, ...document.warnings].map(({ message, pos }) =>
    syntaxProblem(placeAt(pos[0]), `Cannot parse the file: ${firstLine(message)}`),
  );
  if (second !== undefined) {
    const message = "A second document begins: wanted one document per file";
    problems.push(syntaxProblem(placeAt(second.range?.[0] ?? 0), message));
  }
  return problems.slice(0, maxSyntaxProblems);
}

/**
 * Parses YAML 1.2, of which JSON is a part. `tree` is null when there are problems: half-parsed
 * text would only produce problems that are not there.
 */
export function parseTree(
  text: string,
  source: string,
): {
  readonly tree: Tree | null;
  readonly placeAt: PlaceAt;
  readonly problems: readonly Problem[];
} {
  const lineCounter = new LineCounter();
  const placeAt: PlaceAt = (offset) => {
    const { line, col } = lineCounter.linePos(offset);
    return `${source}:${Math.max(line, 1)}:${Math.max(col, 1)}`;
  };
  const fail = (problems: readonly Problem[]) => ({ tree: null, placeAt, problems });
  if (text.length > treeLimits.characters) {
    const message = `${text.length} characters: wanted at most ${treeLimits.characters}`;
    return fail([syntaxProblem(`${source}:1:1`, message)]);
  }
  const documents = composeBounded(text, lineCounter);
  if (typeof documents === "number") {
    const message = `Nested more than ${treeLimits.depth} deep: no key lies that deep`;
    return fail([syntaxProblem(placeAt(documents), message)]);
  }
  const problems = syntaxProblems(documents, placeAt);
  const [document] = documents;
  if (problems.length > 0 || document === undefined) return fail(problems);
  const reading: Reading = {
    placeAt,
    anchors: new Map(),
    problems: [],
    nodeCount: 0,
    copyCount: 0,
    isCopying: false,
  };
  const tree = treeOf(document.contents, reading, 0);
  return { tree, placeAt, problems: reading.problems };
}
