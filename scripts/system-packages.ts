// Installs what the slower suites need beyond `npm ci`: QEMU, busybox, a compiler, the tools that
// serve as independent witnesses, libraries of other managers' tools; no daemon starts by them. Acts
// only as root on Debian or Ubuntu; otherwise it prints the command, and the suites skip with a
// reason. With CI set, missing packages are a failure.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { backportsSource, parseIndexTargets } from "./apt-sources.ts";

const packages = [
  "busybox-static",
  "dbus-daemon",
  "debootstrap",
  "e2fsprogs",
  "ethtool",
  "gcc",
  "iperf3",
  "iproute2",
  "iputils-ping",
  "kmod",
  "libc6-dev",
  "libnm0",
  "libxml2-utils",
  "libyaml-0-2",
  "make",
  "pciutils",
  "python3",
  "qemu-system-x86",
  "sockperf",
  "strace",
  "systemd",
  "xz-utils",
];

type Version = readonly [major: number, minor: number];

/** igb came with QEMU 8.0. */
const oldestQemu: Version = [8, 0];
/** What the kernel's behaviour was measured on; older Debian kernels lock differently. */
const oldestKernel: Version = [6, 12];

const backportsFile = "/etc/apt/sources.list.d/sriovctl-backports.sources";

const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };

/** What a program printed; empty also when it is not installed. */
const outputOf = (command: string, ...args: readonly string[]): string =>
  spawnSync(command, args, { encoding: "utf8", env: environment }).stdout ?? "";

function aptGet(...args: readonly string[]): void {
  const lockWait = ["-q", "-o", "DPkg::Lock::Timeout=300"];
  // Its chatter goes to stderr: stdout belongs to the test run.
  const { status } = spawnSync("apt-get", [...lockWait, ...args], {
    stdio: ["ignore", 2, 2],
    env: environment,
  });
  if (status !== 0) throw new Error(`Cannot install packages: apt-get ${args.join(" ")} failed`);
}

function isAtLeast(version: string, [major, minor]: Version): boolean {
  const match = /^(?:\d+:)?(\d+)\.(\d+)/.exec(version);
  if (match === null) return false;
  const [haveMajor, haveMinor] = [Number(match[1]), Number(match[2])];
  return haveMajor > major || (haveMajor === major && haveMinor >= minor);
}

function installedVersion(name: string): string {
  const format = "${db:Status-Status} ${Version}";
  const [status, version] = outputOf("dpkg-query", "-W", "-f", format, name).split(" ");
  return status === "installed" ? (version ?? "") : "";
}

/** madison lists newest first, over all sources that apt has. */
const newestVersion = (name: string): string =>
  outputOf("apt-cache", "madison", name).split("\n")[0]?.split("|")[1]?.trim() ?? "";

function missingPackages(): string[] {
  return packages.filter((name) => {
    const version = installedVersion(name);
    return name === "qemu-system-x86" ? !isAtLeast(version, oldestQemu) : version === "";
  });
}

/** The kernel is not installed but downloaded by the lab: apt only has to know one. */
const hasKernel = (): boolean =>
  isAtLeast(newestVersion("linux-image-amd64"), oldestKernel) ||
  newestVersion("linux-image-generic") !== "";

/** What `apt-get install` would take: madison's newest may be in a suite of low priority. */
const candidateVersion = (name: string): string =>
  /^ {2}Candidate: (.*)$/m.exec(outputOf("apt-cache", "policy", name))?.[1] ?? "";

/**
 * On a Debian release too old to have what the lab needs, its backports become a source. Returns
 * the options that make apt-get take QEMU from there.
 */
function addBackports(): string[] {
  const codename = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  if (codename === undefined) return [];
  const isCandidateRecent = isAtLeast(candidateVersion("qemu-system-x86"), oldestQemu);
  if (isCandidateRecent && hasKernel()) return [];
  const suite = `${codename}-backports`;
  const targets = parseIndexTargets(outputOf("apt-get", "indextargets", "Identifier: Packages"));
  if (!targets.some(({ release }) => release === suite)) {
    const source = backportsSource(targets, codename, (path) => readFileSync(path, "utf8"));
    if (source === null) return [];
    writeFileSync(backportsFile, source);
    aptGet("update");
  }
  return isCandidateRecent ? [] : ["-t", suite];
}

function install(missing: readonly string[]): void {
  aptGet("update");
  const target = addBackports();
  if (missing.length === 0) return;
  // Only QEMU has to be new: the rest stays what the release has.
  const isQemu = (name: string): boolean => name === "qemu-system-x86";
  const options = ["install", "-y", "--no-install-recommends"];
  const others = missing.filter((name) => !isQemu(name));
  if (others.length > 0) aptGet(...options, ...others);
  if (missing.some(isQemu)) aptGet(...options, ...target, "qemu-system-x86");
}

/** Installs what is missing where it may; returns what is missing after that, as words. */
export function installSystemPackages(): string[] {
  const lacking = (): string[] => [
    ...missingPackages(),
    ...(hasKernel() ? [] : ["a kernel package that apt knows"]),
  ];
  const before = lacking();
  if (before.length === 0) return [];
  const hasApt = outputOf("apt-get", "--version") !== "";
  if (!hasApt || process.getuid?.() !== 0) {
    const list = before.join(", ");
    console.error(`Some suites will be skipped. They need: ${list}`);
    console.error("As root on Debian or Ubuntu: node scripts/system-packages.ts");
    return before;
  }
  install(missingPackages());
  return lacking();
}

if (import.meta.main) {
  const missing = installSystemPackages();
  if (missing.length > 0) {
    console.error(`Missing system packages: ${missing.join(", ")}`);
    if (process.env["CI"]) process.exitCode = 1;
  }
}
