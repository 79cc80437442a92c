// Boots the guest of guest-vm.ts on this machine until it waits for scripts, and saves it. A program
// of its own, as filling the lab's cache is synchronous; usage: node save-guest.ts DIRECTORY VMLINUX

import { execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { guestArguments, guestPipes } from "./guest-vm.ts";
import { commandPath } from "./lab-commands.ts";
import { executeQmp } from "./qmp.ts";

const deadlineMs = 180_000;

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`Cannot save a guest: no ${what} in time`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function saveGuest(directory: string, vmlinux: string): Promise<void> {
  const append = "console=ttyS0 quiet loglevel=4 panic=-1 nokaslr tsc=reliable no_timer_check";
  const boot = ["-kernel", vmlinux, "-initrd", join(directory, "initramfs"), "-append", append];
  const pipes = guestPipes.map((name) => join(directory, name));
  execFileSync("mkfifo", pipes);
  const qemu = spawn(
    commandPath("setpriv"),
    [
      ["--pdeathsig", "KILL", commandPath("qemu-system-x86_64")],
      guestArguments(directory, "guest"),
      boot,
    ].flat(),
    { stdio: "inherit" },
  );
  const ended = new Promise((resolve) => qemu.on("close", resolve));
  try {
    const log = join(directory, "console.log");
    await until("socket", () => {
      if (qemu.exitCode !== null) throw new Error(`Cannot save a guest: QEMU ended`);
      return readdirSync(directory).includes("qmp.sock");
    });
    await until("ready guest", () => readFileSync(log, "utf8").includes("guest: ready"));
    const socket = join(directory, "qmp.sock");
    await executeQmp(socket, "stop");
    await executeQmp(socket, "migrate", { uri: `file:${join(directory, "saved")}` });
    await until("saved guest", async () => {
      const state = (await executeQmp(socket, "query-migrate")) as { readonly status?: string };
      if (state.status === "failed")
        throw new Error(`Cannot save a guest: ${JSON.stringify(state)}`);
      return state.status === "completed";
    });
  } finally {
    qemu.kill("SIGKILL");
    await ended;
  }
  const others = ["initramfs", "qmp.sock"].map((name) => join(directory, name));
  for (const file of [...pipes, ...others]) rmSync(file, { force: true });
}

const [directory, vmlinux] = process.argv.slice(2);
if (directory !== undefined && vmlinux !== undefined) await saveGuest(directory, vmlinux);
