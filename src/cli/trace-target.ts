// The two ends of a trace, as a person names them: `vf:NAME/3`, `pf:NAME`, `uplink:NAME`,
// `guest-of-bridge:br0`, or a function as `show` takes it. What a name leaves open is an error that
// says which names there are.

import type { Port } from "../eswitch/frame.ts";
import { switchStateOf, type SwitchState } from "../eswitch/switch-state.ts";
import { SriovError } from "../model/errors.ts";
import type { Inventory, Pf } from "../model/inventory.ts";
import { parseMac } from "../model/mac.ts";
import { findFunction } from "./find-function.ts";

export type TraceEnd = {
  readonly pf: Pf;
  readonly port: Port;
  /** The sender is not the PF itself but somebody behind its bridge. */
  readonly isBridgeGuest: boolean;
};

const usage = (target: string, message: string): SriovError =>
  new SriovError("usage", message, { operation: "read trace", target });

const end = (pf: Pf, port: Port): TraceEnd => ({ pf, port, isBridgeGuest: false });

/** The PF that is a port of this bridge; null: of whichever there is. */
function pfOfBridge({ physicalFunctions }: Inventory, bridge: string | null): Pf {
  const uppers = physicalFunctions.flatMap((pf) =>
    pf.owners.filter(({ kind }) => kind === "upper").map(({ name }) => ({ pf, name })),
  );
  const found = uppers.filter(({ name }) => bridge === null || name === bridge);
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first.pf;
  const names = uppers.map(({ name, pf }) => `guest-of-bridge:${name} (${pf.address})`);
  const there = names.length === 0 ? "no PF is in a bridge" : `there are ${names.join(", ")}`;
  const wanted = bridge === null ? "guest-of-bridge" : `guest-of-bridge:${bridge}`;
  throw usage(wanted, `Cannot tell which PF ${wanted} is about: ${there}`);
}

/** Throws SriovError `usage` and `not-found`. */
export function traceEnd(inventory: Inventory, text: string): TraceEnd {
  const [, kind, rest = ""] = /^(vf|pf|uplink|guest-of-bridge)(?::(.*))?$/.exec(text) ?? [];
  if (kind === "guest-of-bridge") {
    const pf = pfOfBridge(inventory, rest === "" ? null : rest);
    return { ...end(pf, { kind: "pf" }), isBridgeGuest: true };
  }
  const name = kind === "vf" ? rest.replace(/\/(\d+)$/, "/vf$1") : rest;
  const { pf, vf } = findFunction(inventory, kind === undefined ? text : name);
  if (kind === "uplink") return end(pf, { kind: "uplink" });
  if (kind === "vf" && vf === null) {
    throw usage(text, `Cannot trace from ${text}: it names a PF, wanted a VF such as vf:${rest}/0`);
  }
  if (kind === "pf" && vf !== null) {
    throw usage(text, `Cannot trace from ${text}: it is a VF, wanted a PF`);
  }
  return end(pf, vf === null ? { kind: "pf" } : { kind: "vf", vfIndex: vf.vfIndex });
}

/** A MAC, `broadcast`, or a function whose MAC is known. Throws as `traceEnd`. */
export function traceMac(inventory: Inventory, state: SwitchState, text: string): string {
  if (text === "broadcast") return "ff:ff:ff:ff:ff:ff";
  const mac = parseMac(text);
  if (mac !== null) return mac;
  const isMacLike = /^[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){3,}$/i.test(text);
  if (isMacLike && !/\//.test(text)) {
    throw usage(text, `Cannot read ${text}: it is no MAC, wanted six pairs of hexadecimal digits`);
  }
  const { pf, port } = traceEnd(inventory, text);
  const there = pf.address === state.pf ? state : switchStateOf(pf, null);
  const known =
    port.kind === "vf"
      ? there?.vfs.find(({ vfIndex }) => vfIndex === port.vfIndex)?.mac
      : there?.pfPort.mac;
  if (typeof known === "string" && port.kind !== "uplink") return known;
  throw usage(text, `Cannot send to ${text}: its MAC is not known here, wanted the MAC itself`);
}

type Limits = { readonly least: number; readonly most: number; readonly radix: 10 | 16 };

/** Throws SriovError `usage`. */
export function traceNumber(option: string, text: string, limits: Limits): number {
  const { least, most, radix } = limits;
  const digits = radix === 16 ? /^(?:0x)?[0-9a-f]{1,4}$/i : /^\d{1,6}$/;
  const value = digits.test(text) ? Number.parseInt(text, radix) : NaN;
  if (value >= least && value <= most) return value;
  const wanted = radix === 16 ? "hexadecimal digits such as 0x86dd" : `${least} to ${most}`;
  throw usage(text, `Cannot read --${option} ${text}: wanted ${wanted}`);
}
