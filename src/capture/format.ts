// The capture file: plain ASCII lines that a person can read, search and cut. A line at the margin
// names a source and what it is, indented lines below it are what it said. Every byte outside
// printable ASCII is written as \xNN.

import type { Problem } from "../model/problem.ts";
import type { CaptureHeader, Evidence, FileAnswer } from "./evidence.ts";
import { bytesOfRows, hexRows } from "./hex-rows.ts";

/** 2: netlink's replies as bytes, where 1 had rows of what they come to. */
const captureFormat = "sriovctl-capture/2";
const readableFormats: ReadonlySet<string> = new Set(["sriovctl-capture/1", captureFormat]);

const about = [
  "# What sriovctl read on a host. Look through it before you pass it on.",
  "# Use it: sriovctl --host snapshot:THIS-FILE list",
];

const escapeCharacter = (character: string): string =>
  character === "\\"
    ? "\\\\"
    : `\\x${(character.charCodeAt(0) & 0xff).toString(16).padStart(2, "0")}`;

const escapeLine = (line: string): string => line.replaceAll(/[^ -[\]-~]| $/g, escapeCharacter);

const emptyWord = "\\x";

const escapeWord = (word: string): string =>
  word === "" ? emptyWord : escapeLine(word).replaceAll(" ", "\\x20");

const unescape = (text: string): string =>
  text.replaceAll(/\\(?:x([0-9a-f]{2})|(\\)|x)/g, (_, code?: string, slash?: string) =>
    code === undefined ? (slash ?? "") : String.fromCharCode(Number.parseInt(code, 16)),
  );

/** An empty line is written as one, so that no editor takes it away. */
const indented = (lines: readonly string[]): string[] =>
  lines.map((line) => `  ${line === "" ? emptyWord : line}`);

const namesColumns = 96;

function wrapNames(names: readonly string[]): string[] {
  const lines: string[] = [];
  let line = "";
  for (const name of names.map(escapeWord)) {
    if (line !== "" && line.length + 1 + name.length > namesColumns) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? name : ` ${name}`;
  }
  return line === "" ? lines : [...lines, line];
}

function textLines(word: string, path: string, text: string): string[] {
  const lines = text.split("\n").map(escapeLine);
  const [only = ""] = lines;
  if (lines.length === 1) return [`${word} ${path} =${only === "" ? "" : ` ${only}`}`];
  return [`${word} ${path}`, ...indented(lines)];
}

function fileLines(name: string, answer: FileAnswer): string[] {
  const path = escapeWord(name);
  switch (answer.kind) {
    case "text": {
      const { text } = answer;
      // Nearly all files end with a line end; one that does not is said to.
      return text.endsWith("\n")
        ? textLines("file", path, text.slice(0, -1))
        : textLines("open", path, text);
    }
    case "bytes":
      return [`data ${path} ${answer.bytes.length}`, ...indented(hexRows(answer.bytes))];
    case "link":
      return [`link ${path} -> ${escapeWord(answer.target)}`];
    case "names":
      return [`list ${path}`, ...indented(wrapNames(answer.names))];
    case "failed":
      return [`fail ${path} ${escapeWord(answer.errno)}`];
  }
}

const byKey = ([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number =>
  left < right ? -1 : left > right ? 1 : 0;

export function printEvidence({ header, files, answers }: Evidence): string {
  const blocks = [
    ...[...answers]
      .toSorted(byKey)
      .map(([question, lines]) => [
        `ask ${escapeLine(question)}`,
        ...indented(lines.map(escapeLine)),
      ]),
    ...[...files].toSorted(byKey).map(([path, answer]) => fileLines(path, answer)),
  ];
  const head = [
    captureFormat,
    ...about,
    `made-by ${escapeWord(header.madeBy)}`,
    `at ${escapeWord(header.at)}`,
    `identifiers ${header.identifiers}`,
    `user ${header.user}`,
    ...(header.isCut ? ["cut"] : []),
  ];
  return `${[...head, ...blocks.flat(), `end ${blocks.length}`].join("\n")}\n`;
}

/** One at the margin with what is indented below it. */
type Block = { readonly line: number; readonly head: string; readonly body: readonly string[] };

/** Programs write a whole JSON document into a line. */
const lineLengthMax = 1 << 20;
const pathLengthMax = 4096;
const bytesMax = 4096;
const problemsMax = 20;

class Problems {
  readonly list: Problem[] = [];
  readonly #file: string;
  #more = 0;

  constructor(file: string) {
    this.#file = file;
  }

  report(line: number, what: string): void {
    if (this.list.length >= problemsMax) {
      this.#more++;
      return;
    }
    const message = `Cannot use line ${line} of ${this.#file}: ${what}`;
    this.list.push({ code: "capture-damaged", where: `${this.#file}:${line}`, message });
  }

  all(): Problem[] {
    if (this.#more === 0) return this.list;
    const message = `${this.#more} more lines of ${this.#file} cannot be used`;
    return [...this.list, { code: "capture-damaged", where: this.#file, message }];
  }
}

const linesMax = 1_000_000;

/** One block after the other, so that a large file is in memory once. */
function* blocksOf(text: string, problems: Problems): Generator<Block> {
  let block: { line: number; head: string; body: string[] } | null = null;
  let line = 0;
  for (let start = 0, end = 0; end !== -1 && start < text.length; start = end + 1) {
    end = text.indexOf("\n", start);
    const whole = text.slice(start, end === -1 ? text.length : end);
    const read = whole.endsWith("\r") ? whole.slice(0, -1) : whole;
    if (++line > linesMax) {
      problems.report(line, `wanted at most ${linesMax} lines`);
      break;
    }
    if (read === "" || read.startsWith("#")) continue;
    if (read.length > lineLengthMax) {
      problems.report(line, `it has ${read.length} characters, wanted ${lineLengthMax}`);
    } else if (!read.startsWith("  ")) {
      if (block !== null) yield block;
      block = { line, head: read, body: [] };
    } else block?.body.push(read.slice(2));
  }
  if (block !== null) yield block;
}

function dataOf(size: string, rows: readonly string[]): Uint8Array | null {
  const length = /^[0-9]{1,4}$/.test(size) ? Number(size) : -1;
  if (length < 0 || length > bytesMax) return null;
  return bytesOfRows(length, rows);
}

function textOf(rest: string, body: readonly string[]): string | null {
  if (rest === "=" || rest.startsWith("= ")) return unescape(rest.slice(2));
  return rest === "" && body.length > 0 ? body.map(unescape).join("\n") : null;
}

function fileOf(word: string, rest: string, body: readonly string[]): FileAnswer | null {
  switch (word) {
    case "file":
    case "open": {
      const text = textOf(rest, body);
      return text === null ? null : { kind: "text", text: word === "file" ? `${text}\n` : text };
    }
    case "data": {
      const bytes = dataOf(rest, body);
      return bytes === null ? null : { kind: "bytes", bytes };
    }
    case "link":
      return rest.startsWith("-> ") ? { kind: "link", target: unescape(rest.slice(3)) } : null;
    case "list":
      // No folder has a name twice.
      return {
        kind: "names",
        names: [...new Set(body.flatMap((line) => line.split(" ")))].map(unescape),
      };
    case "fail":
      return /^(?:[A-Z][A-Z0-9]{1,23}|errno\\x20[0-9]{1,9})$/.test(rest)
        ? { kind: "failed", errno: unescape(rest) }
        : null;
    default:
      return null;
  }
}

const headWords = ["made-by", "at", "identifiers", "user", "cut"] as const;

function headerOf(values: ReadonlyMap<string, string>): CaptureHeader {
  return {
    madeBy: unescape(values.get("made-by") ?? ""),
    at: unescape(values.get("at") ?? ""),
    identifiers: values.get("identifiers") === "raw" ? "raw" : "replaced",
    user: values.get("user") === "root" ? "root" : "other",
    isCut: values.has("cut"),
  };
}

/** The evidence with a problem for each part that cannot be used; null where `text` is no capture. */
export function parseEvidence(
  text: string,
  file: string,
): { readonly evidence: Evidence; readonly problems: readonly Problem[] } | null {
  const [, format = ""] = /^([^\r\n]{1,64})[\r\n]/.exec(text) ?? [];
  if (!readableFormats.has(format)) return null;
  const problems = new Problems(file);
  const files = new Map<string, FileAnswer>();
  const answers = new Map<string, readonly string[]>();
  const head = new Map<string, string>();
  let isEnded = false;
  for (const block of blocksOf(text, problems)) {
    if (block.line === 1) continue;
    const [word = "", rest = ""] = splitOnce(block.head);
    if (headWords.some((each) => each === word)) head.set(word, rest);
    else if (word === "ask") answers.set(unescape(rest), block.body.map(unescape));
    else if (word === "end") isEnded = rest === String(files.size + answers.size);
    else {
      const [path = "", tail = ""] = splitOnce(rest);
      const answer = fileOf(word, tail, block.body);
      const isPath = path.startsWith("/") && path.length <= pathLengthMax;
      if (isPath && answer !== null) files.set(unescape(path), answer);
      else problems.report(block.line, "it is no entry of a capture");
    }
  }
  if (!isEnded) {
    const message = `${file} does not end as it should: parts are missing or were edited`;
    problems.list.push({ code: "capture-truncated", where: file, message });
  }
  return { evidence: { header: headerOf(head), files, answers }, problems: problems.all() };
}

function splitOnce(text: string): readonly [string, string] {
  const at = text.indexOf(" ");
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
