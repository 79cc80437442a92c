// The options of `attach` as values. A word that means nothing is an error, because whoever typed it
// believes that it was heeded.

import { isIP } from "node:net";
import type { PlugTerms } from "../apply/attach.ts";
import {
  formOfTarget,
  needsNetdev,
  parseAssignTarget,
  targetForms,
  type AssignTarget,
} from "../model/assign-target.ts";
import { SriovError } from "../model/errors.ts";
import { autoMacOfConsumer, isMulticastMac, parseMac, zeroMac } from "../model/mac.ts";
import type { Arguments } from "./context.ts";

export function usage(operation: string, message: string, hint?: string): SriovError {
  const detail = { operation, target: "", ...(hint === undefined ? {} : { hint }) };
  return new SriovError("usage", message, detail);
}

const wrong = (option: string, text: string, wanted: string): SriovError =>
  usage("attach", `Cannot use --${option} ${text}: wanted ${wanted}`);

/** Throws `usage`. */
export function consumerOf(text: string | null): AssignTarget {
  const target = text === null ? null : parseAssignTarget(text);
  if (target !== null) return target;
  const forms = Object.values(targetForms).map(({ form }) => form);
  const wanted = text === null ? null : formOfTarget(text);
  const what = text === null ? "no --to was given" : `--to is ${text}`;
  const message = `Cannot attach: ${what}, wanted ${wanted ?? `one of ${forms.join(", ")}`}`;
  throw usage("attach", message);
}

function macOf(args: Arguments): string | null {
  const text = args.text("mac");
  if (text === null) return null;
  if (text === "auto") return autoMacOfConsumer(args.text("to") ?? "");
  const mac = parseMac(text);
  if (mac !== null && mac !== zeroMac && !isMulticastMac(mac)) return mac;
  throw wrong("mac", text, "a unicast MAC like 02:00:5e:10:00:01, or auto");
}

function numberOf(args: Arguments, option: string, most: number): number | null {
  const text = args.text(option);
  if (text === null) return null;
  const value = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (value >= 0 && value <= most) return value;
  throw wrong(option, text, `a number from 0 to ${most}`);
}

function vlanOf(args: Arguments): PlugTerms["vlan"] {
  const qos = numberOf(args, "qos", 7);
  if (args.text("vlan") === "none" && qos === null) return "none";
  const id = numberOf(args, "vlan", 4094);
  if (id === null && qos !== null) throw wrong("qos", String(qos), "it together with --vlan");
  if (id === 0) throw wrong("vlan", "0", "1 to 4094, or none");
  return id === null ? null : { id, qos: qos ?? 0, protocol: "802.1q" };
}

function formOf(args: Arguments): PlugTerms["form"] {
  const text = args.text("form");
  if (text === null || text === "interface" || text === "hostdev") return text;
  throw wrong("form", text, "interface or hostdev");
}

function endpointOf(args: Arguments): string | null {
  const [uri, socket] = [args.text("connect"), args.text("socket")];
  if (uri === null || socket === null) return uri ?? socket;
  throw usage("attach", "Cannot attach with --connect and --socket: wanted one of them");
}

export const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Without a zone, which says nothing in another namespace. */
function isIpWithPrefix(text: string): boolean {
  const [, address = "", prefix = ""] = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && Number(prefix) <= (version === 4 ? 32 : 128);
}

function matching(args: Arguments, option: string, pattern: RegExp, wanted: string): string | null {
  const text = args.text(option);
  if (text === null || pattern.test(text)) return text;
  throw wrong(option, text, wanted);
}

/** Options that say something to one kind of consumer only. */
const kindsOf: Readonly<Record<string, readonly AssignTarget["kind"][]>> = {
  "form": ["libvirt"],
  "connect": ["libvirt"],
  "socket": ["qemu"],
  "failover": ["libvirt", "qemu"],
  "user": ["dpdk", "qemu"],
  "vf-token": ["dpdk", "qemu"],
};

/** Of `--live` or `--persistent` alone; both together are what the consumer has of them. */
function assertScope({ kind }: AssignTarget, scope: PlugTerms["scope"]): void {
  if (scope === "live" && kind === "pve") {
    const message = "Cannot attach to pve with --live: Proxmox VE gives devices at a VM's start";
    throw usage("attach", message, "Attach it without --live, and restart the VM");
  }
  if (scope !== "persistent" || kind === "libvirt" || kind === "pve") return;
  const message = `Cannot attach to ${kind} with --persistent: it keeps nothing for a next start`;
  throw usage("attach", message, "Attach it live");
}

function assertMeant(args: Arguments, { kind }: AssignTarget): void {
  for (const [option, kinds] of Object.entries(kindsOf)) {
    if (args.text(option) === null || kinds.includes(kind)) continue;
    throw usage(
      "attach",
      `Cannot attach to ${kind} with --${option}: it is for ${kinds.join(", ")}`,
    );
  }
  if (args.texts("ip").length === 0 || needsNetdev(kind)) return;
  throw usage("attach", `Cannot attach to ${kind} with --ip: it is for namespaces and containers`);
}

/** Throws `usage`. */
export function plugTermsOf(args: Arguments, consumer: AssignTarget): PlugTerms {
  assertMeant(args, consumer);
  const [isLive, isPersistent] = [args.isSet("live"), args.isSet("persistent")];
  const one = isLive ? ("live" as const) : ("persistent" as const);
  const ipAddresses = args.texts("ip");
  const bad = ipAddresses.find((text) => !isIpWithPrefix(text));
  if (bad !== undefined) throw wrong("ip", bad, "an address with its prefix, like 192.0.2.7/24");
  const scope = isLive === isPersistent ? "both" : one;
  assertScope(consumer, scope);
  return {
    mac: macOf(args),
    vlan: vlanOf(args),
    scope,
    form: formOf(args),
    endpoint: endpointOf(args),
    failover: matching(args, "failover", /^[A-Za-z0-9_.-]{1,64}$/, "the name of a NIC's device"),
    vfToken: matching(args, "vf-token", uuidPattern, "a UUID"),
    ipAddresses,
    user: matching(args, "user", /^[A-Za-z0-9_.-]{1,32}$/, "the name or number of a user"),
  };
}
