// A guest inside the lab, as machines of QEMU in a machine of QEMU boot in minutes: it is booted once
// on this machine, saved by QEMU as if to be migrated, and restored in the lab within seconds. Saved
// and restored with the same arguments, which are here; without -icount it hardly moves there.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { busyboxEntries, encodeArchive, fileEntry, folderEntry } from "./initramfs.ts";
import { moduleEntries } from "./initramfs.ts";
import { cached, labKernel, run } from "./kernel-cache.ts";
import { commandPath } from "./lab-commands.ts";

/** Drivers of what the tests plug in; net_failover comes with virtio_net. */
const modules = ["virtio_pci", "igbvf", "virtio_net", "nvme", "8021q"];

const applets = [
  ["sh", "mount", "insmod", "ip", "stty", "base64", "cat", "echo", "ls", "grep", "sleep", "ping"],
  ["readlink", "basename", "dirname", "dmesg", "dd", "md5sum", "seq", "vconfig", "true", "find"],
].flat();

/** Ports of the guest that take hot-plug, in the order in which they are filled. */
const guestPorts = ["hp0", "hp1", "hp2", "hp3"] as const;

const machineArguments = [
  ["-nodefaults", "-no-user-config", "-display", "none"],
  ["-machine", "q35,kernel-irqchip=off", "-accel", "tcg,tb-size=128", "-cpu", "qemu64"],
  ["-smp", "1", "-m", "192M", "-icount", "shift=3,sleep=on"],
  guestPorts.flatMap((id, at) => [
    "-device",
    `pcie-root-port,id=${id},bus=pcie.0,chassis=${at + 1},slot=${at + 1},addr=${at + 4}.0`,
  ]),
].flat();

/** QEMU's arguments but for where the guest comes from. Its files are below `directory`, where there
 * are pipes for scripts and for a monitor of the test's own: a shell needs no program to use those. */
export const guestArguments = (directory: string, name: string): string[] =>
  [
    machineArguments,
    ["-name", name, "-serial", `file:${directory}/console.log`],
    ["-chardev", `pipe,id=scripts,path=${directory}/scripts`, "-serial", "chardev:scripts"],
    monitorArguments(directory),
    ["-qmp", `unix:${directory}/qmp.sock,server=on,wait=off`],
  ].flat();

/** A monitor on pipes, for any machine of the test. */
export const monitorArguments = (directory: string): string[] => [
  "-chardev",
  `pipe,id=monitor,path=${directory}/monitor`,
  "-mon",
  "chardev=monitor,mode=control",
];

export const guestPipes = ["scripts.in", "scripts.out", "monitor.in", "monitor.out"] as const;

function guestInitramfs(): Buffer {
  return encodeArchive([
    ...["proc", "sys", "dev"].map(folderEntry),
    ...busyboxEntries(applets),
    ...moduleEntries(labKernel(), modules),
    fileEntry("init", readFileSync(new URL("guest/guest-init", import.meta.url)), 0o755),
  ]);
}

/** Path of a guest that has booted and waits for scripts; the first call saves one, in 15 s. */
export function savedGuest(): string {
  const initramfs = guestInitramfs();
  const { vmlinux } = labKernel();
  const qemu = commandPath("qemu-system-x86_64");
  const key = createHash("sha256");
  for (const part of [run(qemu, ["--version"]), vmlinux, machineArguments.join(" "), initramfs]) {
    key.update(part);
  }
  const folder = cached(`guest-${key.digest("hex").slice(0, 16)}`, (directory) => {
    writeFileSync(join(directory, "initramfs"), initramfs);
    run(process.execPath, [join(import.meta.dirname, "save-guest.ts"), directory, vmlinux]);
  });
  return join(folder, "saved");
}
