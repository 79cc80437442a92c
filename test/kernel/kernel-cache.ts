// The kernel that the lab boots: the distribution's newest package, downloaded and unpacked (never
// installed) into a cache outside the repository, keyed by package version. Everything is prepared
// in a temporary folder and renamed into place, so that labs of several checkouts can race.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { LabUnavailable } from "./lab-commands.ts";

export type LabKernel = {
  /** `uname -r` in the lab. */
  readonly release: string;
  /** Version of the packages, for headers and source of the same kernel. */
  readonly packageVersion: string;
  readonly vmlinux: string;
  /** What `modprobe -d` takes: contains lib/modules/RELEASE. */
  readonly modulesRoot: string;
};

/** Meta packages that name the current kernel, Debian's first, then Ubuntu's. */
const metaPackages = ["linux-image-amd64", "linux-image-generic"];

export function cacheDirectory(): string {
  const base = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const directory = join(base, "sriovctl-lab");
  mkdirSync(directory, { recursive: true });
  return directory;
}

export function run(command: string, args: readonly string[], cwd?: string): string {
  return execFileSync(command, args, {
    cwd,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C" },
  });
}

/** Fills `name` in the cache by `prepare` unless it is there; returns its path. */
export function cached(name: string, prepare: (directory: string) => void): string {
  const final = join(cacheDirectory(), name);
  if (existsSync(final)) return final;
  const temporary = mkdtempSync(join(cacheDirectory(), ".preparing-"));
  try {
    prepare(temporary);
    try {
      renameSync(temporary, final);
    } catch (error) {
      // Another lab was faster: a rename onto a filled folder is ENOTEMPTY or EEXIST.
      if (!existsSync(final)) throw error;
    }
    return final;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Names of the packages that `name` at `version` needs, of those that match `wanted`. */
export function packageDependencies(name: string, version: string, wanted: RegExp): string[] {
  const record = run("apt-cache", ["show", `${name}=${version}`]);
  const depends = /^Depends: (.*)$/m.exec(record)?.[1] ?? "";
  return depends
    .split(/[,|]/)
    .map((entry) => entry.trim().split(" ")[0] ?? "")
    .filter((dependency) => wanted.test(dependency));
}

export function downloadAndUnpack(packages: readonly string[], directory: string): void {
  try {
    run("apt-get", ["download", "-q", ...packages], directory);
  } catch (cause) {
    throw new LabUnavailable(`apt-get cannot download ${packages.join(" ")}`, { cause });
  }
  for (const file of readdirSync(directory).filter((name) => name.endsWith(".deb"))) {
    run("dpkg", ["-x", join(directory, file), directory]);
    rmSync(join(directory, file));
  }
}

type KernelPackages = { readonly version: string; readonly packages: readonly string[] };

function resolveKernelPackages(): KernelPackages {
  for (const meta of metaPackages) {
    // madison lists the newest version first: "linux-image-amd64 | 6.12.95-1~bpo12+1 | ..."
    const version = run("apt-cache", ["madison", meta]).split("\n")[0]?.split("|")[1]?.trim();
    if (version === undefined) continue;
    const wanted = /^linux-(image|modules|modules-extra)-\d/;
    const packages = new Set(packageDependencies(meta, version, wanted));
    for (const name of packages) {
      for (const next of packageDependencies(name, version, wanted)) packages.add(next);
    }
    if (packages.size > 0) return { version, packages: [...packages] };
  }
  throw new LabUnavailable("apt knows no kernel package: run apt-get update");
}

const decompressors: readonly (readonly [magic: string, command: string, args: string[]])[] = [
  ["fd377a585a00", "xz", ["-dc"]],
  ["28b52ffd", "zstd", ["-dc"]],
  ["1f8b", "gzip", ["-dc"]],
];

/**
 * Takes the ELF kernel out of a bzImage: decompressing it inside the emulated machine would cost
 * seconds at every boot. Linux Documentation/arch/x86/boot.rst: payload_offset, payload_length.
 */
function extractVmlinux(bzImage: Buffer): Buffer {
  const setupSectors = bzImage.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + bzImage.readUInt32LE(0x248);
  // The payload is followed by its own unpacked length, which xz takes for garbage.
  const payload = bzImage.subarray(start, start + bzImage.readUInt32LE(0x24c) - 4);
  const magic = payload.subarray(0, 6).toString("hex");
  const decompressor = decompressors.find(([prefix]) => magic.startsWith(prefix));
  if (decompressor === undefined) return bzImage;
  const [, command, args] = decompressor;
  return execFileSync(command, args, { input: payload, maxBuffer: 512 * 1024 * 1024 });
}

function prepareKernel(directory: string, { version, packages }: KernelPackages): void {
  downloadAndUnpack(
    packages.map((name) => `${name}=${version}`),
    directory,
  );
  const image = readdirSync(join(directory, "boot")).find((name) => name.startsWith("vmlinuz-"));
  if (image === undefined) throw new Error(`Cannot prepare ${packages.join(" ")}: no vmlinuz`);
  const release = image.slice("vmlinuz-".length);
  // Newer packages use usr/lib; modprobe -d looks below lib.
  if (!existsSync(join(directory, "lib"))) {
    renameSync(join(directory, "usr", "lib"), join(directory, "lib"));
  }
  run("depmod", ["-b", directory, release]);
  const vmlinux = extractVmlinux(readFileSync(join(directory, "boot", image)));
  writeFileSync(join(directory, "vmlinux"), vmlinux);
  writeFileSync(join(directory, "release"), `${release}\n`);
  rmSync(join(directory, "boot"), { recursive: true });
  rmSync(join(directory, "usr"), { recursive: true, force: true });
}

/** The newest kernel that apt knows; downloaded unless it is cached. Without lists, any cached. */
function findKernel(): string {
  try {
    const kernel = resolveKernelPackages();
    return cached(`kernel-${kernel.version}`, (temporary) => {
      prepareKernel(temporary, kernel);
    });
  } catch (error) {
    if (!(error instanceof LabUnavailable)) throw error;
    const names = readdirSync(cacheDirectory()).filter((name) => name.startsWith("kernel-"));
    const newest = names.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
    if (newest === undefined) throw error;
    return join(cacheDirectory(), newest);
  }
}

let known: LabKernel | null = null;

/** The kernel of this process's labs; the first call asks apt (1 s) and may download (10 s). */
export function labKernel(): LabKernel {
  if (known !== null) return known;
  const directory = findKernel();
  known = {
    release: readFileSync(join(directory, "release"), "utf8").trim(),
    packageVersion: basename(directory).slice("kernel-".length),
    vmlinux: join(directory, "vmlinux"),
    modulesRoot: directory,
  };
  return known;
}
