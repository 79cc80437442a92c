// A machine, its journals and a way to run applies on it as the command line does: inventory,
// plan, apply. Everything is production code except the journals' disk.

import assert from "node:assert/strict";
import { apply, type ApplyRequest } from "../../src/apply/apply.ts";
import type { WindowView } from "../../src/apply/history.ts";
import type { JournalStore } from "../../src/apply/journal-store.ts";
import type { Report } from "../../src/apply/report.ts";
import type { Session } from "../../src/apply/session.ts";
import { inventoryFor } from "../../src/apply/verify.ts";
import { openEmulatedHost, type EmulatedHost } from "../../src/host/emulated/emulated-host.ts";
import type { Fault } from "../../src/host/emulated/faults.ts";
import type { Spec } from "../../src/model/spec.ts";
import { fullInventory } from "../../src/host/host.ts";
import { noPolicy } from "../../src/model/vf-attribute.ts";
import { traitsOf } from "../../src/plan/driver-traits.ts";
import {
  attributeNames,
  freshPolicy,
  isSame,
  settingOf,
  settingWords,
} from "../../src/plan/vf-policy.ts";
import type { Consent, Plan } from "../../src/model/plan.ts";
import type { Profile } from "../../src/host/emulated/profile.ts";
import { plan } from "../../src/plan/plan.ts";
import { machineProfile, type MachinePlan } from "./machines.ts";
import { memoryJournals } from "./memory-journals.ts";
import { mortal, type CrashPoint } from "./mortal.ts";

export type TestBench = {
  readonly profile: Profile;
  readonly host: EmulatedHost;
  readonly journals: JournalStore;
  readonly session: Session;
  readonly view: WindowView;
  /** Lets time pass on the boot clock. */
  readonly passMs: (durationMs: number) => void;
};

/** Time stamps that count instead of telling the time. */
export function countingClock(): () => string {
  let seconds = 0;
  return () => new Date(Date.UTC(2026, 0, 1) + 1000 * seconds++).toISOString();
}

export const options = {
  keepGoing: false,
  onInterrupt: "undo",
  signal: null,
  onProgress: () => {},
  onProblem: "stop",
  command: "sriovctl apply",
} as const;

export async function openBench(
  machine: MachinePlan,
  faults: readonly Fault[] = [],
): Promise<TestBench> {
  const profile = machineProfile(machine);
  const host = await openEmulatedHost({ name: profile, statePath: null, faults });
  const journals = memoryJournals();
  let sinceBootMs = 1_000_000;
  const clock = { now: countingClock(), bootMs: () => sinceBootMs };
  const session = { ...clock, host, journals, lockFd: null };
  const passMs = (durationMs: number): void => {
    sinceBootMs += durationMs;
  };
  const view = { clock, isWatched: () => true };
  return { profile, host, journals, session, view, passMs };
}

/** The same machine and journals after the manager died: somebody starts a new one. */
export async function reopen(bench: TestBench): Promise<TestBench> {
  const { profile, host, session } = bench;
  host.abandon();
  const next = await openEmulatedHost({ name: profile, statePath: null, store: host.store });
  return { ...bench, host: next, session: { ...session, host: next } };
}

export async function planOn(
  { host }: TestBench,
  spec: Spec,
  consent: Consent = [],
): Promise<Plan> {
  return plan({ spec, inventory: await inventoryFor(host, spec), consent });
}

/** Plans and applies. */
export async function applySpec(
  bench: TestBench,
  spec: Spec,
  overrides: Partial<ApplyRequest> = {},
): Promise<Report> {
  const { consent = [] } = overrides;
  const planned = await planOn(bench, spec, consent);
  return await apply(bench.session, { ...options, spec, plan: planned, consent, ...overrides });
}

/** Plans and applies, and dies at `point`; the bench that is left for the next manager. */
export async function crashApplying(
  bench: TestBench,
  spec: Spec,
  point: CrashPoint,
  overrides: Partial<ApplyRequest> = {},
): Promise<TestBench> {
  const { session, died } = mortal(bench.session, bench.host, point);
  const planned = await planOn(bench, spec);
  const request = { ...options, spec, plan: planned, consent: [], ...overrides };
  const applying = apply(session, request);
  assert.equal(await Promise.race([applying, died]), "died");
  return await reopen(bench);
}

/** The host as a spec would put it, one line a PF and VF: `  0 vfio-pci vlan 120`. */
export async function stateOf({ host }: TestBench): Promise<string[]> {
  const { physicalFunctions } = await host.inventory({ ...fullInventory, census: false });
  return physicalFunctions.flatMap((pf) => {
    const fresh = freshPolicy(traitsOf(pf.driver));
    const autoprobe = pf.driversAutoprobe === false ? " autoprobe off" : "";
    const mode = pf.eswitchMode === "switchdev" ? " switchdev" : "";
    const [netdev] = pf.netdevs;
    const state = netdev?.isUp === false ? " down" : "";
    const mtu = netdev === undefined || netdev.mtu === 1500 ? "" : ` mtu ${netdev.mtu}`;
    const vfs = pf.virtualFunctions.map(({ vfIndex, driver, policy }) => {
      const words = attributeNames.flatMap((name) => {
        const has = settingOf(policy ?? noPolicy, name);
        const was = settingOf(fresh, name);
        // A bound driver reports the MAC that it made up.
        const isOwn = name === "mac" && driver !== null;
        if (has === null || isOwn || (was !== null && isSame(has, was, traitsOf(pf.driver))))
          return [];
        return [settingWords(has)];
      });
      return [`  ${vfIndex} ${driver ?? "none"}`, ...words].join(" ");
    });
    return [`${pf.address} ${pf.numVfs}${autoprobe}${mode}${state}${mtu}`, ...vfs];
  });
}
