// The lab's first userspace: a cpio archive with busybox, the few modules that reach the host's
// file system over 9p, and the two scripts that turn it into a root. Written here byte by byte, as
// the newc format is simpler than driving the cpio program.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type LabKernel, run } from "./kernel-cache.ts";
import { commandPath } from "./lab-commands.ts";

const bootModules = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"];

const busyboxApplets = ["sh", "mount", "insmod", "mkdir", "cat", "cp", "echo", "switch_root"];

type Entry = { readonly name: string; readonly mode: number; readonly content: Buffer };

const regularFile = 0o100000;
const folder = 0o040000;
const symlink = 0o120000;

function pad4(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}

/** Linux Documentation/driver-api/early-userspace/buffer-format.rst: 13 fields of 8 hex digits. */
function encodeEntry({ name, mode, content }: Entry, inode: number): Buffer {
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  const head = Buffer.from(`070701${header}${name}\0`);
  return Buffer.concat([head, pad4(head.length), content, pad4(content.length)]);
}

function encodeArchive(entries: readonly Entry[]): Buffer {
  const trailer = { name: "TRAILER!!!", mode: 0, content: Buffer.alloc(0) };
  return Buffer.concat([...entries, trailer].map((entry, index) => encodeEntry(entry, index + 1)));
}

/** Paths of the modules to load, each after those it depends on; built-in ones need no file. */
function moduleClosure(kernel: LabKernel): string[] {
  const paths = bootModules.flatMap((name) =>
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
  variables: Readonly<Record<string, string>>,
): Buffer {
  const modules = moduleClosure(kernel).map((path) => ({
    name: `modules/${basename(path).replace(/\.(xz|zst)$/, "")}`,
    mode: regularFile | 0o644,
    content: readModule(path),
  }));
  const guestFile = (name: string, mode: number): Entry => ({
    name,
    mode: regularFile | mode,
    content: readFileSync(new URL(`guest/${name}`, import.meta.url)),
  });
  const quoted = Object.entries(variables).map(
    ([name, value]) => `${name}='${value.replaceAll("'", `'\\''`)}'\n`,
  );
  const text = (name: string, content: string): Entry => ({
    name,
    mode: regularFile | 0o644,
    content: Buffer.from(content),
  });
  return encodeArchive([
    ...["bin", "modules", "proc", "sys", "dev", "root", "lower", "upper"].map((name) => ({
      name,
      mode: folder | 0o755,
      content: Buffer.alloc(0),
    })),
    {
      name: "bin/busybox",
      mode: regularFile | 0o755,
      content: readFileSync(commandPath("busybox")),
    },
    ...busyboxApplets.map((applet) => ({
      name: `bin/${applet}`,
      mode: symlink | 0o777,
      content: Buffer.from("busybox"),
    })),
    ...modules,
    text("modules/order", modules.map(({ name }) => `/${name}\n`).join("")),
    text("variables", quoted.join("")),
    guestFile("init", 0o755),
    guestFile("agent", 0o755),
  ]);
}
