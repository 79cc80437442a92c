// `sriovctl bench ACTION`: how fast the data paths of this host are, and what of the claims made for
// SR-IOV holds here. How fast sriovctl itself is, is the business of the folder bench/.

import { titleOf } from "../../bench/claims.ts";
import { compareRuns } from "../../bench/compare-runs.ts";
import { decodeRun, maxRunBytes } from "../../bench/decode-run.ts";
import { htmlReport } from "../../bench/html-report.ts";
import type { MeasuredRun } from "../../bench/measured-run.ts";
import { exitCodeOf, SriovError } from "../../model/errors.ts";
import { writeErrorOf } from "../../model/file-error.ts";
import { comparisonJson, reportJson } from "../bench-json.ts";
import { comparisonText, runText } from "../bench-text.ts";
import type { Arguments, Context, RunCommand } from "../context.ts";
import { readText } from "../read-file.ts";
import { writeFileWhole } from "../write-file.ts";

const usage = (message: string): SriovError =>
  new SriovError("usage", message, { operation: "bench", target: "bench" });

/** Throws SriovError `file-unreadable` or `file-format`. */
function readRun(path: string): MeasuredRun {
  const { run, problem } = decodeRun(readText(path, maxRunBytes));
  if (run !== null) return run;
  const detail = { operation: "read measured run", target: path };
  throw new SriovError("file-format", `Cannot read ${path}: ${problem}`, detail);
}

/** Throws SriovError `file-unwritable`. */
function writeText(path: string, text: string): void {
  try {
    writeFileWhole(path, text);
  } catch (cause) {
    const detail = { operation: "write file", target: path, cause };
    throw new SriovError("file-unwritable", `Cannot write ${path}: ${writeErrorOf(cause)}`, detail);
  }
}

function writePage(context: Context, args: Arguments, run: MeasuredRun): void {
  const path = args.text("html");
  if (path === null) return;
  writeText(path, htmlReport(run));
  context.print("", `Written: ${path}`);
}

/** 0.05 unless told otherwise. */
function toleranceOf(args: Arguments): number {
  const text = args.text("tolerance") ?? "5";
  const percent = /^\d{1,3}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (percent <= 100) return percent / 100;
  throw usage(`Cannot read --tolerance ${text}: wanted per cent, 0 to 100`);
}

function compare(context: Context, args: Arguments, files: readonly string[]): number {
  const [oldPath, newPath, more] = files;
  if (oldPath === undefined || newPath === undefined || more !== undefined) {
    throw usage("Cannot compare: wanted two files of sriovctl bench paths, OLD NEW");
  }
  const tolerance = toleranceOf(args);
  const [old, now] = [readRun(oldPath), readRun(newPath)];
  const comparison = compareRuns(old, now, tolerance);
  context.printJson(comparisonJson(comparison, tolerance));
  const titles = (path: string): string => titleOf(now.paths, titleOf(old.paths, path));
  context.print(...comparisonText(comparison, titles, context.style));
  const isWorse = comparison.metrics.some(({ change }) => change === "worse");
  return isWorse ? exitCodeOf("findings") : 0;
}

function report(context: Context, args: Arguments, files: readonly string[]): number {
  const [path, more] = files;
  if (path === undefined || more !== undefined) {
    throw usage("Cannot report: wanted one file of sriovctl bench paths");
  }
  const run = readRun(path);
  context.printJson(reportJson(run));
  context.print(...runText(run, context.style));
  writePage(context, args, run);
  return 0;
}

const actions: Readonly<
  Record<string, (context: Context, args: Arguments, files: readonly string[]) => number>
> = { compare, report };

export const bench: RunCommand = async (context, args) => {
  const [name = "", ...files] = args.operands;
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action !== undefined) return action(context, args, files);
  const known = Object.keys(actions).join(", ");
  throw usage(`Cannot bench ${name}: wanted one of ${known}`);
};
