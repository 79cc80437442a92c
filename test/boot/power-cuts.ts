// A host whose power fails again and again while its early unit works, and who then has a card less.
// When the power goes is random, but drawn from how long the unit takes here, and less once it took
// less: some cuts must hit it in the middle of its actions, on a slow machine too.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { randomOf } from "../sim/random.ts";
import type { Json } from "../kernel/program-in-lab.ts";
import { counts, marks, pfs } from "./lab-units.ts";
import { type Machine, type Scene, withoutRight } from "./machine.ts";
import { applied, journal, lateJournal, policy, unattended, wantedPolicy } from "./specs.ts";

const numCuts = 10;

/** The apply had begun and not ended when the power went: the next boot found it so. */
const wasUnderWay = ({ outcome }: Json): boolean => outcome === "rebooted";

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

type Duration = { readonly unitMs: number; readonly actionsMs: number };

/** The first cut comes as the unit ends, and tells how long it and its actions take. */
async function measure(machine: Machine): Promise<Duration> {
  await machine.whenConsoleSays(marks.applyBegins);
  const startedAt = performance.now();
  await machine.whenConsoleSays(marks.journalBegins);
  const beganAt = performance.now();
  await machine.whenConsoleSays(marks.applyEnded);
  const endedAt = performance.now();
  return { unitMs: endedAt - startedAt, actionsMs: endedAt - beganAt };
}

/**
 * Lets part of a span pass, which began when the console said so. A machine that is quicker by now
 * is done sooner: the result is how long the span is to be taken for from here on.
 */
async function spend(machine: Machine, part: number, spanMs: number): Promise<number> {
  const beganAt = performance.now();
  const spentMs = (): number => performance.now() - beganAt;
  while (spentMs() < part * spanMs) {
    if (machine.consoleSays(marks.applyEnded)) return spentMs();
    await sleep(20);
  }
  return spanMs;
}

/** Since the early unit's start. */
async function secondsSinceStart(machine: Machine): Promise<number> {
  const show = "systemctl show --value -p ExecMainStartTimestampMonotonic sriovctl-apply.service";
  const uptimeS = Number(await machine.sh("cut -d ' ' -f 1 /proc/uptime"));
  return uptimeS - Number(await machine.sh(show)) / 1e6;
}

export const powerCuts: readonly Scene[] = [
  {
    name: `ten power cuts during a boot's apply (SEED=${seed}) hit some in the middle`,
    run: async (machine) => {
      const random = randomOf(seed);
      let took: Duration = { unitMs: 0, actionsMs: 0 };
      for (let cut = 0; cut < numCuts; cut++) {
        const started = machine.start();
        if (cut === 0) took = await measure(machine);
        else {
          const isLate = cut % 2 === 1;
          await machine.whenConsoleSays(isLate ? marks.journalBegins : marks.applyBegins);
          const span = isLate ? "actionsMs" : "unitMs";
          took = { ...took, [span]: await spend(machine, random.below(1000) / 1000, took[span]) };
        }
        await machine.cut();
        await started.catch(() => undefined);
      }
      console.log(took);
    },
  },

  {
    name: "the next boot minds none of them",
    run: async (machine) => {
      await machine.boot();
      assert.equal(await machine.sh(applied), "success", await machine.sh(journal));
      assert.equal(await machine.sh("cat /run/probe"), "3 2");
      assert.equal(await machine.sh(policy), wantedPolicy);
      const { applies, problems } = await machine.json("sriovctl history --json");
      console.log(await machine.sh("sriovctl history"));
      assert.deepEqual(problems, []);
      const [last, ...earlier] = applies;
      assert.equal(last.outcome, "done");
      assert.ok(earlier.length <= numCuts, "one journal a boot");
      const hits = earlier.filter(wasUnderWay);
      assert.ok(hits.length >= 2, `${hits.length} cuts hit an apply under way, wanted some`);
      assert.equal(await machine.sh("systemctl --failed --no-legend"), "");
      await machine.sh("sync");
      await machine.cut();
    },
  },

  {
    name: "a PF that is missing stops nobody else and delays no boot by a minute",
    run: async (machine) => {
      await machine.boot(withoutRight);
      assert.equal(await machine.sh(applied), "exit-code");
      assert.deepEqual(await unattended(machine), { left: "applied", right: "missing" });
      assert.equal(await machine.sh("cat /run/probe"), "3");
      assert.equal(await machine.sh(policy), wantedPolicy);
      assert.equal(await machine.sh("systemctl is-active multi-user.target"), "active");
      const [, waitedS] = /^Waited (\d+) s for PFs/m.exec(await machine.sh(journal)) ?? [];
      assert.ok(Number(waitedS) < 60, `the unit waited ${waitedS} s`);
    },
  },

  {
    name: "it gets its VFs when it comes, 20 s late",
    run: async (machine) => {
      await sleep(Math.max(0, 20 - (await secondsSinceStart(machine))) * 1000);
      await machine.plugRight();
      const numVfs = `cat ${pfs.right.folder}/sriov_numvfs`;
      assert.equal(await machine.until("2", numVfs), "2", await machine.sh(lateJournal));
      const isApplied = `grep -A2 '"right"' /var/lib/sriovctl/linux/unattended.json | grep -o applied`;
      assert.equal(await machine.until("applied", isApplied), "applied");
      assert.equal(await machine.sh(counts), "3 2");
    },
  },
];
