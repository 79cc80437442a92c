// The lab's first userspace: a cpio archive with busybox, the few modules that reach the host's
// file system over 9p, and the two scripts that turn it into a root. Written here byte by byte, as
// the newc format is simpler than driving the cpio program.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type LabKernel, run } from "./kernel-cache.ts";
import { commandPath } from "./lab-commands.ts";

/** Where the lab's root comes from: this machine's own, over 9p, or a disk of the lab's. */
type LabRoot = "shared" | "disk";

const commonModules = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p"];
const bootModules: Readonly<Record<LabRoot, readonly string[]>> = {
  shared: [...commonModules, "overlay"],
  disk: [...commonModules, "virtio_blk", "ext4"],
};
const initScripts: Readonly<Record<LabRoot, string>> = { shared: "init", disk: "init-disk" };

const busyboxApplets = ["sh", "mount", "insmod", "mkdir", "cat", "cp", "echo", "switch_root"];

type ArchiveEntry = {
  readonly name: string;
  readonly mode: number;
  readonly content: Buffer;
};

const regularFile = 0o100000;
const symlink = 0o120000;

export const folderEntry = (name: string): ArchiveEntry => ({
  name,
  mode: 0o040000 | 0o755,
  content: Buffer.alloc(0),
});

export const fileEntry = (name: string, content: Buffer | string, mode = 0o644): ArchiveEntry => ({
  name,
  mode: regularFile | mode,
  content: Buffer.from(content),
});

/** busybox in /bin under these names, which is all that a first userspace needs of programs. */
export const busyboxEntries = (applets: readonly string[]): ArchiveEntry[] => [
  folderEntry("bin"),
  fileEntry("bin/busybox", readFileSync(commandPath("busybox")), 0o755),
  ...applets.map((applet) => ({
    name: `bin/${applet}`,
    mode: symlink | 0o777,
    content: Buffer.from("busybox"),
  })),
];

/** Modules and those that they need as /modules/NAME.ko, and their order in /modules/order. */
export function moduleEntries(kernel: LabKernel, names: readonly string[]): ArchiveEntry[] {
  const modules = moduleClosure(kernel, names).map((path) =>
    fileEntry(`modules/${basename(path).replace(/\.(xz|zst)$/, "")}`, readModule(path)),
  );
  const order = modules.map(({ name }) => `/${name}\n`).join("");
  return [folderEntry("modules"), ...modules, fileEntry("modules/order", order)];
}

function pad4(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}

/** Linux Documentation/driver-api/early-userspace/buffer-format.rst: 13 fields of 8 hex digits. */
function encodeEntry({ name, mode, content }: ArchiveEntry, inode: number): Buffer {
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  const head = Buffer.from(`070701${header}${name}\0`);
  return Buffer.concat([head, pad4(head.length), content, pad4(content.length)]);
}

export function encodeArchive(entries: readonly ArchiveEntry[]): Buffer {
  const trailer = { name: "TRAILER!!!", mode: 0, content: Buffer.alloc(0) };
  return Buffer.concat([...entries, trailer].map((entry, index) => encodeEntry(entry, index + 1)));
}

/** Paths of the modules to load, each after those it depends on; built-in ones need no file. */
function moduleClosure(kernel: LabKernel, names: readonly string[]): string[] {
  const paths = names.flatMap((name) =>
    run("modprobe", ["-d", kernel.modulesRoot, "-S", kernel.release, "--show-depends", name])
      .split("\n")
      .filter((line) => line.startsWith("insmod "))
      .map((line) => line.split(" ")[1] ?? ""),
  );
  return [...new Set(paths)];
}

function readModule(path: string): Buffer {
  const options = { maxBuffer: 64 * 1024 * 1024 };
  if (path.endsWith(".xz")) return execFileSync("xz", ["-dc", path], options);
  if (path.endsWith(".zst")) return execFileSync("zstd", ["-dc", path], options);
  return readFileSync(path);
}

/** `variables` become shell variables of the scripts. */
export function buildInitramfs(
  kernel: LabKernel,
  root: LabRoot,
  variables: Readonly<Record<string, string>>,
): Buffer {
  const guestFile = (name: string, file = name): ArchiveEntry =>
    fileEntry(name, readFileSync(new URL(`guest/${file}`, import.meta.url)), 0o755);
  const quoted = Object.entries(variables).map(
    ([name, value]) => `${name}='${value.replaceAll("'", `'\\''`)}'\n`,
  );
  return encodeArchive([
    ...["proc", "sys", "dev", "root", "lower", "upper"].map(folderEntry),
    ...busyboxEntries(busyboxApplets),
    ...moduleEntries(kernel, bootModules[root]),
    fileEntry("variables", quoted.join("")),
    guestFile("init", initScripts[root]),
    guestFile("agent"),
    guestFile("jobs"),
  ]);
}
