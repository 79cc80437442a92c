// The Node that an executable embeds: this machine's own, or for another architecture that of its
// npm package, which npm installs nowhere else. It is packed beforehand, and only taken when it is
// the one of the lock file.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../src/model/file-error.ts";
import type { Lock } from "./dist-sbom.ts";

const root = join(import.meta.dirname, "..");

const architectures = ["x64", "arm64"] as const;
export type Architecture = (typeof architectures)[number];

/** Throws for one that has no such package. */
export function architectureOf(name: string): Architecture {
  const found = architectures.find((arch) => arch === name);
  if (found === undefined) throw new Error(`Cannot build for ${name}: wanted x64 or arm64`);
  return found;
}

type PackedNode = {
  readonly arch: Architecture;
  /** Where `npm pack` puts packages. */
  readonly folder: string;
  readonly lock: Lock;
};

/** The bytes of `bin/node`. Throws with the command that fetches it, when it is not there. */
export function packedNode({ arch, folder, lock }: PackedNode): Buffer {
  const name = `node-linux-${arch}`;
  const { version = "", integrity } = lock.packages[`node_modules/${name}`] ?? {};
  if (version !== process.versions.node) {
    const words = `the lock file has ${name} ${version}, wanted ${process.versions.node}`;
    throw new Error(`Cannot build for ${arch}: ${words}`);
  }
  const file = join(folder, `${name}-${version}.tgz`);
  let packed: Buffer;
  try {
    packed = readFileSync(file);
  } catch (cause) {
    if (errnoOf(cause) !== "ENOENT") throw cause;
    const command = `mkdir -p .cache && npm pack --pack-destination .cache ${name}@${version}`;
    throw new Error(`Cannot build for ${arch}: no ${file}. Fetch it once: ${command}`, { cause });
  }
  const sum = `sha512-${createHash("sha512").update(packed).digest("base64")}`;
  if (sum !== integrity) {
    throw new Error(`Cannot build for ${arch}: ${file} is ${sum}, wanted ${integrity}`);
  }
  const { status, stdout, stderr } = spawnSync("tar", ["-xzOf", file, "package/bin/node"], {
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new Error(`Cannot unpack ${file}: ${stderr.toString()}`);
  return stdout;
}

export function nodeFor(arch: Architecture, lock: Lock): Buffer {
  if (arch === process.arch) return readFileSync(realpathSync(process.execPath));
  return packedNode({ arch, folder: join(root, ".cache"), lock });
}
