// `sriovctl trace`: what the switch of a card does with a frame and why, or who reaches whom.

import { dmaReach } from "../../doctor/dma-reach.ts";
import { viewOf } from "../../doctor/view.ts";
import { allPairs } from "../../eswitch/all-pairs.ts";
import { decide, vfAtPort } from "../../eswitch/decide.ts";
import type { Frame } from "../../eswitch/frame.ts";
import { outcomeOf } from "../../eswitch/outcome.ts";
import { switchStateOf, type SwitchState } from "../../eswitch/switch-state.ts";
import { fullInventory, type Host } from "../../host/host.ts";
import { exitCodeOf, SriovError } from "../../model/errors.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { Inventory, Pf } from "../../model/inventory.ts";
import { parseMac } from "../../model/mac.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { findFunction } from "../find-function.ts";
import { labelReader } from "../spec-labels.ts";
import { dmaJson, dmaText } from "../trace-dma.ts";
import { pairsJson, traceJson } from "../trace-json.ts";
import { pairsText } from "../trace-pairs-text.ts";
import { traceEnd, traceMac, traceNumber, type TraceEnd } from "../trace-target.ts";
import { traceText, type Trace } from "../trace-text.ts";

type Read = { readonly inventory: Inventory; readonly facts: HostFacts };

async function readHost(host: Host): Promise<Read> {
  const inventory = await host.inventory(fullInventory);
  return { inventory, facts: await host.facts(inventory) };
}

const usage = (message: string): SriovError =>
  new SriovError("usage", message, { operation: "read trace", target: "trace" });

/** Throws SriovError `usage` for a PF that is no network function. */
function stateOf({ facts }: Read, pf: Pf): SwitchState {
  const state = switchStateOf(pf, facts);
  if (state !== null) return state;
  throw usage(`Cannot trace through ${pf.address}: it is no network function and has no switch`);
}

function sourceOf(args: Arguments, state: SwitchState, { port, isBridgeGuest }: TraceEnd) {
  const text = args.text("src");
  if (text !== null) {
    const mac = parseMac(text);
    if (mac === null)
      throw usage(`Cannot read --src ${text}: wanted six pairs of hexadecimal digits`);
    return mac;
  }
  if (port.kind === "vf") return vfAtPort(state, port.vfIndex)?.sendMac ?? null;
  return port.kind === "pf" && !isBridgeGuest ? state.pfPort.mac : null;
}

type Asked = {
  readonly args: Arguments;
  readonly read: Read;
  /** As typed, without labels of a spec. */
  readonly from: string;
  readonly destination: string;
};

function frameOf({ args, read, destination }: Asked, state: SwitchState, from: TraceEnd): Frame {
  const vlan = args.text("vlan");
  const number = (option: string, otherwise: string, limits: [number, number, 10 | 16]): number => {
    const [least, most, radix] = limits;
    return traceNumber(option, args.text(option) ?? otherwise, { least, most, radix });
  };
  return {
    destination: traceMac(read.inventory, state, destination),
    source: sourceOf(args, state, from),
    tag:
      vlan === null
        ? null
        : { id: number("vlan", vlan, [0, 4095, 10]), qos: 0, protocol: "802.1q" },
    etherType: number("ethertype", "0x0800", [0, 0xffff, 16]),
    sizeBytes: number("size", "64", [14, 65_535, 10]),
  };
}

function traceOf(asked: Asked): Trace {
  const { read } = asked;
  const from = traceEnd(read.inventory, asked.from);
  const state = stateOf(read, from.pf);
  const frame = frameOf(asked, state, from);
  const decision = decide(state, frame, from.port);
  const outcome = outcomeOf(state, { frame, from: from.port }, decision);
  return { state, frame, from: from.port, isBridgeGuest: from.isBridgeGuest, decision, outcome };
}

/** The PFs that were asked for: the one that was named, or all that have VFs and a switch. */
function statesFor(read: Read, named: string | null): SwitchState[] {
  if (named !== null) return [stateOf(read, findFunction(read.inventory, named).pf)];
  return read.inventory.physicalFunctions
    .filter(({ numVfs }) => numVfs > 0)
    .flatMap((pf) => switchStateOf(pf, read.facts) ?? []);
}

async function traceDma(context: Context, read: Read, target: string): Promise<number> {
  const { pf, vf } = findFunction(read.inventory, target.replace(/^vf:(.+)\/(\d+)$/, "$1/vf$2"));
  const reach = dmaReach(viewOf({ ...read, wanted: null, conflicts: null }), pf, vf);
  context.printJson(dmaJson(reach));
  context.print(...dmaText(reach, context.style, context.io.stdout.columns));
  return 0;
}

export const trace: RunCommand = async (context, args) => {
  const from = args.text("from");
  const dma = args.text("dma");
  if (dma !== null) {
    if (from !== null || args.isSet("all-pairs")) {
      throw usage("Cannot trace --dma with a frame: wanted one of them");
    }
    const read = await withHost(context, readHost);
    return traceDma(context, read, await labelReader(context, args, read.inventory)(dma));
  }
  const [named = null] = args.operands;
  if (args.isSet("all-pairs")) {
    if (from !== null) throw usage("Cannot trace --all-pairs --from: wanted one of them");
    const read = await withHost(context, readHost);
    const withoutLabel = labelReader(context, args, read.inventory);
    const target = named === null ? null : await withoutLabel(named);
    const found = statesFor(read, target).map((state) => ({ state, pairs: allPairs(state) }));
    context.printJson(pairsJson(found));
    if (found.length === 0) context.print("No network PF has VFs.");
    found.forEach(({ state, pairs }, at) => {
      context.print(...(at === 0 ? [] : [""]), ...pairsText(state, pairs, context.style));
    });
    return found.some(({ pairs }) => pairs.leaks.length > 0) ? exitCodeOf("findings") : 0;
  }
  if (from === null)
    throw usage("Cannot trace: wanted --from SENDER with --dst MAC, --all-pairs or --dma FUNCTION");
  const dst = args.text("dst");
  if (dst === null) throw usage("Cannot trace a frame: wanted its destination, --dst MAC");
  const read = await withHost(context, readHost);
  const withoutLabel = labelReader(context, args, read.inventory);
  const ends = { from: await withoutLabel(from), destination: await withoutLabel(dst) };
  const found = traceOf({ args, read, ...ends });
  context.printJson(traceJson(found));
  const { style, io, log } = context;
  const shown = { style, columns: io.stdout.columns, isVerbose: log.level !== "normal" };
  context.print(...traceText(found, shown));
  return 0;
};
