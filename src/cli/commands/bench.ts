// `sriovctl bench ACTION`: how fast the data paths of this host are, and what of the claims made for
// SR-IOV holds here. How fast sriovctl itself is, is the business of the folder bench/.

import { titleOf } from "../../bench/claims.ts";
import { compareRuns } from "../../bench/compare-runs.ts";
import { decodeRun, maxRunBytes } from "../../bench/decode-run.ts";
import type { MeasuredRun } from "../../bench/measured-run.ts";
import { exitCodeOf, SriovError } from "../../model/errors.ts";
import { comparisonJson, reportJson } from "../bench-json.ts";
import { benchStyleOf, comparisonText, runText } from "../bench-text.ts";
import { benchUsage, writePage } from "../bench-wish.ts";
import type { Arguments, Context, RunCommand } from "../context.ts";
import { readText } from "../read-file.ts";

/** Throws SriovError `file-unreadable` or `file-format`. */
function readRun(path: string): MeasuredRun {
  const { run, problem } = decodeRun(readText(path, maxRunBytes));
  if (run !== null) return run;
  const detail = { operation: "read measured run", target: path };
  throw new SriovError("file-format", `Cannot read ${path}: ${problem}`, detail);
}

/** 0.05 unless told otherwise. */
function toleranceOf(args: Arguments): number {
  const text = args.text("tolerance") ?? "5";
  const percent = /^\d{1,3}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (percent <= 100) return percent / 100;
  throw benchUsage(`Cannot read --tolerance ${text}: wanted per cent, 0 to 100`);
}

function compare(context: Context, args: Arguments, files: readonly string[]): number {
  const [oldPath, newPath, more] = files;
  if (oldPath === undefined || newPath === undefined || more !== undefined) {
    throw benchUsage("Cannot compare: wanted two files of sriovctl bench paths, OLD NEW");
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
    throw benchUsage("Cannot report: wanted one file of sriovctl bench paths");
  }
  const run = readRun(path);
  context.printJson(reportJson(run));
  context.print(...runText(run, benchStyleOf(context)));
  writePage(context, args, run);
  return 0;
}

type Action = (
  context: Context,
  args: Arguments,
  files: readonly string[],
) => Promise<number> | number;

const actions: Readonly<Record<string, Action>> = {
  paths: async (...all) => (await import("./bench-paths.ts")).paths(...all),
  restore: async (...all) => (await import("./bench-paths.ts")).restore(...all),
  report,
  compare,
};

export const bench: RunCommand = async (context, args) => {
  const [name = "", ...files] = args.operands;
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action !== undefined) return action(context, args, files);
  throw benchUsage(`Cannot bench ${name}: wanted one of ${Object.keys(actions).join(", ")}`);
};
