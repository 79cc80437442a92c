// The initramfs of a guest: programs and modules of this host, and the init that `guest-machine.ts` has.

import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { basename } from "node:path";
import {
  cpioArchive,
  guestInit,
  guestPrograms,
  librariesOf,
  moduleFiles,
  moduleLoader,
  type CpioEntry,
} from "../guest-machine.ts";
import { findProgram, runTool } from "./tool.ts";

const toolTimeoutMs = 60_000;

export type GuestKernel = {
  readonly image: string;
  readonly release: string;
  /** Folder that has lib/modules. */
  readonly modulesRoot: string;
};

/** The kernel that runs, where distributions put it, or in `image`; null: it is not there. */
export function ownKernel(image: string | null): GuestKernel | null {
  const places = [`/boot/vmlinuz-${release()}`, `/lib/modules/${release()}/vmlinuz`];
  const found = (image === null ? places : [image]).find((path) => existsSync(path));
  return found === undefined ? null : { image: found, release: release(), modulesRoot: "/" };
}

const [folder, executable, regular] = [0o040755, 0o100755, 0o100644];

async function programEntries(): Promise<CpioEntry[]> {
  const files = new Map<string, string>();
  for (const name of [...guestPrograms, moduleLoader]) {
    const path = findProgram(name);
    if (path === null) throw new Error(`${name} is not installed`);
    files.set(`bin/${name}`, path);
    const { stdout } = await runTool(["ldd", path], { timeoutMs: toolTimeoutMs });
    for (const library of librariesOf(stdout)) files.set(library.slice(1), library);
  }
  return [...files].map(([name, path]) => ({
    name,
    mode: executable,
    content: readFileSync(path),
  }));
}

async function moduleEntries(
  { release, modulesRoot }: GuestKernel,
  names: readonly string[],
): Promise<CpioEntry[]> {
  const paths: string[] = [];
  for (const name of names) {
    const words = ["modprobe", "--show-depends", "-d", modulesRoot, "-S", release, name];
    const { stdout, stderr, exitCode } = await runTool(words, { timeoutMs: toolTimeoutMs });
    if (exitCode !== 0) throw new Error(stderr.trim().split("\n")[0]);
    paths.push(...moduleFiles(stdout));
  }
  const unique = [...new Set(paths)];
  const order = unique.map((path) => `${basename(path)}\n`).join("");
  return [
    ...unique.map((path) => ({
      name: `modules/${basename(path)}`,
      mode: regular,
      content: readFileSync(path),
    })),
    { name: "modules/order", mode: regular, content: Buffer.from(order) },
  ];
}

/** Each folder before what is in it. */
function withFolders(entries: readonly CpioEntry[]): CpioEntry[] {
  const folders = new Set(["proc", "sys", "dev", "tmp"]);
  for (const { name } of entries) {
    const pieces = name.split("/").slice(0, -1);
    pieces.forEach((_, at) => folders.add(pieces.slice(0, at + 1).join("/")));
  }
  const made = [...folders].map((name) => ({ name, mode: folder, content: new Uint8Array(0) }));
  return [...made, ...entries];
}

/** `drivers` are modules of the NICs. Throws Error with words. */
export async function guestInitramfs(
  kernel: GuestKernel,
  drivers: readonly string[],
): Promise<Buffer> {
  const entries = [
    ...(await programEntries()),
    ...(await moduleEntries(kernel, drivers)),
    { name: "init", mode: executable, content: Buffer.from(guestInit()) },
  ];
  return Buffer.concat(cpioArchive(withFolders(entries)));
}
