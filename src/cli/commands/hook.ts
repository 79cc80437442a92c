// `sriovctl hook MANAGER GUEST PHASE`: what the installed hooks call. 0 lets the guest start, 3
// refuses it; anything else says that sriovctl itself could not, and the hook's script decides.

import { fullInventory, type Host } from "../../host/host.ts";
import { SriovError } from "../../model/errors.ts";
import { runGuestHook, type Guest, type HookResult, type Moment } from "../guest-hook.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { problemJson } from "../inventory-json.ts";
import { problemSentence } from "../logger.ts";
import { readText } from "../read-file.ts";
import { readSpecDirectory } from "../spec-directory.ts";
import type { GuestDevice } from "../../coexist/domain-xml.ts";

const hookFormat = "sriovctl-hook/1";

/** `prepare` is before libvirt touches a device, `release` after it has given them all back
 * (docs/hooks.html); the same of Proxmox VE (PVE/GuestHelpers.pm exec_hookscript()). */
const moments: Readonly<Record<string, Readonly<Record<string, Moment>>>> = {
  libvirt: { prepare: "start", release: "stop" },
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
async function pveDevices(host: Host, vmid: string): Promise<readonly GuestDevice[]> {
  const { claims = [] } = await host.inventory({ ...fullInventory, census: false });
  const prefix = `pve:${vmid}/`;
  return claims
    .flatMap(({ settings }) => settings)
    .flatMap((setting): GuestDevice[] => {
      if (setting.kind !== "vf-assigned" || !setting.to.startsWith(prefix)) return [];
      const alias = setting.to.slice(prefix.length);
      return [{ address: setting.vfAddress, alias, mac: null, vlanId: null }];
    });
}

async function guestOf(host: Host, kind: string, name: string): Promise<Guest> {
  return kind === "pve"
    ? { kind: "pve", name, devices: await pveDevices(host, name) }
    : { kind: "libvirt", name, devices: await libvirtDevices(name) };
}

function momentOf({ operands }: Arguments): Moment | null {
  const [kind = "", name = "", phase = ""] = operands;
  const ofKind = Object.hasOwn(moments, kind) ? moments[kind] : undefined;
  if (ofKind === undefined) {
    throw usageError(`Cannot run a hook for ${kind}: wanted libvirt or pve`, name);
  }
  return (Object.hasOwn(ofKind, phase) ? ofKind[phase] : undefined) ?? null;
}

/** Throws where the specs cannot be used: what the guest's VFs should be is then not known. */
async function runOn(
  context: Context,
  host: Host,
  { guest, moment }: { readonly guest: Guest; readonly moment: Moment },
): Promise<HookResult> {
  const { spec, problems } = readSpecDirectory(context.paths.configDir).merged;
  const result = await runGuestHook(context, host, { guest, moment, spec });
  const [problem] = problems;
  if (problem === undefined || result.targets.length > 0) return result;
  const detail = { operation: "hook", target: spec.source };
  throw new SriovError("spec-problems", problemSentence(problem), detail);
}

export const hook: RunCommand = async (context, args) => {
  const [kind = "", name = ""] = args.operands;
  const moment = momentOf(args);
  if (moment === null) return 0;
  const result = await withHost(context, async (host) =>
    runOn(context, host, { guest: await guestOf(host, kind, name), moment }),
  );
  const { targets, changes, refusals } = result;
  const isRefused = refusals.length > 0;
  context.printJson({
    format: hookFormat,
    guest: `${kind}:${name}`,
    moment,
    targets,
    changes,
    isRefused: isRefused && moment === "start",
    problems: refusals.map(problemJson),
  });
  for (const { target, words } of changes) context.print(`${target}: ${words}`);
  for (const problem of refusals) context.log.error(problemSentence(problem), problem.hint);
  if (!isRefused) return 0;
  if (moment === "stop") return 1;
  context.log.error(`${kind}:${name} must not start: its VFs are not as the specs say`);
  return 3;
};
