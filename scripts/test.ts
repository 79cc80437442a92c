// Runs the test suites: `fast` (beside the sources), `dist` (what is released, installed), `sim`
// (seeded simulation), `lease` (eight processes and one pool), `peers` (other managers' parsers), `kernel`
// (a real kernel in QEMU) and `boot` (whole machines that boot there); without a name, the checks of
// `npm run ok` and then all of them. Suites are files by name, so a new test needs no registration.

import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { installSystemPackages } from "./system-packages.ts";

const root = join(import.meta.dirname, "..");

type Suite = {
  readonly files: readonly string[];
  readonly except?: RegExp;
  readonly concurrency: number;
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
  kernel: { files: ["test/kernel/*.kernel.test.ts"], concurrency: 2, isLab: true },
  boot: { files: ["test/boot/*.boot.test.ts"], concurrency: 1, isLab: true },
};

function runSuite(name: string, { files, except, concurrency }: Suite): boolean {
  const found = files
    .flatMap((pattern) => globSync(pattern, { cwd: root }))
    .filter((path) => except?.test(path) !== true)
    .toSorted();
  if (found.length === 0) {
    console.log(`suite ${name}: no test files, wanted some`);
    return false;
  }
  console.log(`suite ${name}: ${found.length} test files`);
  const reporter = name === "fast" ? "dot" : "spec";
  const { status } = spawnSync(
    process.execPath,
    ["--test", `--test-concurrency=${concurrency}`, `--test-reporter=${reporter}`, ...found],
    { cwd: root, stdio: "inherit" },
  );
  return status === 0;
}

/** A continuous run must not pass by having skipped what it could not run. */
function hasSystemPackages(): boolean {
  const missing = installSystemPackages();
  if (missing.length === 0 || !process.env["CI"]) return true;
  console.error(`Cannot run all suites: missing ${missing.join(", ")}`);
  return false;
}

function runAll(): boolean {
  const hasPackages = hasSystemPackages();
  const ok = spawnSync(process.execPath, [join(root, "scripts", "ok.ts")], { stdio: "inherit" });
  const slow = Object.entries(suites).filter(([name]) => name !== "fast");
  return (
    slow.map(([name, suite]) => runSuite(name, suite)).every(Boolean) &&
    ok.status === 0 &&
    hasPackages
  );
}

const [name] = process.argv.slice(2);
if (name === undefined) {
  process.exitCode = runAll() ? 0 : 1;
} else {
  const suite = suites[name];
  if (suite === undefined) {
    console.error(`Cannot run suite ${name}: wanted ${Object.keys(suites).join(", ")}`);
    process.exitCode = 2;
  } else {
    const hasPackages = suite.isLab === true ? hasSystemPackages() : true;
    process.exitCode = runSuite(name, suite) && hasPackages ? 0 : 1;
  }
}
