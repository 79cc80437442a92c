// Nothing that happens to an apply or to its session keeps its watchdog from taking it back. Each
// trial is a session of its own (a shell as its leader, as sshd starts one) that applies on trial;
// at some moment the whole process group is killed with SIGKILL, or the leader gets a SIGHUP and
// dies. Then nobody does anything, and the machine must be as before.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runProgram, stateIn } from "../run-program.ts";
import { randomOf } from "./random.ts";

const numTrials = Number(process.env["TRIALS"] ?? 12);
const root = mkdtempSync(join(tmpdir(), "sriovctl-confirm-"));
after(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }));

const program = join(import.meta.dirname, "..", "..", "bin", "sriovctl.js");
const host = ["--host", "emulated:demo"];

const specText = (numVfs: number, driver: string): string =>
  JSON.stringify({
    apiVersion: "sriovctl/v1",
    adapters: [{ physicalFunctions: [{ name: "p0", match: { address: "0000:3b:00.0" }, numVfs }] }],
    virtualFunctions: [{ vfs: "p0/0-1", driver, vlan: 120 }],
  });

const former = join(root, "former.json");
const wanted = join(root, "wanted.json");
writeFileSync(former, specText(2, "kernel"));
writeFileSync(wanted, specText(6, "vfio-pci"));

const run = async (folder: string, ...argv: readonly string[]) =>
  await runProgram([...host, ...argv], { env: stateIn(folder) });

async function isPlanned(folder: string, spec: string): Promise<boolean> {
  const { stdout } = await run(folder, "plan", "-f", spec, "--json");
  return (JSON.parse(stdout) as { readonly empty: boolean }).empty;
}

/** `SHELL -c PROGRAM ...` as the leader of a session; the apply is its child. */
function startSession(folder: string) {
  const apply = ["apply", "-f", wanted, "--yes", "--confirm-within", "2s"];
  // At this speed the apply takes about a second.
  const words = [process.execPath, program, ...host, "--speed", "3", ...apply];
  return spawn("/bin/sh", ["-c", '"$@"; sleep 60', "sh", ...words], {
    detached: true,
    env: { ...process.env, ...stateIn(folder) },
    stdio: "ignore",
  });
}

async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < limitMs; waitedMs += 20) {
    if (condition()) return true;
    await sleep(20);
  }
  return condition();
}

async function trial(number: number, template: string): Promise<string> {
  const folder = join(root, `trial-${number}`);
  cpSync(template, folder, { recursive: true });
  const presence = join(folder, "run", "emulated", "demo", "watchdog.json");
  const session = startSession(folder);
  const ended = once(session, "exit");
  assert.ok(await until(() => existsSync(presence), 20_000), "the watchdog did not come");
  const delayMs = randomOf(number).below(2500);
  await sleep(delayMs);
  const signal = number % 3 === 2 ? "SIGHUP" : "SIGKILL";
  process.kill(-(session.pid ?? 0), signal);
  await ended;
  const { stdout } = await run(folder, "history", "--json");
  const [apply] = (JSON.parse(stdout) as { readonly applies: readonly { outcome: string }[] })
    .applies;
  const story = `trial ${number}: ${signal} after ${delayMs} ms, apply ${apply?.outcome ?? "cut"}`;
  assert.ok(await until(() => !existsSync(presence), 30_000), `${story}: still watching`);
  const log = readFileSync(join(folder, "state", "emulated", "demo", "watchdog.log"), "utf8");
  assert.ok(await isPlanned(folder, former), `${story}: not as before\n${log}`);
  // A SIGHUP in the middle is an interruption: then the apply undoes itself.
  assert.match(log, /over: reverted/, story);
  assert.match((await run(folder, "history")).stdout, / undone /, story);
  rmSync(folder, { recursive: true });
  return `${signal}, apply ${apply?.outcome ?? "cut short"}`;
}

test(`killed with its session ${numTrials} times, an unconfirmed apply goes back`, async (context) => {
  const template = join(root, "template");
  assert.equal((await run(template, "apply", "-f", former, "--yes")).exitCode, 0);
  const tally = new Map<string, number>();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let number = next++; number < numTrials; number = next++) {
      const what = await trial(number, template);
      tally.set(what, (tally.get(what) ?? 0) + 1);
    }
  };
  await Promise.all([worker(), worker()]);
  for (const [what, count] of [...tally].toSorted()) context.diagnostic(`${what}: ${count}`);
});
