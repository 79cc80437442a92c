// `sriovctl capture`: all that is read of a host as one text file, so that it can be looked at
// elsewhere. Whose machine it is stays out of it, unless --raw.

import { printEvidence } from "../../capture/format.ts";
import { replaceInEvidence } from "../../capture/redact.ts";
import { SriovError } from "../../model/errors.ts";
import { writeErrorOf } from "../../model/file-error.ts";
import type { FactGap } from "../../model/host-facts.ts";
import type { Context, RunCommand } from "../context.ts";
import { version } from "../version.ts";
import { writeFileWhole } from "../write-file.ts";

const captureReportFormat = "sriovctl-capture-report/1";

/** So many gaps are listed without -v. */
const gapsShown = 8;

function sayGaps({ log }: Context, gaps: readonly FactGap[]): void {
  const shown = log.level === "normal" ? gaps.slice(0, gapsShown) : gaps;
  for (const { source, why } of shown) log.note(`Not in it: ${source}: ${why}`);
  const more = gaps.length - shown.length;
  if (more > 0) log.note(`... and ${more} more sources; -v lists them`);
}

function write(file: string, text: string): void {
  try {
    // It says a lot of a host: the owner decides who else may read it.
    writeFileWhole(file, text, 0o600);
  } catch (cause) {
    const message = `Cannot write ${file}: ${writeErrorOf(cause)}`;
    throw new SriovError("file-unwritable", message, { operation: "capture", target: file, cause });
  }
}

export const capture: RunCommand = async (context, args) => {
  const file = args.text("out");
  if (context.isJson && file === null) {
    throw new SriovError("usage", "Cannot print a capture as JSON: it is text of its own format", {
      operation: "capture",
      target: context.hostName,
      hint: "Write it to a file with --out; --json then tells what is in it",
    });
  }
  const stamp = { madeBy: version, at: new Date().toISOString().replace(/\.\d+Z$/, "Z") };
  const { hostName, wiring, log } = context;
  const { evidence, gaps, problems } = await wiring.captureHost(hostName, context, stamp);
  const isReplaced = args.isSet("raw") || evidence.header.identifiers === "replaced";
  const kept = isReplaced ? evidence : replaceInEvidence(evidence);
  const text = printEvidence(kept);
  const entries = kept.files.size + kept.answers.size;
  if (file === null) context.io.stdout.write(text);
  else write(file, text);
  const { identifiers, user, isCut } = kept.header;
  const missing = gaps.map(({ source, why }) => ({ source, why }));
  const document = { file, bytes: text.length, entries, identifiers, user, isCut, missing };
  context.printJson({ format: captureReportFormat, ...document });
  for (const { code, message } of problems) {
    if (code === "capture-damaged" || code === "capture-truncated") log.warn(message);
  }
  sayGaps(context, gaps);
  if (isCut) log.warn("The capture is cut: the host has more than fits into one");
  if (file === null) return 0;
  const words =
    identifiers === "raw" ? "with all identifiers" : "identifiers replaced; look through it first";
  log.note(`Wrote ${file}: ${entries} sources, ${text.length} bytes, ${words}`);
  return 0;
};
