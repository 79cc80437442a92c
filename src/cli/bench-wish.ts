// What a command line of `sriovctl bench` asks for, checked, and where its files go.

import { htmlReport } from "../bench/html-report.ts";
import type { MeasuredRun } from "../bench/measured-run.ts";
import { SriovError } from "../model/errors.ts";
import { writeErrorOf } from "../model/file-error.ts";
import type { Arguments, Context } from "./context.ts";
import { writeFileWhole } from "./write-file.ts";

export type BenchWish = {
  readonly rounds: number;
  /** Of each single measurement. */
  readonly seconds: number;
  readonly frameSizes: readonly number[];
  readonly pinning: readonly [sender: number, receiver: number] | null;
  /** `PathRow.id`; null: all. */
  readonly paths: readonly string[] | null;
  /** null: KVM where it is there. */
  readonly accel: "kvm" | "tcg" | null;
};

export const benchUsage = (message: string): SriovError =>
  new SriovError("usage", message, { operation: "bench", target: "bench" });

/** RFC 2544's sizes for Ethernet, thinned, and one jumbo frame. */
const usualSizes = "64,128,256,512,1024,1518,9000";

function numberOf(option: string, text: string, [least, most]: readonly [number, number]): number {
  const value = /^\d{1,5}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw benchUsage(`Cannot read --${option} ${text}: wanted ${least} to ${most}`);
}

const listOf = (text: string): string[] => text.split(",").map((word) => word.trim());

function pinningOf(text: string | null): BenchWish["pinning"] {
  if (text === null) return null;
  const [sender, receiver, more] = listOf(text);
  if (sender === undefined || receiver === undefined || more !== undefined) {
    throw benchUsage(`Cannot read --pin ${text}: wanted two processors, as 2,3`);
  }
  const limits = [0, 65_535] as const;
  return [numberOf("pin", sender, limits), numberOf("pin", receiver, limits)];
}

/** Throws SriovError `usage`. */
export function benchWishOf(args: Arguments, known: readonly string[]): BenchWish {
  const paths = args.text("paths") === null ? null : listOf(args.text("paths") ?? "");
  const stranger = paths?.find((id) => !known.includes(id));
  if (stranger !== undefined) {
    throw benchUsage(`Cannot measure ${stranger}: wanted some of ${known.join(", ")}`);
  }
  const accel = args.text("accel");
  if (accel !== null && accel !== "kvm" && accel !== "tcg") {
    throw benchUsage(`Cannot read --accel ${accel}: wanted kvm or tcg`);
  }
  const sizes = listOf(args.text("sizes") ?? usualSizes);
  const frameSizes = sizes.map((size) => numberOf("sizes", size, [64, 9018]));
  return {
    rounds: numberOf("rounds", args.text("rounds") ?? "5", [1, 1000]),
    seconds: numberOf("seconds", args.text("seconds") ?? "2", [1, 3600]),
    frameSizes: [...new Set(frameSizes)].toSorted((a, b) => a - b),
    pinning: pinningOf(args.text("pin")),
    paths,
    accel,
  };
}

/** Setting up, waiting for links, starting servers; what a tool takes beside its measurement; and a
 * guest's boot. */
const [pathSeconds, toolSeconds, bootSeconds] = [4, 1, 10];

export const secondsOf = (
  { rounds, seconds, frameSizes }: BenchWish,
  paths: number,
  guests: number,
): number =>
  rounds * paths * (pathSeconds + (2 + frameSizes.length) * (seconds + toolSeconds)) +
  rounds * guests * bootSeconds;

/** Throws SriovError `file-unwritable`. */
export function writeText(path: string, text: string): void {
  try {
    writeFileWhole(path, text);
  } catch (cause) {
    const detail = { operation: "write file", target: path, cause };
    throw new SriovError("file-unwritable", `Cannot write ${path}: ${writeErrorOf(cause)}`, detail);
  }
}

export function writePage(context: Context, args: Arguments, run: MeasuredRun): void {
  const path = args.text("html");
  if (path === null) return;
  writeText(path, htmlReport(run));
  context.print("", `Written: ${path}`);
}
