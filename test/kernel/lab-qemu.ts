// QEMU's side of a lab: how it is told what to be, its process, and its end. A lab is known by its
// run folder, so any process can find and end it.

import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandPath } from "./lab-commands.ts";
import { type LabTopology, deviceArguments } from "./topology.ts";

export const projectDirectory = join(import.meta.dirname, "..", "..");

const kernelArguments = [
  "console=ttyS0 quiet loglevel=4 panic=-1 intel_iommu=on mitigations=off nokaslr",
  // A one-shot timer gets lost at times on a busy machine, and its processor then sleeps for ever
  // ("Possible timer handling issue"); a tick that repeats heals that.
  "nohz=off highres=off tsc=reliable no_timer_check random.trust_cpu=on",
].join(" ");

type QemuWish = {
  readonly directory: string;
  readonly topology: LabTopology;
  readonly vmlinux: string;
  /** Image of a root file system; null: this machine's own root. */
  readonly disk: string | null;
};

function iommuArguments({ iommu }: LabTopology): string[] {
  if (iommu === "none") return [];
  const remapping = iommu === "no-remapping" ? "off" : "on";
  return ["-device", `intel-iommu,intremap=${remapping},caching-mode=on`];
}

export function qemuArguments({ directory, topology, vmlinux, disk }: QemuWish): string[] {
  const share = (id: string, path: string, options: string): string[] => [
    "-fsdev",
    `local,id=${id},path=${path},security_model=none,multidevs=remap${options}`,
    "-device",
    `virtio-9p-pci,fsdev=${id},mount_tag=${id}`,
  ];
  const machine = [
    // On a busy machine Linux calibrates its clock wrong against the PIT (by a factor of four, once),
    // and every timeout in the lab with it; without one it takes the HPET.
    ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ["-machine", "q35,kernel-irqchip=off,pit=off", "-accel", "tcg,thread=multi,tb-size=512"],
    ["-cpu", "max", "-smp", String(topology.processors), "-m", topology.memory],
    ["-kernel", vmlinux, "-initrd", `${directory}/initramfs`, "-append"],
    [[kernelArguments, topology.kernelArguments ?? ""].join(" ").trim()],
    iommuArguments(topology),
    ["-serial", `file:${directory}/console.log`],
    ["-qmp", `unix:${directory}/qmp.sock,server=on,wait=off`],
    ["-device", "virtio-serial-pci", "-chardev", `pipe,id=agent,path=${directory}/agent`],
    ["-device", "virtserialport,chardev=agent,name=agent", "-device", "virtio-rng-pci"],
  ];
  // Unsafe only for this machine's own crash: what the lab wrote before it is killed stays.
  const drive = `file=${disk},if=none,id=root,format=raw,cache=unsafe`;
  const root =
    disk === null
      ? [
          ...share("host", "/", ",readonly=on"),
          ...share("project", projectDirectory, ",readonly=on"),
        ]
      : ["-drive", drive, "-device", "virtio-blk-pci,drive=root"];
  return [
    ...machine.flat(),
    ...root,
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

export function consoleTail(directory: string): string {
  const read = (name: string): string => {
    const file = join(directory, name);
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd() : "";
  };
  return `${read("qemu.log")}\n${read("console.log")}`.split("\n").slice(-15).join("\n");
}

export function startQemu(directory: string, args: readonly string[], detached: boolean): void {
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

export async function stopLab(directory: string): Promise<void> {
  for (let pid = labProcess(directory); pid !== null; pid = labProcess(directory)) {
    process.kill(pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  rmSync(directory, { recursive: true, force: true });
}
