// `sriovctl demo` with options: sets up the emulated machine that `--host emulated:NAME` uses, and
// says how it then is. The machine remembers, so a fault plan given here hits the commands after.

import { rmSync } from "node:fs";
import type { Fault } from "../host/emulated/faults.ts";
import type { MachineStatus } from "../host/emulated/machine-status.ts";
import type { MachineChange } from "../host/emulated/set-up.ts";
import { SriovError } from "../model/errors.ts";
import { formatBdf, parseBdf, vfTarget } from "../model/bdf.ts";
import type { Arguments, Context } from "./context.ts";
import { hostPaths } from "./paths.ts";

export const demoFormat = "sriovctl-demo/1";

const switches = ["status", "reset", "reboot"] as const;

export const asksForSetUp = (args: Arguments): boolean =>
  switches.some((name) => args.isSet(name)) ||
  ["faults", "lock-model"].some((name) => args.text(name) !== null) ||
  ["stop-guest", "start-guest", "firmware-vfs"].some((name) => args.texts(name).length > 0);

function machineOf({ hostName }: Context): string {
  const [kind, machine = ""] = hostName === "linux" ? ["emulated", "demo"] : hostName.split(":");
  if (kind === "emulated") return machine;
  const message = `Cannot set up ${hostName}: wanted an emulated machine`;
  throw new SriovError("usage", message, { operation: "set up", target: hostName });
}

function lockModelOf(args: Arguments): MachineChange["lockModel"] {
  const text = args.text("lock-model");
  if (text === null || text === "global" || text === "per-pf") return text;
  const message = `Cannot use lock model ${text}: wanted global or per-pf`;
  throw new SriovError("usage", message, { operation: "set lock model", target: text });
}

/** Reading a file loads the YAML parser, which only a fault plan needs. */
async function faultPlanOf(args: Arguments): Promise<MachineChange["faultPlan"]> {
  const path = args.text("faults");
  if (path === null || path === "none") return path;
  const { readSource } = await import("./spec-source.ts");
  return readSource(path);
}

/** `0000:5e:00.0=16` */
function firmwareOf(args: Arguments): MachineChange["firmwareVfs"] {
  const entries = args.texts("firmware-vfs").map((text) => {
    const [, name = "", count = ""] = /^([^=]+)=(\d{1,5})$/.exec(text) ?? [];
    const bdf = parseBdf(name);
    if (bdf !== null) return [formatBdf(bdf), Number(count)] as const;
    const message = `Cannot store ${text} in firmware: wanted PF=COUNT, for example 0000:5e:00.0=16`;
    throw new SriovError("usage", message, { operation: "store firmware", target: text });
  });
  return new Map(entries);
}

export async function setUpEmulated(context: Context, args: Arguments): Promise<number> {
  const { paths, wiring, print, printJson } = context;
  const machine = machineOf(context);
  const host = `emulated:${machine}`;
  const isReset = args.isSet("reset");
  const status = await wiring.setUpMachine(machine, paths, {
    isMadeAnew: isReset || args.isSet("reboot"),
    keepsFirmware: !isReset,
    firmwareVfs: firmwareOf(args),
    lockModel: lockModelOf(args),
    faultPlan: await faultPlanOf(args),
    guestsToStop: args.texts("stop-guest"),
    guestsToStart: args.texts("start-guest"),
  });
  if (isReset) {
    // A journal of a machine that is gone would ask for recovery, and nobody has its VFs.
    const { journalDir, leaseFile } = hostPaths(paths, host);
    for (const path of [journalDir, leaseFile, `${leaseFile}-wal`, `${leaseFile}-shm`]) {
      rmSync(path, { recursive: true, force: true });
    }
    print(`${host} is as its profile says again.`);
  }
  printJson({
    format: demoFormat,
    ...(isReset ? { reset: host } : {}),
    host,
    ...statusJson(status),
  });
  print(...statusLines(host, status));
  return 0;
}

function statusLines(host: string, status: MachineStatus) {
  const { lockModel, guests, firmware, inFlight, faults } = status;
  const lock = lockModel === "global" ? "one PCI lock for all PFs" : "a lock a PF";
  return [
    `${host}: ${lock}, ${inFlight.length === 0 ? "nothing in flight" : "changes in flight"}`,
    ...guests.map(({ name, isRunning, vfs }) => {
      const list = vfs.join(", ");
      if (isRunning) return `guest ${name} runs${list === "" ? "" : ` and has ${list} open`}`;
      return `guest ${name} is stopped${list === "" ? "" : ` and will want ${list}`}`;
    }),
    ...firmware.map(
      ({ pf, now, nextBoot }) => `firmware of ${pf}: ${now} VFs, ${nextBoot} from the next boot on`,
    ),
    ...inFlight.map(({ request, waitsFor }) =>
      waitsFor === null ? `in flight: ${request}` : `in flight: ${request}, waits for ${waitsFor}`,
    ),
    ...faults.map((fault) => `fault: ${faultText(fault)}`),
  ];
}

type FaultStatus = MachineStatus["faults"][number];

const targetOf = ({ target, vfIndex }: Fault["on"]): string | null =>
  target === undefined || vfIndex === undefined ? (target ?? null) : vfTarget(target, vfIndex);

function faultText({ on, effect, toPass, toHit }: FaultStatus): string {
  const where = [on.verb, targetOf(on), on.attribute].filter((word) => typeof word === "string");
  const what = effect.kind === "event" ? effect.event.event : effect.kind;
  const pass = toPass === 0 ? "" : ` after ${toPass} more`;
  return `${what} at ${where.join(" ")}${toHit === 0 ? ", over" : `, ${toHit} to come${pass}`}`;
}

const statusJson = ({ lockModel, guests, firmware, inFlight, faults }: MachineStatus) => ({
  lockModel,
  guests: guests.map(({ name, isRunning, vfs }) => ({ name, running: isRunning, vfs })),
  firmware: firmware.map(({ pf, now, nextBoot }) => ({ pf, now, nextBoot })),
  inFlight: inFlight.map(({ request, waitsFor }) => ({ request, waitsFor })),
  faults: faults.map(({ on, effect, toPass, toHit }) => ({
    operation: on.verb,
    target: targetOf(on),
    attribute: on.attribute ?? null,
    effect: effect.kind === "event" ? effect.event.event : effect.kind,
    toPass,
    toHit,
  })),
});
