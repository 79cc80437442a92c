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
function moduleClosure(kernel: LabKernel, root: LabRoot): string[] {
  const paths = bootModules[root].flatMap((name) =>
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
  const modules = moduleClosure(kernel, root).map((path) => ({
    name: `modules/${basename(path).replace(/\.(xz|zst)$/, "")}`,
    mode: regularFile | 0o644,
    content: readModule(path),
  }));
  const guestFile = (name: string, file = name): Entry => ({
    name,
    mode: regularFile | 0o755,
    content: readFileSync(new URL(`guest/${file}`, import.meta.url)),
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
    guestFile("init", initScripts[root]),
    guestFile("agent"),
    guestFile("jobs"),
  ]);
}
