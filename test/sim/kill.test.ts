// Real SIGKILL, 200 times (KILLS=n for another number): the whole program applies a spec to an
// emulated machine on disk and dies, in every second trial at a named boundary around a host
// request, otherwise at a random moment. Then `sriovctl recover` runs, and the machine must be
// either as before or as the spec says, never in between.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runProgram, stateIn } from "../run-program.ts";
import { randomOf, type Random } from "./random.ts";

const numKills = Number(process.env["KILLS"] ?? 200);
const root = mkdtempSync(join(tmpdir(), "sriovctl-kill-"));
after(() => rmSync(root, { recursive: true, force: true }));

const host = ["--host", "emulated:demo"];
const pf = (name: string, address: string, keys: object) => ({ name, match: { address }, ...keys });

const specText = (numVfs: readonly [number, number], driver: string, vlan: number): string =>
  JSON.stringify({
    apiVersion: "sriovctl/v1",
    adapters: [
      {
        physicalFunctions: [
          pf("p0", "0000:3b:00.0", { numVfs: numVfs[0] }),
          pf("p1", "0000:3b:00.1", { numVfs: numVfs[1] }),
        ],
      },
    ],
    virtualFunctions: [{ vfs: ["p0/0-1", "p1/0"], driver, vlan, trust: vlan > 100 }],
  });

const former = join(root, "former.json");
const wanted = join(root, "wanted.json");
writeFileSync(former, specText([2, 1], "kernel", 7));
writeFileSync(wanted, specText([4, 3], "vfio-pci", 120));

/** Everything that a spec can say of the machine, without what the kernel chooses afresh. */
async function stateOf(folder: string): Promise<string> {
  const { stdout, exitCode } = await runProgram([...host, "--json", "list"], {
    env: stateIn(folder),
  });
  assert.equal(exitCode, 0);
  const { physicalFunctions } = JSON.parse(stdout) as {
    readonly physicalFunctions: readonly (Record<string, unknown> & {
      readonly virtualFunctions: readonly Record<string, unknown>[];
    })[];
  };
  return JSON.stringify(
    physicalFunctions.map(({ address, numVfs, driversAutoprobe, virtualFunctions }) => ({
      address,
      numVfs,
      driversAutoprobe,
      vfs: virtualFunctions.map(({ index, driver, vlan, owners }) => [index, driver, vlan, owners]),
    })),
  );
}

async function run(folder: string, ...argv: readonly string[]) {
  return await runProgram([...host, ...argv], { env: stateIn(folder) });
}

/** A machine that the former spec was applied to, and its states before and after the wanted. */
async function prepare() {
  const template = join(root, "template");
  mkdirSync(template);
  assert.equal((await run(template, "apply", "-f", former, "--yes")).exitCode, 0);
  const before = await stateOf(template);
  const after = join(root, "after");
  cpSync(template, after, { recursive: true });
  const counted = startKilled(after, "never", []);
  const [stderr] = await Promise.all([text(counted.stderr), once(counted, "exit")]);
  const requests = Number(/requests (\d+)\n$/.exec(stderr)?.[1]);
  assert.ok(requests > 5, stderr);
  return { template, before, after: await stateOf(after), requests };
}

const apply = ["apply", "-f", wanted, "--yes"];

function startKilled(folder: string, boundary: string, flags: readonly string[]) {
  const program = join(import.meta.dirname, "kill-at.ts");
  const argv = [program, boundary, ...host, ...flags, ...apply];
  const env = { ...process.env, ...stateIn(folder) };
  return spawn(process.execPath, argv, { env, stdio: ["ignore", "ignore", "pipe"] });
}

async function dieAtBoundary(folder: string, requests: number, random: Random): Promise<string> {
  const moment = random.pick(["before", "during", "after"]);
  const boundary = `${moment}:${random.below(requests)}`;
  const child = startKilled(folder, boundary, []);
  child.stderr.resume();
  const [, signal] = await once(child, "exit");
  assert.equal(signal, "SIGKILL", `nothing happened at ${boundary}`);
  return boundary;
}

/** Dies some time after its journal is there; the machine runs in real time meanwhile. */
async function dieSometime(folder: string, numJournals: number, random: Random): Promise<string> {
  const child = startKilled(folder, "never", ["--speed", "40"]);
  child.stderr.resume();
  const exited = once(child, "exit");
  const journals = join(folder, "state", "emulated", "demo", "journal");
  const isBegun = (): boolean => existsSync(journals) && countFiles(journals) > numJournals;
  while (!isBegun() && child.exitCode === null) await sleep(2);
  const delayMs = random.below(250);
  await sleep(delayMs);
  child.kill("SIGKILL");
  const [, signal] = await exited;
  return signal === "SIGKILL" ? `${delayMs} ms` : "survived";
}

const countFiles = (folder: string): number => readdirSync(folder).length;

async function trial(number: number, prepared: Awaited<ReturnType<typeof prepare>>) {
  const { template, before, after: wantedState, requests } = prepared;
  const random = randomOf(number);
  const folder = join(root, `trial-${number}`);
  cpSync(template, folder, { recursive: true });
  const death =
    number % 2 === 0
      ? await dieAtBoundary(folder, requests, random)
      : await dieSometime(folder, 1, random);
  const choice = random.pick([[], ["--finish"], ["--undo"]]);
  const recovered = await run(folder, "recover", "--yes", ...choice);
  const story = `trial ${number}: killed ${death}, recover ${choice.join(" ")}\n`;
  assert.equal(recovered.exitCode, 0, story + recovered.stdout + recovered.stderr);
  const state = await stateOf(folder);
  const isEither = state === before || state === wantedState;
  assert.ok(isEither, `${story}${recovered.stdout}\nwas ${before}\nis  ${state}`);
  const planned = await run(folder, "plan", "-f", state === before ? former : wanted, "--json");
  assert.equal((JSON.parse(planned.stdout) as { readonly empty: boolean }).empty, true, story);
  rmSync(folder, { recursive: true });
  return { death, end: state === before ? "as before" : "as wanted" };
}

test(`killed ${numKills} times, an apply is always finished or undone by recover`, async (context) => {
  const prepared = await prepare();
  assert.notEqual(prepared.before, prepared.after);
  const tally = new Map<string, number>();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let number = next++; number < numKills; number = next++) {
      const { death, end } = await trial(number, prepared);
      const kind = death.includes(":")
        ? "at a boundary"
        : death === "survived"
          ? death
          : "sometime";
      const what = `killed ${kind}, then ${end}`;
      tally.set(what, (tally.get(what) ?? 0) + 1);
    }
  };
  await Promise.all([worker(), worker()]);
  for (const [what, count] of [...tally].toSorted()) context.diagnostic(`${what}: ${count}`);
});
