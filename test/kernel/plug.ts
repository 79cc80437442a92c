// Runs in the lab: verbs of libvirt's adapter on plugs, and scripts, one after the other; the answers as a
// JSON list. One process for many, as starting it costs more than what it does. usage: node plug.ts STEPS

import { execFileSync } from "node:child_process";
import { runCommand } from "../../src/host/linux/command.ts";
import { SriovError } from "../../src/model/errors.ts";
import type { Plug } from "../../src/model/plug.ts";
import { libvirtConsumer } from "../../src/vmm/libvirt/libvirt-consumer.ts";

/** A script's answer is what it prints. */
export type PlugStep =
  | readonly ["run", script: string]
  | readonly ["look" | "check" | "plug" | "unplug", plug: Plug, deadlineMs?: number];

const adapter = libvirtConsumer({ run: runCommand, host: null });

const act = async (step: PlugStep): Promise<unknown> => {
  if (step[0] === "run") return execFileSync("bash", ["-ec", step[1]], { encoding: "utf8" });
  const [verb, plug, deadlineMs = 30_000] = step;
  if (verb === "look") return await adapter.look(plug);
  if (verb === "check") return await adapter.check(plug);
  if (verb === "plug") return await adapter.plug(plug, deadlineMs);
  return await adapter.unplug(plug, { deadlineMs, isForced: false });
};

const steps: readonly PlugStep[] = JSON.parse(process.argv[2] ?? "");
const answers: unknown[] = [];
for (const step of steps) {
  const startedAt = performance.now();
  try {
    answers.push(await act(step));
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    const { code, message, hint } = error;
    answers.push({ code, message, hint });
  }
  console.error(`${Math.round(performance.now() - startedAt)} ms: ${step[0]}`);
}
console.log(JSON.stringify(answers));
