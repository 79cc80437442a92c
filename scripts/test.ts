// Runs the test suites: `fast` (beside the sources), `dist` (what is released, installed), `sim`
// (seeded simulation), `lease` (eight processes and one pool), `peers` (other managers' parsers), `kernel`
// (a real kernel in QEMU) and `boot` (whole machines that boot there); without a name, the checks of
// `npm run ok` and then all of them. Suites are files by name, so a new test needs no registration.

import { spawnSync } from "node:child_process";
import { existsSync, globSync, statfsSync } from "node:fs";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { run } from "node:test";
import { dot, spec } from "node:test/reporters";
import { installSystemPackages } from "./system-packages.ts";

const root = join(import.meta.dirname, "..");

type Suite = {
  readonly files: readonly string[];
  readonly except?: RegExp;
  readonly concurrency: number;
  /** Files that take minutes, by name: they start first, lest one ends alone. */
  readonly longest?: readonly string[];
  /** Needs the packages of system-packages.ts: by its name alone, too. */
  readonly isLab?: true;
};

const suites: Readonly<Record<string, Suite>> = {
  fast: {
    files: ["src/**/*.test.ts", "scripts/*.test.ts", "test/*.test.ts", "test/kernel/*.test.ts"],
    except: /\.kernel\.test\.ts$/,
    concurrency: 2,
  },
  dist: { files: ["test/release/*.dist.test.ts"], concurrency: 1 },
  sim: { files: ["test/sim/*.test.ts"], concurrency: 2 },
  lease: { files: ["test/lease/*.lease.test.ts"], concurrency: 1 },
  peers: { files: ["test/peers/*.peers.test.ts"], concurrency: 1 },
  kernel: {
    files: ["test/kernel/*.kernel.test.ts"],
    // A lab waits for its devices and timers almost half of its time: three keep two cores busy.
    concurrency: 3,
    longest: [
      "attach-qemu-crash",
      "main-job",
      "attach-libvirt",
      "guest-hooks",
      "attach-qemu",
      "hand-over",
      "bench-guests",
    ],
    isLab: true,
  },
  boot: { files: ["test/boot/*.boot.test.ts"], concurrency: 1, isLab: true },
};

/** The files of a suite in the order in which they start. */
function filesOf({ files, except, longest = [] }: Suite): readonly string[] {
  const place = (path: string): number => {
    const at = longest.findIndex((name) => basename(path).startsWith(`${name}.`));
    return at < 0 ? longest.length : at;
  };
  return files
    .flatMap((pattern) => globSync(pattern, { cwd: root }))
    .filter((path) => except?.test(path) !== true)
    .toSorted()
    .toSorted((one, other) => place(one) - place(other));
}

const sharedMemory = "/dev/shm";
const roomMinBytes = 2 ** 30;

/** Fast tests write trees of thousands of small files: in memory, where there is room. */
function useMemoryForTemporaryFiles(): void {
  if (process.env["TMPDIR"] !== undefined || !existsSync(sharedMemory)) return;
  const { bavail, bsize } = statfsSync(sharedMemory);
  if (bavail * bsize >= roomMinBytes) process.env["TMPDIR"] = sharedMemory;
}

async function runSuite(name: string, suite: Suite): Promise<boolean> {
  const found = filesOf(suite);
  if (found.length === 0) {
    console.log(`suite ${name}: no test files, wanted some`);
    return false;
  }
  console.log(`suite ${name}: ${found.length} test files`);
  if (name === "fast") useMemoryForTemporaryFiles();
  let hasPassed = false;
  const files = found.map((path) => join(root, path));
  // `node --test` would sort the files; run() keeps their order.
  const events = run({ files, concurrency: suite.concurrency, cwd: root });
  events.on("test:summary", ({ file, success }) => {
    if (file === undefined) hasPassed = success;
  });
  await pipeline(events, name === "fast" ? dot : new spec(), process.stdout, { end: false });
  return hasPassed;
}

/** A continuous run must not pass by having skipped what it could not run. */
function hasSystemPackages(): boolean {
  const missing = installSystemPackages();
  if (missing.length === 0 || !process.env["CI"]) return true;
  console.error(`Cannot run all suites: missing ${missing.join(", ")}`);
  return false;
}

async function runAll(): Promise<boolean> {
  const hasPackages = hasSystemPackages();
  const ok = spawnSync(process.execPath, [join(root, "scripts", "ok.ts")], { stdio: "inherit" });
  let hasPassed = ok.status === 0 && hasPackages;
  for (const [name, suite] of Object.entries(suites)) {
    if (name !== "fast" && !(await runSuite(name, suite))) hasPassed = false;
  }
  return hasPassed;
}

const [name] = process.argv.slice(2);
if (name === undefined) {
  process.exitCode = (await runAll()) ? 0 : 1;
} else {
  const suite = suites[name];
  if (suite === undefined) {
    console.error(`Cannot run suite ${name}: wanted ${Object.keys(suites).join(", ")}`);
    process.exitCode = 2;
  } else {
    const hasPackages = suite.isLab === true ? hasSystemPackages() : true;
    process.exitCode = (await runSuite(name, suite)) && hasPackages ? 0 : 1;
  }
}
