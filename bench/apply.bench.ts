// What apply adds to the time that the kernel itself needs, on the emulated host's clock: 8 PFs go
// to 128 VFs, then to 256, without policy and with five attributes a VF. The floor is the same
// machine with nothing but the requests that change it, each PF's one after another and all PFs at
// once: writes to sriov_numvfs queue up under the global lock and overlap under a lock a PF, VF
// attributes always queue up under the kernel's rtnl lock.

import { apply } from "../src/apply/apply.ts";
import { inventoryFor } from "../src/apply/verify.ts";
import { openEmulatedHost, type EmulatedHost } from "../src/host/emulated/emulated-host.ts";
import type { LockModel } from "../src/host/emulated/profile.ts";
import type { HostRequest } from "../src/host/host.ts";
import type { Plan } from "../src/model/plan.ts";
import { parseSpec } from "../src/model/spec-text.ts";
import type { Spec } from "../src/model/spec.ts";
import { plan } from "../src/plan/plan.ts";
import { memoryJournals } from "../test/sim/memory-journals.ts";
import { countingClock, options } from "../test/sim/bench.ts";
import { printRows, type BenchRow } from "./row.ts";

const addresses = Array.from(
  { length: 8 },
  (_, card) => `0000:${(0x11 + card * 0x10).toString(16)}:00.0`,
);

const fullPolicy = {
  mac: "auto",
  vlan: 120,
  trust: true,
  rate: { max: 500 },
  linkState: "enable",
};

function specOf(numVfs: number, policy: object): Spec {
  const adapters = addresses.map((address, card) => ({
    physicalFunctions: [{ name: `p${card}`, match: { address }, numVfs }],
  }));
  const vfs = addresses.map((_, card) => `p${card}/0-${numVfs - 1}`);
  const virtualFunctions = [{ vfs, driver: "none", ...policy }];
  const document = { apiVersion: "sriovctl/v1", adapters, virtualFunctions };
  const { spec, problems } = parseSpec(JSON.stringify(document), "bench");
  if (spec === null) throw new Error(JSON.stringify(problems));
  return spec;
}

const openHost = (lockModel: LockModel): Promise<EmulatedHost> =>
  openEmulatedHost({ name: "dense", statePath: null, lockModel });

const sizes = [128, 256] as const;

type Measured = readonly { readonly ms: number; readonly requests: readonly HostRequest[] }[];

/** The changes of a plan that the kernel needs time for, as bare requests. */
function requestsOf({ actions }: Plan): HostRequest[] {
  return actions.flatMap(({ change }): HostRequest[] => {
    if (change.kind === "create-vfs") {
      return [{ verb: "setNumVfs", pf: change.pf, numVfs: change.numVfs }];
    }
    if (change.kind === "remove-vfs") return [{ verb: "setNumVfs", pf: change.pf, numVfs: 0 }];
    if (change.kind !== "set-vf") return [];
    const { pf, vfIndex, attribute } = change;
    return [{ verb: "setVf", pf, vfIndex, attribute }];
  });
}

async function applyMs(lockModel: LockModel, policy: object): Promise<Measured> {
  const host = await openHost(lockModel);
  const clock = { now: countingClock(), bootMs: () => 0 };
  const session = { ...clock, host, journals: memoryJournals(), lockFd: null };
  const measured: Measured[number][] = [];
  for (const numVfs of sizes) {
    const spec = specOf(numVfs, policy);
    const planned = plan({ spec, inventory: await inventoryFor(host, spec), consent: [] });
    const startMs = host.now();
    const report = await apply(session, { ...options, spec, plan: planned, consent: [] });
    if (report.outcome !== "done") throw new Error(`apply ended as ${report.outcome}`);
    measured.push({ ms: host.now() - startMs, requests: requestsOf(planned) });
  }
  return measured;
}

/** Machine milliseconds of the requests alone, probing off as apply has it. */
async function floorMs(lockModel: LockModel, measured: Measured): Promise<number[]> {
  const host = await openHost(lockModel);
  const perform = (request: HostRequest) =>
    host.perform(request, { deadlineMs: 3_600_000, lockFd: null });
  for (const pf of addresses) {
    await perform({ verb: "setDriversAutoprobe", pf, isOn: false });
  }
  const floors: number[] = [];
  for (const { requests } of measured) {
    const startMs = host.now();
    const byPf = Map.groupBy(requests, (request) => ("pf" in request ? request.pf : ""));
    await Promise.all(
      [...byPf.values()].map(async (ofPf) => {
        for (const request of ofPf) await perform(request);
      }),
    );
    floors.push(host.now() - startMs);
  }
  return floors;
}

const rows: BenchRow[] = [];
for (const lockModel of ["per-pf", "global"] as const) {
  for (const [words, policy] of [
    ["", {}],
    [" with policy", fullPolicy],
  ] as const) {
    const ours = await applyMs(lockModel, policy);
    const floors = await floorMs(lockModel, ours);
    ours.forEach(({ ms }, index) => {
      const floor = floors[index] ?? 0;
      const resize = index === 0 ? "0 to 128" : "128 to 256";
      rows.push({
        what: `8 PFs from ${resize} VFs${words}, ${lockModel} lock`,
        measured: `${(ms / floor).toFixed(3)} x (${ms.toFixed(0)} ms, floor ${floor.toFixed(0)} ms)`,
        goal: "<= 1.1 x the kernel's floor",
        isMet: ms / floor <= 1.1,
      });
    });
  }
}
printRows(rows);
