// `npm run dist`: everything that is released, into dist/: the single executable, a Debian package, a
// tar archive, an npm package, a bill of materials and SHA-256 sums, signed when there is a key
// (SRIOVCTL_SIGNING_KEY). It needs nothing but what `npm ci` installed, and two runs on one commit
// give the same bytes: every time in them is the commit's (or SOURCE_DATE_EPOCH).

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { installedFiles } from "../src/install/installation.ts";
import { buildPackage, readManifest } from "./build.ts";
import {
  buildDebian,
  debianArchitecture,
  debianVersion,
  type PackagedFile,
} from "./dist-debian.ts";
import { buildExecutable } from "./dist-executable.ts";
import { architectureOf, nodeFor, type Architecture } from "./dist-node.ts";
import { sbomOf, type Lock } from "./dist-sbom.ts";
import { signed } from "./dist-signature.ts";
import { tarGzOf, type TarEntry } from "./dist-tar.ts";
import { manualPage } from "./manual.ts";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
const { version, description } = readManifest();

/** Seconds since 1970: SOURCE_DATE_EPOCH, or the commit's. */
function sourceTime(): number {
  const given = process.env["SOURCE_DATE_EPOCH"];
  const words = ["-C", root, "log", "-1", "--format=%ct"];
  const text = given ?? spawnSync("git", words, { encoding: "utf8" }).stdout?.trim();
  const timeS = Number(text);
  if (text !== undefined && text !== "" && Number.isSafeInteger(timeS)) return timeS;
  throw new Error("Cannot date the build: not in a git repository, wanted SOURCE_DATE_EPOCH");
}

type Named = { readonly path: string; readonly content: Uint8Array };

function completions(cli: string): Record<"bash" | "zsh" | "fish", Uint8Array> {
  const of = (shell: string): Uint8Array => {
    const { status, stdout } = spawnSync(process.execPath, [cli, "completion", shell]);
    if (status !== 0) throw new Error(`Cannot make the completion for ${shell}`);
    return stdout;
  };
  return { bash: of("bash"), zsh: of("zsh"), fish: of("fish") };
}

const filesBelow = (folder: string): string[] =>
  globSync("**", { cwd: folder })
    .filter((path) => statSync(join(folder, path)).isFile())
    .toSorted();

const examples = (): Named[] =>
  filesBelow(join(root, "examples")).map((name) => ({
    path: `examples/${name}`,
    content: readFileSync(join(root, "examples", name)),
  }));

const changelog = (): Uint8Array => readFileSync(join(root, "CHANGELOG.md"));

type Parts = {
  readonly executable: Uint8Array;
  readonly manual: Uint8Array;
  readonly sbom: Uint8Array;
  readonly shells: ReturnType<typeof completions>;
};

/** Where Debian wants each part. */
function debianFiles({ executable, manual, sbom, shells }: Parts): PackagedFile[] {
  const documents = "/usr/share/doc/sriovctl";
  const plain = (path: string, content: Uint8Array): PackagedFile => {
    return { path, content, mode: 0o644 };
  };
  const packaging = (name: string): Uint8Array => readFileSync(join(root, "packaging", name));
  const command = "/usr/bin/sriovctl";
  const program = {
    command: [command],
    configDir: "/etc/sriovctl",
    stateDir: "/var/lib/sriovctl",
  };
  return [
    plain("/etc/sriovctl/host.yaml.example", packaging("host.yaml.example")),
    { path: command, content: executable, mode: 0o755 },
    ...installedFiles(program, "/run/sriovctl").map(({ packagedPath, text }) =>
      plain(packagedPath, Buffer.from(text)),
    ),
    plain("/usr/share/bash-completion/completions/sriovctl", shells.bash),
    plain("/usr/share/fish/vendor_completions.d/sriovctl.fish", shells.fish),
    plain("/usr/share/zsh/vendor-completions/_sriovctl", shells.zsh),
    plain("/usr/share/man/man1/sriovctl.1.gz", gzipSync(manual, { level: 9 })),
    plain(`${documents}/copyright`, packaging("debian/copyright")),
    plain(`${documents}/sriovctl.cdx.json`, sbom),
    plain(`${documents}/changelog.gz`, gzipSync(changelog(), { level: 9 })),
    ...examples().map(({ path, content }) => plain(`${documents}/${path}`, content)),
  ];
}

function tarFiles({ executable, manual, sbom, shells }: Parts): TarEntry[] {
  const files: Named[] = [
    { path: "LICENSE", content: readFileSync(join(root, "LICENSE")) },
    { path: "CHANGELOG.md", content: changelog() },
    { path: "completions/sriovctl.bash", content: shells.bash },
    { path: "completions/sriovctl.fish", content: shells.fish },
    { path: "completions/_sriovctl", content: shells.zsh },
    { path: "man/sriovctl.1", content: manual },
    { path: "sriovctl.cdx.json", content: sbom },
    ...examples(),
  ];
  const folder = `sriovctl-${version}`;
  return [
    { path: `${folder}/sriovctl`, content: executable, mode: 0o755 },
    ...files.map(({ path, content }) => ({ path: `${folder}/${path}`, content, mode: 0o644 })),
  ];
}

/** As `npm pack` lays it out: everything below package/. */
const npmFiles = (folder: string): TarEntry[] =>
  filesBelow(folder).map((path) => ({
    path: `package/${path}`,
    content: readFileSync(join(folder, path)),
    mode: path === "cli.cjs" ? 0o755 : 0o644,
  }));

const lock: Lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));

function bill(arch: Architecture, timeS: number): Uint8Array {
  const sbom = sbomOf({
    lock,
    nodePackage: `node-linux-${arch}`,
    nodeVersions: process.versions,
    timestamp: new Date(timeS * 1000).toISOString(),
  });
  return Buffer.from(`${JSON.stringify(sbom, null, 2)}\n`);
}

function sumsOf(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const sum = createHash("sha256").update(readFileSync(path)).digest("hex");
      return `${sum}  ${path.slice(dist.length + 1)}\n`;
    })
    .join("");
}

const signingKey = process.env["SRIOVCTL_SIGNING_KEY"] || null;

/** Beside the sums: their signature, and what to verify it with. */
function signSums(sums: string): void {
  if (signingKey === null) return;
  const { signature, publicKey } = signed(readFileSync(sums), signingKey);
  writeFileSync(`${sums}.sig`, signature);
  writeFileSync(join(dirname(sums), "sriovctl.pub"), publicKey);
}

type Build = {
  readonly executable: string;
  readonly archive: string;
  readonly sbom: string;
  /** null on a machine without dpkg-deb. */
  readonly debian: string | null;
  readonly debianFiles: readonly PackagedFile[];
};

export type Release = Omit<Build, "sbom"> & {
  readonly npmPackage: string;
  readonly sums: string;
  readonly timeS: number;
};

type Common = Pick<Parts, "manual" | "shells"> & {
  /** Of what `buildPackage()` made. */
  readonly folder: string;
  readonly timeS: number;
};

const named = (name: string): string => join(dist, name);

/** What has a Node inside. */
function buildFor(arch: Architecture, { folder, timeS, manual, shells }: Common): Build {
  const base = `sriovctl-${version}-linux-${arch}`;
  const executable = named(base);
  buildExecutable({ folder, arch, node: nodeFor(arch, lock) }, executable);
  const sbomBytes = bill(arch, timeS);
  const parts = { executable: readFileSync(executable), manual, sbom: sbomBytes, shells };
  const archive = named(`${base}.tar.gz`);
  writeFileSync(archive, tarGzOf(tarFiles(parts), timeS));
  const sbom = named(`${base}.cdx.json`);
  writeFileSync(sbom, sbomBytes);
  const files = debianFiles(parts);
  const debian = named(`sriovctl_${debianVersion(version)}_${debianArchitecture(arch)}.deb`);
  const hasDebian = buildDebian({ version, description, arch, timeS, files }, debian);
  return { executable, archive, sbom, debian: hasDebian ? debian : null, debianFiles: files };
}

/** Builds all of it and returns where it is, and what is of the first architecture. */
export async function buildRelease(
  architectures: readonly Architecture[] = [architectureOf(process.arch)],
): Promise<Release> {
  process.umask(0o022);
  // Before the work, not after it, a key that cannot be used is told.
  if (signingKey !== null) signed(Buffer.alloc(0), signingKey);
  const timeS = sourceTime();
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  const cli = await buildPackage();
  const folder = dirname(cli);
  const date = new Date(timeS * 1000).toISOString().slice(0, 10);
  const manual = Buffer.from(manualPage({ version, date }));
  const common = { folder, timeS, manual, shells: completions(cli) };
  const builds = architectures.map((arch) => buildFor(arch, common));
  const [first] = builds;
  if (first === undefined) throw new Error("Cannot build for no architecture: wanted x64 or arm64");
  const npmPackage = named(`sriovctl-${version}.tgz`);
  writeFileSync(npmPackage, tarGzOf(npmFiles(folder), timeS));
  const outputs = builds.flatMap(({ executable, archive, sbom, debian }) =>
    [executable, archive, sbom, debian].filter((path) => path !== null),
  );
  const sums = named("SHA256SUMS");
  writeFileSync(sums, sumsOf([...outputs, npmPackage].toSorted()));
  signSums(sums);
  return { ...first, npmPackage, sums, timeS };
}

/** Ends with a sentence instead of a stack: most of what can go wrong is for the releaser to mend. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { arch: { type: "string", multiple: true } } });
  const architectures = [...new Set(values.arch ?? [process.arch])].map(architectureOf);
  const { debian, sums } = await buildRelease(architectures);
  console.log(readFileSync(sums, "utf8").trimEnd());
  if (signingKey === null) console.log("Not signed: SRIOVCTL_SIGNING_KEY names no key");
  if (debian === null) console.log("No Debian package: this machine has no dpkg-deb");
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
