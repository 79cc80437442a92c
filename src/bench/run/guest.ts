// The guest of a measurement: its initramfs is made of this host's own programs and modules, so nothing
// has to be installed in an image, and it runs the kernel that the host runs. It boots once and is
// kept as QEMU saves it; a round restores that and plugs its NIC in.

import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync } from "node:fs";
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { basename, dirname, join } from "node:path";
import { QmpConnection } from "../../vmm/qemu/qmp.ts";
import { readMachineCpu } from "../cpu-time.ts";
import {
  bootArguments,
  deviceOf,
  guestReady,
  guestWaits,
  machineArguments,
  netdevArguments,
  receiverMac,
  type Accel,
  type GuestNic,
} from "../guest-machine.ts";
import { guestInitramfs, type GuestKernel } from "./guest-initramfs.ts";
import { runTool, startServer, type Server } from "./tool.ts";

const toolTimeoutMs = 60_000;
/** All of them are for software emulation on a busy machine; with KVM it takes two seconds. */
const bootTimeoutMs = 600_000;
const restoreTimeoutMs = 400_000;
const qmpTimeoutMs = 200_000;

const versionOf = async (): Promise<string> =>
  (await runTool(["qemu-system-x86_64", "--version"], { timeoutMs: toolTimeoutMs })).stdout;

/** What a saved guest depends on. With KVM it has the processor of the host, by its kernel. */
async function keyOf(kernel: GuestKernel, accel: Accel, initramfs: Uint8Array): Promise<string> {
  const { size, mtimeMs } = statSync(kernel.image);
  const host = accel === "kvm" ? `${cpus()[0]?.model} ${release()}` : "";
  const parts = [await versionOf(), kernel.image, size, Math.floor(mtimeMs), host];
  const key = createHash("sha256").update(parts.join("\n"));
  for (const word of machineArguments(accel)) key.update(word);
  return key.update(initramfs).digest("hex").slice(0, 16);
}

type MachineWish = {
  readonly argv: readonly string[];
  readonly isReady: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly files?: readonly number[];
};

type Machine =
  | { readonly server: Server; readonly qmp: QmpConnection; readonly words: null }
  | { readonly server: null; readonly words: string };

/** A machine with a monitor at `socket`, that has said what it is to be ready with. */
async function startMachine(
  socket: string,
  { argv, isReady, ...wish }: MachineWish,
): Promise<Machine> {
  rmSync(socket, { force: true });
  const words = [...argv, "-qmp", `unix:${socket},server=on,wait=off`];
  const started = await startServer(words, { ...wish, isReady: new RegExp(isReady) });
  if (started.server === null) return started;
  const { server } = started;
  try {
    if (!(await until(() => existsSync(socket) || !isAlive(server)))) throw new Error("no monitor");
    // Its own words say more than the socket that is not there.
    if (!isAlive(server)) throw new Error(server.lastWords());
    return { server, qmp: await QmpConnection.open(socket, qmpTimeoutMs), words: null };
  } catch (error) {
    await server.stop();
    return { server: null, words: wordsOf(error) };
  }
}

const isAlive = ({ pid }: Server): boolean => existsSync(`/proc/${pid}/exe`);

async function until(isSo: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const end = performance.now() + restoreTimeoutMs; performance.now() < end;) {
    if (await isSo()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

const wordsOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** Boots it without a NIC and saves it as `file`. Throws Error with words. */
async function save(
  argv: readonly string[],
  { file, socket, signal }: { file: string; socket: string; signal: AbortSignal },
): Promise<void> {
  const started = await startMachine(socket, {
    argv,
    isReady: guestWaits,
    timeoutMs: bootTimeoutMs,
    signal,
  });
  if (started.server === null) throw new Error(`QEMU: ${started.words}`);
  const { server, qmp } = started;
  try {
    // `file:` is there from QEMU 8.2 on.
    await qmp.call("stop", {}, qmpTimeoutMs);
    await qmp.call("migrate", { uri: `file:${file}` }, qmpTimeoutMs);
    const isSaved = await until(async () => {
      const state = await qmp.call("query-migrate", {}, qmpTimeoutMs);
      const { status, "error-desc": why } = state as { "status"?: string; "error-desc"?: string };
      if (status === "failed") throw new Error(`QEMU cannot save it: ${why ?? "no reason given"}`);
      return status === "completed";
    });
    if (!isSaved) throw new Error("QEMU does not save it in time");
  } finally {
    qmp.close();
    await server.stop();
  }
}

export type SavedGuest = { readonly accel: Accel; readonly file: string; readonly socket: string };

type SaveWish = {
  readonly kernel: GuestKernel;
  readonly accel: Accel;
  /** Where it is kept, alone. */
  readonly folder: string;
  /** Modules of the NICs. */
  readonly drivers: readonly string[];
  readonly signal: AbortSignal;
};

/** The guest, as it was kept or booted now. Throws Error with words. */
export async function savedGuest(wish: SaveWish): Promise<SavedGuest> {
  const { kernel, accel, folder, drivers, signal } = wish;
  const initramfs = await guestInitramfs(kernel, drivers);
  const file = join(folder, await keyOf(kernel, accel, initramfs));
  const socket = join(folder, "qmp.sock");
  if (existsSync(file)) return { accel, file, socket };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  // Half a guest is never found under its name.
  const temporary = mkdtempSync(`${folder}-`);
  try {
    const archive = join(temporary, "initramfs");
    writeFileSync(archive, initramfs);
    const argv = [...machineArguments(accel), ...bootArguments(kernel.image, archive)];
    const saved = join(temporary, basename(file));
    await save(argv, { file: saved, socket: join(temporary, "qmp.sock"), signal });
    rmSync(archive);
    renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return { accel, file, socket };
}

export type RunningGuest = Server & {
  /** Busy seconds by its own /proc/stat; null: it does not answer. */
  cpuSeconds(): Promise<number | null>;
};

type StartedGuest = { readonly running: RunningGuest | null; readonly words: string };

/** Its number is that of the interface (Linux drivers/net/macvtap.c). */
async function macvtapFile(netns: string, device: string): Promise<number> {
  const argv = ["ip", "-n", netns, "-o", "link", "show", "dev", device];
  const { stdout } = await runTool(argv, { timeoutMs: toolTimeoutMs });
  return openSync(`/dev/tap${Number.parseInt(stdout, 10)}`, "r+");
}

/** Lets a restored guest go on, with its NIC. Words of what was refused; null: it is ready. */
async function plugIn(server: Server, qmp: QmpConnection, nic: GuestNic): Promise<string | null> {
  const isRestored = await until(async () => {
    const state = await qmp.call("query-status", {}, qmpTimeoutMs);
    return (state as { status?: string }).status !== "inmigrate";
  });
  if (!isRestored) return "QEMU does not restore the guest in time";
  await qmp.call("cont", {}, qmpTimeoutMs);
  await qmp.call("device_add", deviceOf(nic, receiverMac), qmpTimeoutMs);
  if (await server.says(new RegExp(guestReady), restoreTimeoutMs)) return null;
  return `the guest does not bring its NIC up: ${server.lastWords()}`;
}

const cpuSecondsOf = (server: Server) => async (): Promise<number | null> =>
  readMachineCpu((await server.ask("\n", /^cpu .*\n/m)) ?? "");

type StartWish = {
  /** Words before QEMU's: its namespace, its processor. */
  readonly place: readonly string[];
  readonly nic: GuestNic;
  readonly signal: AbortSignal;
};

/** `words`: why it does not run. */
export async function startGuest(
  { accel, file, socket }: SavedGuest,
  { place, nic, signal }: StartWish,
): Promise<StartedGuest> {
  let files: readonly number[] = [];
  try {
    if (nic.kind === "macvtap") files = [await macvtapFile(nic.netns, nic.device)];
    const machine = [...machineArguments(accel), ...netdevArguments(nic)];
    const started = await startMachine(socket, {
      argv: [...place, ...machine, "-incoming", `file:${file}`],
      // It goes on where it was: nothing is said until it is let.
      isReady: "^",
      timeoutMs: restoreTimeoutMs,
      signal,
      files,
    });
    if (started.server === null) return { running: null, words: `QEMU: ${started.words}` };
    const { server, qmp } = started;
    const refused = await plugIn(server, qmp, nic).catch(wordsOf);
    qmp.close();
    if (refused === null) {
      return { running: { ...server, cpuSeconds: cpuSecondsOf(server) }, words: "" };
    }
    await server.stop();
    return { running: null, words: refused };
  } catch (error) {
    return { running: null, words: wordsOf(error) };
  } finally {
    for (const each of files) closeSync(each);
  }
}
