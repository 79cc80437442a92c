// Reads a file of `bench paths` back. It may have come by mail: every key is checked, and what makes
// no sense as a figure (a negative rate, a percentile of 400) is refused with its place.

import * as z from "zod";
import {
  benchFormat,
  type BenchHost,
  type MeasuredRun,
  type PathResult,
  type Sample,
} from "./measured-run.ts";

/** Of some 100,000 samples. */
export const maxRunBytes = 64 * 1024 * 1024;

const text = z.string().max(4096);
const amount = z.number().nonnegative();
const maybeAmount = amount.nullable();
const count = z.int().nonnegative().max(1_000_000);

const sampleShape = z.strictObject({
  path: text,
  round: count,
  traffic: z.enum(["tcp", "udp", "latency"]),
  frameBytes: count.nullable(),
  durationSeconds: z.number().positive(),
  bitsPerSecond: maybeAmount,
  packetsPerSecond: maybeAmount,
  lostShare: z.number().min(0).max(1).nullable(),
  latency: z
    .array(z.tuple([z.number().min(0).max(100), amount]))
    .max(100)
    .nullable(),
  hostCpuSeconds: maybeAmount,
  ownCpuSeconds: maybeAmount,
  guestCpuSeconds: maybeAmount,
}) satisfies z.ZodType<Sample>;

const pathShape = z.strictObject({
  id: text,
  title: text,
  notMeasured: text.nullable(),
  notes: z.array(text).max(100),
}) satisfies z.ZodType<PathResult>;

const hostShape = z.strictObject({
  name: text,
  kernelRelease: text,
  processorModel: text,
  processors: count,
  numaNodes: count,
  emulation: z.array(text).max(20),
  loadBefore: maybeAmount,
  loadAfter: maybeAmount,
  idleProcessorsBusy: z.array(amount).max(10_000),
}) satisfies z.ZodType<BenchHost>;

const runShape = z.strictObject({
  format: z.literal(benchFormat),
  madeAt: text,
  version: text,
  host: hostShape,
  functions: z.array(text).max(100),
  tools: z.array(z.tuple([text, text])).max(100),
  settings: z.strictObject({
    rounds: count,
    seconds: z.number().positive(),
    frameSizes: z.array(count).max(100),
    pinning: text.nullable(),
  }),
  isInterrupted: z.boolean(),
  paths: z.array(pathShape).max(100),
  samples: z.array(sampleShape).max(200_000),
  problems: z.array(text).max(10_000),
}) satisfies z.ZodType<MeasuredRun>;

type DecodedRun =
  | { readonly run: MeasuredRun; readonly problem: null }
  | { readonly run: null; readonly problem: string };

const refused = (problem: string): DecodedRun => ({ run: null, problem });

function parseJson(source: string): { readonly value: unknown } | null {
  try {
    return { value: JSON.parse(source) };
  } catch {
    return null;
  }
}

/** `problem`: what is there, and what was wanted. */
export function decodeRun(source: string): DecodedRun {
  const parsed = parseJson(source);
  if (parsed === null)
    return refused("it is not JSON, wanted a file of sriovctl bench paths --out");
  const format = z.object({ format: z.string().max(100) }).safeParse(parsed.value);
  if (!format.success || !format.data.format.startsWith("sriovctl-bench/")) {
    return refused(`it has no format ${benchFormat}`);
  }
  if (format.data.format !== benchFormat) {
    return refused(`its format ${format.data.format} is newer than this program's ${benchFormat}`);
  }
  const run = runShape.safeParse(parsed.value);
  if (run.success) return { run: run.data, problem: null };
  const [issue] = run.error.issues;
  return refused(`at ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "another shape"}`);
}
