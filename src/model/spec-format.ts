// Writes a spec as people would: keys in the order of the format, one line for each pool, policy
// and assignment, addresses in quotes, comments above what they are about. Written by `import`;
// reading it back gives the same document.

import { Document, isMap, isScalar, isSeq, type Pair, Scalar } from "yaml";
import type { z } from "zod";
import type { specShape } from "./spec/shape.ts";

/** The text format as plain values, before YAML: `numVfs: 8`, `vfs: "p0/0-7"`, `trust: "on"`. */
export type SpecDocument = z.input<typeof specShape>;

/** Sentences by path: `""` heads the file, `adapters.0.physicalFunctions.1` stands above that PF. */
export type SpecComments = Readonly<Record<string, string>>;

/** Keys of every mapping, outermost first; what is not named keeps its place behind them. */
const keyOrder: readonly string[] = `
  apiVersion defaults adapters profiles pools virtualFunctions assign
  name to pool vf vfs
  permanentMac serial port address
  match addressHint protect eswitchMode adminState mtu numVfs physicalFunctions
  unassigned altNames
  driver user profile
  mac id qos protocol vlan rate spoofCheck trust linkState rssQuery nodeGuid portGuid msix
  waive reason until
`
  .trim()
  .split(/\s+/);

const rank = ({ key }: Pair): number => {
  const at = keyOrder.indexOf(isScalar(key) ? String(key.value) : "");
  return at === -1 ? keyOrder.length : at;
};

/** These stay open over several lines; everything below them is one line each. */
const isBlock = (path: readonly string[]): boolean =>
  path.length === 0 ||
  (path.length === 1 && path[0] !== "defaults") ||
  (path[0] === "adapters" && (path.length === 2 || (path.length < 5 && isPfs(path))));

const isPfs = (path: readonly string[]): boolean => path[2] === "physicalFunctions";

/** YAML 1.1 readers take 00:11 for a number to base 60 and `on` for a boolean. */
const wantsQuotes = (text: string): boolean => /:/.test(text) || /^[\d.,-]+$/.test(text);

function arrange(node: unknown, path: readonly string[]): void {
  if (isMap(node)) {
    // A profile's name is the writer's, and the order of profiles too.
    if (path.join() !== "profiles") node.items.sort((left, right) => rank(left) - rank(right));
    node.flow = !isBlock(path) || isEntry(path);
    for (const { key, value } of node.items) {
      arrange(value, [...path, isScalar(key) ? String(key.value) : ""]);
    }
  } else if (isSeq(node)) {
    node.flow = !isBlock(path) || node.items.length === 0;
    node.items.forEach((item, index) => arrange(item, [...path, String(index)]));
  } else if (isScalar(node) && typeof node.value === "string" && wantsQuotes(node.value)) {
    node.type = Scalar.QUOTE_DOUBLE;
  }
}

const isEntry = (path: readonly string[]): boolean => path.length > 1 && path[0] !== "adapters";

/** Any text as a comment: every line marked, so that none can end it. */
const commentText = (sentence: string): string =>
  sentence
    .split(/\r\n|[\n\r\u0085\u2028\u2029]/)
    .map((line) => ` ${line}`)
    .join("\n");

/** YAML text of `document`. Comments may hold anything; they cannot become content. */
export function formatSpec(document: SpecDocument, comments: SpecComments = {}): string {
  const yaml = new Document(document);
  arrange(yaml.contents, []);
  for (const [path, sentence] of Object.entries(comments)) {
    const text = commentText(sentence);
    const node = path === "" ? yaml : yaml.getIn(path.split("."), true);
    if (node !== null && typeof node === "object") Object.assign(node, { commentBefore: text });
  }
  // A flow mapping is one line whatever its length: an entry is what a diff should show.
  return yaml.toString({ lineWidth: 0, flowCollectionPadding: true });
}
