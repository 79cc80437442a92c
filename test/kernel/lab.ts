// The kernel lab: boots a real kernel with emulated SR-IOV devices (QEMU, software emulation) whose
// root file system is this machine's own, and runs commands in it. A lab lives in a run folder:
// jobs are files in it, so any process that knows the folder can run commands, several at a time.

import { spawn } from "node:child_process";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync } from "node:fs";
import { rmSync, truncateSync, watch, writeFileSync, writeSync, constants } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildInitramfs } from "./initramfs.ts";
import { labKernel } from "./kernel-cache.ts";
import { commandPath } from "./lab-commands.ts";
import { executeQmp } from "./qmp.ts";
import { type LabTopology, deviceArguments, fullTopology, nvmeSerials } from "./topology.ts";

type LabResult = {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
};

export type Lab = {
  /** Run folder on this side; its `results` is /results in the lab, writable from both. */
  readonly directory: string;
  readonly resultsDirectory: string;
  /** Runs a program (a list) or a bash script (a string); a non-zero exit code is a result. */
  run(command: string | readonly string[], options?: RunOptions): Promise<LabResult>;
  /** As `run`, but a non-zero exit code throws, with what was printed. Returns stdout. */
  check(command: string | readonly string[], options?: RunOptions): Promise<string>;
  /** Shows the lab what changed in the project since it looked; not while jobs use the project. */
  refreshProject(): void;
  /** A command of QEMU's machine protocol, such as device_add; resolves to what it returns. */
  qmp(command: string, values?: Readonly<Record<string, unknown>>): Promise<unknown>;
  close(): Promise<void>;
};

type RunOptions = {
  /** The job is killed then and `run` throws with what it had printed; 60 s unless told. */
  readonly timeoutMs?: number;
  /** Called with each new piece of output while the job runs. */
  readonly onOutput?: (stream: "stdout" | "stderr", text: string) => void;
};

type BootOptions = {
  readonly topology?: LabTopology;
  /** Survive this process; then `close()` or `stopLab` ends it. */
  readonly detached?: boolean;
  readonly directory?: string;
  readonly bootTimeoutMs?: number;
};

const projectDirectory = join(import.meta.dirname, "..", "..");

const kernelArguments = [
  "console=ttyS0 quiet loglevel=4 panic=-1 intel_iommu=on mitigations=off nokaslr",
  // A one-shot timer gets lost at times on a busy machine, and its processor then sleeps for ever
  // ("Possible timer handling issue"); a tick that repeats heals that.
  "nohz=off highres=off tsc=reliable no_timer_check random.trust_cpu=on",
].join(" ");

function qemuArguments(directory: string, topology: LabTopology, vmlinux: string): string[] {
  const share = (id: string, path: string, options: string): string[] => [
    "-fsdev",
    `local,id=${id},path=${path},security_model=none,multidevs=remap${options}`,
    "-device",
    `virtio-9p-pci,fsdev=${id},mount_tag=${id}`,
  ];
  const machine = [
    ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ["-machine", "q35,kernel-irqchip=off", "-accel", "tcg,thread=multi,tb-size=512"],
    ["-cpu", "max", "-smp", String(topology.processors), "-m", topology.memory],
    ["-kernel", vmlinux, "-initrd", `${directory}/initramfs`, "-append", kernelArguments],
    ["-device", "intel-iommu,intremap=on,caching-mode=on"],
    ["-serial", `file:${directory}/console.log`],
    ["-qmp", `unix:${directory}/qmp.sock,server=on,wait=off`],
    ["-device", "virtio-serial-pci", "-chardev", `pipe,id=agent,path=${directory}/agent`],
    ["-device", "virtserialport,chardev=agent,name=agent", "-device", "virtio-rng-pci"],
  ];
  return [
    ...machine.flat(),
    ...share("host", "/", ",readonly=on"),
    ...share("project", projectDirectory, ",readonly=on"),
    ...share("results", join(directory, "results"), ""),
    ...deviceArguments(topology, directory),
  ];
}

/** QEMU's process of the lab in `directory`, or null when it has ended. */
export function labProcess(directory: string): number | null {
  const file = join(directory, "pid");
  if (!existsSync(file)) return null;
  const pid = Number(readFileSync(file, "utf8"));
  try {
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    // Empty in a zombie, but also for a moment while setpriv becomes QEMU.
    if (commandLine === "") return isZombie(pid) ? null : pid;
    // A recycled number is another program's: the command line tells.
    return commandLine.includes(directory) ? pid : null;
  } catch {
    // ENOENT or ESRCH: there is no such process.
    return null;
  }
}

/** proc_pid_stat(5): the state follows the name, which is in parentheses. */
const isZombie = (pid: number): boolean =>
  / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\)/s, ""));

function consoleTail(directory: string): string {
  const read = (name: string): string => {
    const file = join(directory, name);
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd() : "";
  };
  return `${read("qemu.log")}\n${read("console.log")}`.split("\n").slice(-15).join("\n");
}

function prepareDirectory(directory: string, topology: LabTopology): string {
  mkdirSync(join(directory, "results", "jobs"), { recursive: true });
  for (const serial of nvmeSerials(topology)) {
    const image = join(directory, `${serial}.img`);
    writeFileSync(image, "");
    truncateSync(image, 64 * 1024 * 1024);
  }
  // A pipe, not a socket: it has room for many writers and never has to be accepted.
  execFileSync("mkfifo", [join(directory, "agent.in"), join(directory, "agent.out")]);
  const kernel = labKernel();
  const variables = {
    PROJECT: projectDirectory,
    MODULES: kernel.modulesRoot,
    RELEASE: kernel.release,
  };
  writeFileSync(join(directory, "initramfs"), buildInitramfs(kernel, variables));
  return kernel.vmlinux;
}

function startQemu(directory: string, args: readonly string[], detached: boolean): void {
  const log = openSync(join(directory, "qemu.log"), "w");
  const qemu = commandPath("qemu-system-x86_64");
  // A lab of a test must not outlive it, however the test ends.
  const [command, ...prefix] = detached
    ? [qemu]
    : [commandPath("setpriv"), "--pdeathsig", "KILL", qemu];
  const child = spawn(command ?? qemu, [...prefix, ...args], {
    stdio: ["ignore", log, log],
    detached,
  });
  closeSync(log);
  if (child.pid === undefined) throw new Error(`Cannot start ${qemu}`);
  writeFileSync(join(directory, "pid"), String(child.pid));
  child.unref();
}

/** Boots a lab and waits until it takes commands: about 8 s, on the first run also a download. */
export async function bootLab(options: BootOptions = {}): Promise<Lab> {
  const topology = options.topology ?? fullTopology;
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "sriovctl-lab-"));
  const vmlinux = prepareDirectory(directory, topology);
  const args = qemuArguments(directory, topology, vmlinux);
  startQemu(directory, args, options.detached ?? false);
  const lab = attachLab(directory);
  try {
    await lab.run(["true"], { timeoutMs: options.bootTimeoutMs ?? 120_000 });
    return lab;
  } catch (error) {
    const tail = consoleTail(directory);
    await lab.close();
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot boot the lab: ${why}; the console ends with\n${tail}`, {
      cause: error,
    });
  }
}

/** The lab that runs in `directory`, started by this or another process. */
export function attachLab(directory: string): Lab {
  const run: Lab["run"] = (command, options = {}) => runJob(directory, command, options);
  return {
    directory,
    resultsDirectory: join(directory, "results"),
    run,
    check: async (command, options) => {
      const { stdout, stderr, exitCode } = await run(command, options);
      if (exitCode === 0) return stdout;
      throw new Error(`${scriptOf(command)}\nexit code ${exitCode}\n${stdout}${stderr}`);
    },
    refreshProject: () => sendLine(directory, "refresh"),
    qmp: (command, values) => executeQmp(join(directory, "qmp.sock"), command, values),
    close: () => stopLab(directory),
  };
}

export async function stopLab(directory: string): Promise<void> {
  for (let pid = labProcess(directory); pid !== null; pid = labProcess(directory)) {
    process.kill(pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  rmSync(directory, { recursive: true, force: true });
}

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

function scriptOf(command: string | readonly string[]): string {
  return typeof command === "string" ? command : `exec ${command.map(quote).join(" ")}`;
}

function sendLine(directory: string, line: string): void {
  // Non-blocking: without QEMU at the other end a plain open would wait for ever (ENXIO instead).
  const pipe = openSync(join(directory, "agent.in"), constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    writeSync(pipe, `${line}\n`);
  } finally {
    closeSync(pipe);
  }
}

async function untilQemuReads(directory: string): Promise<void> {
  // Right after the start QEMU has not opened its end yet.
  for (let attempt = 0; attempt < 250; attempt++) {
    if (labProcess(directory) === null) break;
    try {
      sendLine(directory, "");
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`No lab runs in ${directory}: ${consoleTail(directory)}`);
}

async function runJob(
  directory: string,
  command: string | readonly string[],
  { timeoutMs = 60_000, onOutput }: RunOptions,
): Promise<LabResult> {
  await untilQemuReads(directory);
  const id = randomBytes(6).toString("hex");
  const job = join(directory, "results", "jobs", id);
  mkdirSync(job);
  writeFileSync(join(job, "script"), scriptOf(command));
  const read = (name: string): string =>
    existsSync(join(job, name)) ? readFileSync(join(job, name), "utf8") : "";
  const seen = { stdout: 0, stderr: 0 };
  const showProgress = (): void => {
    if (onOutput === undefined) return;
    for (const stream of ["stdout", "stderr"] as const) {
      const text = read(stream);
      if (text.length > seen[stream]) onOutput(stream, text.slice(seen[stream]));
      seen[stream] = text.length;
    }
  };
  sendLine(directory, `run ${id}`);
  const deadlineMs = performance.now() + timeoutMs;
  while (!existsSync(join(job, "exit"))) {
    if (labProcess(directory) === null) {
      throw new Error(`The lab ended while it ran ${scriptOf(command)}\n${consoleTail(directory)}`);
    }
    if (performance.now() > deadlineMs) {
      sendLine(directory, `kill ${id}`);
      const printed = `${read("stdout")}${read("stderr")}`;
      throw new Error(`No end of ${scriptOf(command)} after ${timeoutMs} ms; printed:\n${printed}`);
    }
    await folderChanges(job, 200);
    showProgress();
  }
  showProgress();
  return { stdout: read("stdout"), stderr: read("stderr"), exitCode: Number(read("exit")) };
}

/** Resolves when something happens in the folder, at the latest after `atMostMs`. */
function folderChanges(directory: string, atMostMs: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      watcher.close();
      resolve();
    };
    const timer = setTimeout(finish, atMostMs);
    const watcher = watch(directory, finish);
    watcher.on("error", finish);
  });
}
