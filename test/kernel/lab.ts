// The kernel lab: boots a real kernel with emulated SR-IOV devices (QEMU, software emulation) whose
// root file system is this machine's own, and runs commands in it. A lab lives in a run folder:
// jobs are files in it, so any process that knows the folder can run commands, several at a time.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildInitramfs } from "./initramfs.ts";
import { labKernel } from "./kernel-cache.ts";
import { runJob, scriptOf, sendLine } from "./lab-jobs.ts";
import { consoleTail, projectDirectory, qemuArguments, startQemu, stopLab } from "./lab-qemu.ts";
import { executeQmp } from "./qmp.ts";
import { type LabTopology, fullTopology, nvmeSerials } from "./topology.ts";

export type LabResult = {
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

export type RunOptions = {
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
  /** Image of an ext4 root with an init of its own and the lab's agent as a service of it. Kept
   * when the lab closes, so the next lab on it is the same machine after a reboot. */
  readonly disk?: string;
};

type Wish = { readonly topology: LabTopology; readonly disk: string | null };

function prepareDirectory(directory: string, { topology, disk }: Wish): string {
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
  const root = disk === null ? "shared" : "disk";
  writeFileSync(join(directory, "initramfs"), buildInitramfs(kernel, root, variables));
  return kernel.vmlinux;
}

/** Boots a lab and waits until it takes commands: about 8 s, on the first run also a download. */
export async function bootLab(options: BootOptions = {}): Promise<Lab> {
  const wish = { topology: options.topology ?? fullTopology, disk: options.disk ?? null };
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "sriovctl-lab-"));
  const vmlinux = prepareDirectory(directory, wish);
  const args = qemuArguments({ ...wish, directory, vmlinux });
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
