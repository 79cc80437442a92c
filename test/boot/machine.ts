// A machine that is switched on and off: one disk, and a lab for each time it runs. What is asked
// here is what an administrator sees: units, the journal, sysfs, `ip`.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Json } from "../kernel/program-in-lab.ts";
import { bootLab, type Lab } from "../kernel/lab.ts";
import { labProcess, stopLab } from "../kernel/lab-qemu.ts";
import { pfs } from "./lab-units.ts";
import { fullTopology, type LabTopology } from "../kernel/topology.ts";

/** Two igb and an nvme, as the specs of the suite name them. */
const wholeMachine: LabTopology = {
  ...fullTopology,
  slots: fullTopology.slots.slice(0, 3),
};

/** One more igb. */
export const withThird: LabTopology = { ...fullTopology, slots: fullTopology.slots.slice(0, 4) };

/** The first with an empty slot where the second igb was: to boot without it, or to plug it in. */
export const withoutRight: LabTopology = {
  ...wholeMachine,
  slots: wholeMachine.slots.map((slot) =>
    slot.at === "root-port" && slot.id === "port1" ? { ...slot, holds: null } : slot,
  ),
};

/** A step in the story of a machine: it goes on where the one before has left it. */
export type Scene = { readonly name: string; readonly run: (machine: Machine) => Promise<void> };

/** Many times what it takes on a quiet machine. */
const bootTimeoutMs = 600_000;

export class Machine {
  readonly disk: string;
  #lab: Lab | null = null;
  /** Of the lab that runs or starts. */
  #directory = "";

  /** A machine of its own, from an image that nobody has booted. */
  constructor(image: string, disk: string) {
    execFileSync("cp", ["--sparse=always", "--reflink=auto", image, disk]);
    this.disk = disk;
  }

  get lab(): Lab {
    if (this.#lab === null) throw new Error("The machine is off");
    return this.#lab;
  }

  /** Resolves once systemd has nothing left to start. */
  async boot(topology = wholeMachine): Promise<void> {
    await this.start(topology);
    await this.lab.run("systemctl is-system-running --wait", { timeoutMs: bootTimeoutMs });
  }

  /** Resolves when the agent answers, in the middle of the boot. */
  async start(topology = wholeMachine): Promise<void> {
    if (this.#directory !== "") await this.cut();
    this.#directory = mkdtempSync(join(tmpdir(), "sriovctl-lab-"));
    const directory = this.#directory;
    this.#lab = await bootLab({ topology, directory, disk: this.disk, bootTimeoutMs });
  }

  /** As the power button does. */
  async powerOff(): Promise<void> {
    const { directory } = this.lab;
    await this.lab.run("systemctl poweroff --no-block");
    for (let waits = 0; labProcess(directory) !== null && waits < 600; waits++) await sleep(100);
    await this.cut();
  }

  /** As when the cable is pulled: what the lab has not written to its disk is lost. */
  async cut(): Promise<void> {
    if (this.#directory !== "") await stopLab(this.#directory);
    this.#directory = "";
    this.#lab = null;
  }

  /** What a shell command prints; any exit code. */
  async sh(script: string, timeoutMs = 120_000): Promise<string> {
    const { stdout, stderr } = await this.lab.run(script, { timeoutMs });
    return `${stdout}${stderr}`.trim();
  }

  async json(command: string): Promise<Json> {
    const { stdout, stderr } = await this.lab.run(command, { timeoutMs: 120_000 });
    try {
      return JSON.parse(stdout);
    } catch {
      throw new Error(`${command} printed no JSON:\n${stdout}${stderr}`);
    }
  }

  /** Writes a file of the running machine. */
  async write(path: string, text: string): Promise<void> {
    writeFileSync(join(this.lab.resultsDirectory, "file"), text);
    await this.lab.check(`mkdir -p $(dirname ${path}); cp /results/file ${path}; sync`);
  }

  /** Of a machine that is starting. */
  #console(): string {
    if (this.#directory === "") throw new Error("The machine is off");
    const console = join(this.#directory, "console.log");
    return existsSync(console) ? readFileSync(console, "utf8") : "";
  }

  consoleSays(text: string): boolean {
    return this.#console().includes(text);
  }

  async whenConsoleSays(text: string): Promise<void> {
    const deadlineMs = performance.now() + bootTimeoutMs;
    while (!this.consoleSays(text)) {
      if (performance.now() > deadlineMs) {
        const end = this.#console().slice(-2000);
        throw new Error(`The console never says ${text}, and ends with\n${end}`);
      }
      await sleep(20);
    }
  }

  /** The card that `withoutRight` lacks. */
  async plugRight(): Promise<void> {
    const netdev = { id: "late", hubid: 0 };
    await this.lab.qmp("netdev_add", { type: "hubport", ...netdev });
    const place = { bus: "port1", addr: "0.0" };
    const card = { driver: "igb", id: "late-igb", netdev: "late", mac: pfs.right.mac };
    await this.lab.qmp("device_add", { ...card, ...place });
  }

  /** Repeats a script until it prints what is expected; returns the last it printed. */
  async until(expected: string, script: string, timeoutMs = 240_000): Promise<string> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const printed = await this.sh(script);
      if (printed === expected || performance.now() > deadlineMs) return printed;
      await sleep(1000);
    }
  }
}
