// The Debian package: which file goes where, its control files, and dpkg-deb that packs them. What
// is in /etc is a conffile; units and rules are there but nothing is enabled by installing.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const templates = join(import.meta.dirname, "..", "packaging", "debian");

export type PackagedFile = {
  /** Absolute, as on the machine. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode: 0o644 | 0o755;
};

type DebianFacts = {
  readonly version: string;
  readonly description: string;
  /** As `process.arch`. */
  readonly arch: string;
  readonly timeS: number;
  readonly files: readonly PackagedFile[];
};

const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

export function debianArchitecture(arch: string): string {
  const found = architectures[arch];
  if (found === undefined) throw new Error(`Cannot package for ${arch}: wanted x64 or arm64`);
  return found;
}

/** Debian sorts `1.0~rc1` before `1.0`; npm writes `1.0.0-rc1`. */
export const debianVersion = (version: string): string => version.replace("-", "~");

/** What Node's binary is linked with (its version needs), and flock(1) of the lock. */
const depends = [
  "libc6 (>= 2.28)",
  "libgcc-s1",
  "libstdc++6 (>= 5)",
  "libatomic1",
  "util-linux",
].join(", ");

export function controlOf({ version, description, arch, files }: DebianFacts): string {
  const bytes = files.reduce((sum, { content }) => sum + Math.ceil(content.length / 1024), 0);
  return [
    "Package: sriovctl",
    `Version: ${debianVersion(version)}`,
    `Architecture: ${debianArchitecture(arch)}`,
    "Maintainer: sriovctl maintainers <sriovctl@localhost>",
    "Section: admin",
    "Priority: optional",
    `Installed-Size: ${bytes}`,
    `Depends: ${depends}`,
    "Recommends: iproute2, kmod",
    "Suggests: pciutils",
    `Description: ${description}`,
    " Say which PFs, how many VFs and which policy in a spec; see the plan and whom",
    " it hits; apply it. Every step is journalled, verified and can be undone.",
    "",
  ].join("\n");
}

export const conffilesOf = (files: readonly PackagedFile[]): string =>
  files
    .filter(({ path }) => path.startsWith("/etc/"))
    .map(({ path }) => `${path}\n`)
    .join("");

export const md5sumsOf = (files: readonly PackagedFile[]): string =>
  files
    .filter(({ path }) => !path.startsWith("/etc/"))
    .map(({ path, content }) => {
      return `${createHash("md5").update(content).digest("hex")}  ${path.slice(1)}\n`;
    })
    .join("");

const hasDpkgDeb = (): boolean => spawnSync("dpkg-deb", ["--version"]).error === undefined;

/** Writes the package to `output`; false on a machine without dpkg-deb. */
export function buildDebian(facts: DebianFacts, output: string): boolean {
  if (!hasDpkgDeb()) return false;
  const work = `${output}.build`;
  rmSync(work, { recursive: true, force: true });
  const control = (name: string, text: string, mode: PackagedFile["mode"]): PackagedFile => {
    return { path: `/DEBIAN/${name}`, content: Buffer.from(text), mode };
  };
  const script = (name: string): PackagedFile =>
    control(name, readFileSync(join(templates, name), "utf8"), 0o755);
  const all = [
    control("control", controlOf(facts), 0o644),
    control("conffiles", conffilesOf(facts.files), 0o644),
    control("md5sums", md5sumsOf(facts.files), 0o644),
    ...["postinst", "postrm"].map(script),
    ...facts.files,
  ];
  for (const { path, content, mode } of all) {
    const file = join(work, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(file, content, { mode });
    utimesSync(file, facts.timeS, facts.timeS);
  }
  // zstd: xz takes a minute of CPU for a fifth less. dpkg reads it from 1.21.18 (Debian 12) on.
  const options = ["--root-owner-group", "-Zzstd", "-z10", "--build"];
  const { status, stderr } = spawnSync("dpkg-deb", [...options, work, output], {
    encoding: "utf8",
    env: { ...process.env, SOURCE_DATE_EPOCH: String(facts.timeS), LC_ALL: "C" },
  });
  if (status !== 0) throw new Error(`Cannot build the Debian package: ${stderr}`);
  rmSync(work, { recursive: true });
  return true;
}
