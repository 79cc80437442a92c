// How fast the switch decides: typed arrays against a C hash table that gives the same results, and
// against the slow form that explains. Rounds are interleaved, CPU time; of each round and
// each side the best counts, and the ratio is the median over the rounds.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  compileSwitch,
  highOf,
  lowOf,
  type CompiledSwitch,
} from "../src/eswitch/compiled-switch.ts";
import { decide } from "../src/eswitch/decide.ts";
import {
  certaintyOf,
  destinationHighAt,
  destinationLowAt,
  etherTypeAt,
  fateAt,
  fromAt,
  ownTagAt,
  portOf,
  sizeAt,
  sourceHighAt,
  sourceLowAt,
  tagAt,
  takerAt,
  takersAt,
  type BatchResult,
  type FrameBatch,
} from "../src/eswitch/frame-batch.ts";
import type { Frame } from "../src/eswitch/frame.ts";
import { SwitchRun } from "../src/eswitch/switch-frames.ts";
import type { SwitchState } from "../src/eswitch/switch-state.ts";
import { printRows, type BenchRow } from "./row.ts";
import { sceneOf, sceneTraffic } from "./switch-scene.ts";

const numFrames = 8192;
const rounds = 7;
const triesPerRound = 5;
/** Batches in one measurement. */
const times = 60;
const slowFrames = 512;

function nsOf(work: () => void, frames: number): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / frames;
}

/** In the order in which the C program reads them. */
const frameColumns = [
  fromAt,
  destinationHighAt,
  destinationLowAt,
  sourceHighAt,
  sourceLowAt,
  ownTagAt,
  etherTypeAt,
  sizeAt,
];

/** What the C program reads. */
function fileOf(
  state: SwitchState,
  { vlanTag, macHigh, macLow }: CompiledSwitch,
  batch: FrameBatch,
) {
  const { vfs, pfPort } = state;
  const addresses = [...(pfPort.mac === null ? [] : [pfPort.mac]), ...(pfPort.filter ?? [])];
  const columns = [
    Int32Array.of(vfs.length, addresses.length, numFrames),
    Int32Array.from(vfs.flatMap((_, at) => [macHigh[at] ?? 0, macLow[at] ?? 0, vlanTag[at] ?? 0])),
    Int32Array.from(addresses.flatMap((mac) => [highOf(mac), lowOf(mac)])),
    // Columns there: the C program's own form.
    ...frameColumns.map((valueAt) =>
      Int32Array.from({ length: numFrames }, (_, at) => valueAt(batch, at)),
    ),
  ];
  return Buffer.concat(columns.map(({ buffer }) => Buffer.from(buffer)));
}

/** FNV-1a over words, as the C program makes it. */
function hashOf(run: SwitchRun, result: BatchResult): string {
  let sum = 2166136261;
  const add = (value: number): void => {
    sum = Math.imul(sum ^ value, 16777619) >>> 0;
  };
  for (let at = 0; at < numFrames; at++) {
    add(fateAt(result, at));
    add(tagAt(result, at));
    for (let nth = 0; nth < takersAt(result, at); nth++) {
      const delivery = takerAt(result, at, nth);
      add(portOf(delivery));
      add(certaintyOf(delivery));
    }
  }
  const { sent, dropped, spoofed, received, perhaps } = run.counters;
  sent.forEach((_, at) => {
    for (const column of [sent, dropped, spoofed, received, perhaps]) add(column[at] ?? 0);
  });
  return sum.toString(16).padStart(8, "0");
}

const median = (values: readonly number[]): number =>
  values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;

const macText = (high: number, low: number): string =>
  [high >> 8, high, low >> 24, low >> 16, low >> 8, low]
    .map((byte) => (byte & 0xff).toString(16).padStart(2, "0"))
    .join(":");

/** The first frames as the slow form takes them. */
const framesOf = (batch: FrameBatch): readonly (readonly [Frame, number])[] =>
  Array.from({ length: slowFrames }, (_, at) => [
    {
      destination: macText(destinationHighAt(batch, at), destinationLowAt(batch, at)),
      source: macText(sourceHighAt(batch, at), sourceLowAt(batch, at)),
      tag: null,
      etherType: 0x0800,
      sizeBytes: 64,
    },
    fromAt(batch, at),
  ]);

type Figures = { readonly oursNs: number; readonly cNs: number; readonly slowNs: number };

function runC(program: string, file: string, hash: string): number {
  const { status, stdout } = spawnSync(program, [file, String(times)], { encoding: "utf8" });
  const [ns = "", found] = stdout.trim().split(" ");
  if (status !== 0) throw new Error("The C program could not read its file");
  if (found !== hash) throw new Error(`C decides otherwise: ${found}, wanted ${hash}`);
  return Number(ns);
}

function measure(program: string, folder: string, [numVfs, entries]: readonly [number, number]) {
  const state = sceneOf(numVfs, entries);
  const compiled = compileSwitch(state);
  const batch = sceneTraffic(state, numFrames);
  const file = join(folder, `scene-${entries}`);
  writeFileSync(file, fileOf(state, compiled, batch));
  const first = new SwitchRun(compiled);
  const hash = hashOf(first, first.run(batch));
  const run = new SwitchRun(compiled);
  const slow = framesOf(batch);
  const figures: Figures[] = [];
  for (let round = 0; round < rounds; round++) {
    let oursNs = Infinity;
    for (let nth = 0; nth < triesPerRound; nth++) {
      const work = (): void => {
        for (let time = 0; time < times; time++) run.run(batch);
      };
      oursNs = Math.min(oursNs, nsOf(work, times * numFrames));
    }
    const cNs = runC(program, file, hash);
    const slowNs = nsOf(() => {
      for (const [frame, vfIndex] of slow) decide(state, frame, { kind: "vf", vfIndex });
    }, slowFrames);
    figures.push({ oursNs, cNs, slowNs });
  }
  return figures;
}

function rowsOf(figures: readonly Figures[], entries: number, cLimit: number): BenchRow[] {
  const of = (name: keyof Figures): number => median(figures.map((each) => each[name]));
  const toC = median(figures.map(({ oursNs, cNs }) => oursNs / cNs));
  const toSlow = median(figures.map(({ oursNs, slowNs }) => slowNs / oursNs));
  const size = `${entries.toLocaleString("en-US")} table entries`;
  return [
    {
      what: `switch decision, ${size} / C hash table`,
      measured: `${toC.toFixed(2)} x (${of("oursNs").toFixed(1)} / ${of("cNs").toFixed(1)} ns CPU)`,
      goal: `<= ${cLimit} x C`,
      isMet: toC <= cLimit,
    },
    {
      what: `slow form, ${size} / switch decision`,
      measured: `${toSlow.toFixed(0)} x (${(of("slowNs") / 1000).toFixed(1)} us CPU)`,
      goal: ">= 25 x",
      isMet: toSlow >= 25,
    },
  ];
}

const folder = mkdtempSync(join(tmpdir(), "sriovctl-bench-"));
try {
  const program = join(folder, "switch-decision");
  const source = join(import.meta.dirname, "switch-decision.c");
  const { status } = spawnSync("cc", ["-O2", "-o", program, source], { stdio: "inherit" });
  if (status === 0) {
    printRows([
      ...rowsOf(measure(program, folder, [120, 128]), 128, 4),
      ...rowsOf(measure(program, folder, [1024, 8192]), 8192, 2.5),
    ]);
  } else {
    const measured = "not here: no C compiler";
    printRows([{ what: "switch decision", measured, goal: "<= 4 x C", isMet: null }]);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
