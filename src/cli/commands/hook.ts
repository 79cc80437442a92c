// `sriovctl hook MANAGER GUEST PHASE`: what the installed hooks call. 0 lets the guest start, 3
// refuses it; anything else says that sriovctl itself could not, and the hook's script decides.

import { fullInventory, type Host } from "../../host/host.ts";
import { SriovError } from "../../model/errors.ts";
import { writeErrorOf } from "../../model/file-error.ts";
import type { Inventory } from "../../model/inventory.ts";
import {
  runGuestHook,
  type Guest,
  type HookCall,
  type HookResult,
  type Moment,
} from "../guest-hook.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { problemJson } from "../inventory-json.ts";
import { problemSentence } from "../logger.ts";
import { readText } from "../read-file.ts";
import { readSpecDirectory } from "../spec-directory.ts";
import type { GuestDevice } from "../../coexist/domain-xml.ts";
import type { Address } from "../../model/bdf.ts";
import { dropGiven, keepGiven, readGiven } from "../given-vfs.ts";

const hookFormat = "sriovctl-hook/1";

/** `prepare` is before libvirt touches a device or takes one from a pool, `start` after it has set
 * what its XML says of them, `release` after it has given them all back (src/qemu/qemu_process.c
 * qemuProcessInit(), qemuProcessLaunch(), qemuProcessStop()). Proxmox VE chooses from its mappings
 * after `pre-start` (PVE/QemuServer.pm vm_start_nolock()): all of them are looked after. */
const moments: Readonly<Record<string, Readonly<Record<string, Moment>>>> = {
  libvirt: { prepare: "start", start: "given", release: "stop" },
  pve: { "pre-start": "start", "post-stop": "stop" },
};

/** A domain with every device that libvirt knows has some 100 KiB. */
const maxXmlBytes = 4 * 1024 * 1024;

function usageError(message: string, target: string): SriovError {
  return new SriovError("usage", message, { operation: "hook", target });
}

async function libvirtDevices(name: string): Promise<readonly GuestDevice[]> {
  const { parseDomain } = await import("../../coexist/domain-xml.ts");
  const domain = parseDomain(readText("-", maxXmlBytes));
  if ("message" in domain) {
    const detail = { operation: "hook", target: name };
    throw new SriovError("file-format", domain.message, detail);
  }
  return domain.devices;
}

/** Proxmox VE's configuration is among what the inventory has read of other managers. */
function pveDevices({ claims = [] }: Inventory, vmid: string): readonly GuestDevice[] {
  const prefix = `pve:${vmid}/`;
  return claims
    .flatMap(({ settings }) => settings)
    .flatMap((setting): GuestDevice[] => {
      if (setting.kind !== "vf-assigned" || !setting.to.startsWith(prefix)) return [];
      const alias = setting.to.slice(prefix.length);
      return [{ address: setting.vfAddress, alias, mac: null, vlanId: null }];
    });
}

async function guestOf(inventory: Inventory, kind: string, name: string): Promise<Guest> {
  return kind === "pve"
    ? { kind: "pve", name, devices: pveDevices(inventory, name) }
    : { kind: "libvirt", name, devices: await libvirtDevices(name) };
}

/** With the VFs that it had from a pool. */
function atItsEnd(guest: Guest, addresses: readonly Address[]): Guest {
  const isNamed = (address: Address): boolean =>
    guest.devices.some((device) => device.address === address);
  const others = addresses
    .filter((address) => !isNamed(address))
    .map((address) => ({ address, alias: null, mac: null, vlanId: null }));
  return { ...guest, devices: [...guest.devices, ...others] };
}

function momentOf({ operands }: Arguments): Moment | null {
  const [kind = "", name = "", phase = ""] = operands;
  const ofKind = Object.hasOwn(moments, kind) ? moments[kind] : undefined;
  if (ofKind === undefined) {
    throw usageError(`Cannot run a hook for ${kind}: wanted libvirt or pve`, name);
  }
  return (Object.hasOwn(ofKind, phase) ? ofKind[phase] : undefined) ?? null;
}

/** Remembers from `given` to `stop` what the guest was given. */
async function runAndRemember(
  context: Context,
  host: Host,
  { guest, moment, inventory }: Omit<HookCall, "spec">,
): Promise<HookResult> {
  const { guestsDir } = context.hostPaths;
  const key = `${guest.kind}:${guest.name}`;
  if (moment === "given") {
    const addresses = guest.devices.map(({ address }) => address);
    try {
      keepGiven(guestsDir, key, addresses);
    } catch (error) {
      context.log.warn(`Cannot keep in mind what ${key} was given: ${writeErrorOf(error)}`);
    }
  }
  if (moment !== "stop") return runOn(context, host, { guest, moment, inventory });
  const ended = atItsEnd(guest, readGiven(guestsDir, key));
  const result = await runOn(context, host, { guest: ended, moment, inventory });
  dropGiven(guestsDir, key);
  return result;
}

/** Throws where the specs cannot be used: what the guest's VFs should be is then not known. */
async function runOn(
  context: Context,
  host: Host,
  call: Omit<HookCall, "spec">,
): Promise<HookResult> {
  const { spec, problems } = readSpecDirectory(context.paths.configDir).merged;
  const result = await runGuestHook(context, host, { ...call, spec });
  const [problem] = problems;
  if (problem === undefined || result.targets.length > 0) return result;
  const detail = { operation: "hook", target: spec.source };
  throw new SriovError("spec-problems", problemSentence(problem), detail);
}

export const hook: RunCommand = async (context, args) => {
  const [kind = "", name = ""] = args.operands;
  const moment = momentOf(args);
  if (moment === null) return 0;
  const result = await withHost(context, async (host) => {
    const claims = kind === "pve";
    const inventory = await host.inventory({ ...fullInventory, census: false, claims });
    const guest = await guestOf(inventory, kind, name);
    return runAndRemember(context, host, { guest, moment, inventory });
  });
  const { targets, changes, refusals } = result;
  const isRefused = refusals.length > 0;
  context.printJson({
    format: hookFormat,
    guest: `${kind}:${name}`,
    moment,
    targets,
    changes,
    isRefused: isRefused && moment !== "stop",
    problems: refusals.map(problemJson),
  });
  for (const { target, words } of changes) context.print(`${target}: ${words}`);
  for (const problem of refusals) context.log.error(problemSentence(problem), problem.hint);
  if (!isRefused) return 0;
  if (moment === "stop") return 1;
  context.log.error(`${kind}:${name} must not start: its VFs are not as the specs say`);
  return 3;
};
