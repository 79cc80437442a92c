// Where our decode of a function and lspci's text about it differ, as sentences. Tests on the
// corpus, on the project's own dumps and on the installed lspci compare through here.

import { compareAddresses, formatBdf, parseBdf } from "../src/model/bdf.ts";
import type { Sriov } from "../src/pci/capability/sriov.ts";
import { decodeFunction } from "../src/pci/decode-function.ts";
import type { DumpedFunction } from "../src/pci/dump.ts";
import type { FunctionConfig } from "../src/pci/function-config.ts";
import type { LspciFunction } from "./lspci-text.ts";
import { lspciPlaces, ourPlaces, parseLspciSriov } from "./lspci-text.ts";
import { missingSentences } from "./lspci-wording.ts";

/** `places`: offsets, versions and every SR-IOV field, which all versions of lspci print alike.
 * `sentences`: also what lspci 3.9.0 says about each capability. */
export type Depth = "places" | "sentences";

const inWords = (value: unknown): string =>
  JSON.stringify(value, (_, field: unknown) =>
    typeof field === "bigint" ? `0x${field.toString(16)}` : field,
  );

/** The fields that lspci prints, one by one. */
const sriovDifferences = (ours: Sriov, text: string): string[] =>
  Object.entries(parseLspciSriov(text)).flatMap(([name, theirs]) => {
    const our = inWords(ours[name as keyof Sriov]);
    return our === inWords(theirs) ? [] : [`${name} is ${our}, lspci says ${inWords(theirs)}`];
  });

/** Each capability that both know, next to lspci's text about it. */
function differencesOf(config: FunctionConfig, lspci: LspciFunction, depth: Depth): string[] {
  const differences: string[] = [];
  for (const { name, offset, body } of [...config.capabilities, ...config.extendedCapabilities]) {
    const text = lspci.capabilities.find((capability) => capability.offset === offset)?.text;
    if (body === null || text === undefined) continue;
    const where = `${name} at ${offset.toString(16)}`;
    if (body.kind === "sriov") {
      differences.push(...sriovDifferences(body, text).map((each) => `${where}: ${each}`));
    } else if (depth === "sentences") {
      const missing = missingSentences(body, text);
      differences.push(...missing.map((sentence) => `${where}: lspci does not say ${sentence}`));
    }
  }
  return differences;
}

/** lspci sorts by address; a dump may hold an address twice, and both keep that order. */
const inAddressOrder = <T>(functions: readonly T[], addressOf: (each: T) => string): T[] =>
  functions.toSorted((left, right) => compareAddresses(addressOf(left), addressOf(right)));

const addressOfSlot = (slot: string): string => {
  const bdf = parseBdf(slot);
  return bdf === null ? slot : formatBdf(bdf);
};

/** Differences of all functions of a dump, each with its slot as lspci writes it. */
export function lspciDifferences(
  functions: readonly DumpedFunction[],
  lspci: readonly LspciFunction[],
  depth: Depth,
): string[] {
  if (functions.length !== lspci.length) {
    return [`${functions.length} functions, lspci sees ${lspci.length}`];
  }
  const theirs = inAddressOrder(lspci, ({ slot }) => addressOfSlot(slot));
  const ours = inAddressOrder(functions, ({ bdf }) => (bdf === null ? "" : formatBdf(bdf)));
  return ours.flatMap(({ bytes }, index) => {
    const their = theirs[index];
    if (their === undefined) return [];
    const config = decodeFunction(bytes);
    const [places, lspciOnes] = [ourPlaces(config).join(", "), lspciPlaces(their).join(", ")];
    const differences = differencesOf(config, their, depth);
    if (places !== lspciOnes) differences.unshift(`capabilities ${places}; lspci ${lspciOnes}`);
    return differences.map((difference) => `${their.slot}: ${difference}`);
  });
}
