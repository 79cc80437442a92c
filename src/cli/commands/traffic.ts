// `sriovctl traffic`: sends frames on a copy of an emulated machine and shows what each way took, or
// tries what the policy of each VF should stop.

import { fullInventory } from "../../host/host.ts";
import type { TrafficPair, TrafficWish } from "../../host/emulated/datapath/traffic-report.ts";
import { exitCodeOf, SriovError } from "../../model/errors.ts";
import type { Inventory, Pf } from "../../model/inventory.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { findFunction } from "../find-function.ts";
import { labelReader } from "../spec-labels.ts";
import { traceEnd, traceNumber } from "../trace-target.ts";
import { checksText, trafficText } from "../traffic-text.ts";
import { checksJson, trafficJson } from "../traffic-json.ts";

const refusal = (message: string, hint?: string): SriovError =>
  new SriovError("usage", message, {
    operation: "send traffic",
    target: "traffic",
    ...(hint === undefined ? {} : { hint }),
  });

function machineOf({ hostName }: Context): string {
  const [kind, ...rest] = hostName.split(":");
  const machine = rest.join(":");
  if (kind === "emulated" && machine !== "") return machine;
  throw refusal(
    `Cannot send traffic on ${hostName}: wanted an emulated machine, whose cards it can count on`,
    "Name one, for example --host emulated:demo; trace explains this host without sending",
  );
}

type Ends = { readonly pf: Pf; readonly pair: TrafficPair | null };

function vfAt(inventory: Inventory, option: string, text: string) {
  const { pf, port } = traceEnd(inventory, text);
  if (port.kind !== "vf") throw refusal(`Cannot use --${option} ${text}: wanted a VF`);
  return { pf, vfIndex: port.vfIndex };
}

/** As typed, without labels of a spec. */
type Names = Readonly<Record<"named" | "from" | "to", string | null>>;

function endsOf(inventory: Inventory, { named, from, to }: Names): Ends {
  if (from === null && to === null) {
    const found =
      named === null
        ? inventory.physicalFunctions.find((pf) => pf.numVfs > 0 && pf.classCode >> 16 === 0x02)
        : findFunction(inventory, named).pf;
    if (found !== undefined) return { pf: found, pair: null };
    throw refusal(
      "Cannot send traffic: no network PF has VFs",
      "Make some first, for example sriovctl --host emulated:demo enable ens3np0 4",
    );
  }
  if (from === null || to === null || named !== null) {
    throw refusal("Cannot send traffic: wanted --from VF with --to VF, or a PF");
  }
  const [sender, receiver] = [vfAt(inventory, "from", from), vfAt(inventory, "to", to)];
  if (sender.pf !== receiver.pf) {
    throw refusal(`Cannot send from ${from} to ${to}: wanted VFs of one PF, which one switch has`);
  }
  if (sender.vfIndex === receiver.vfIndex) {
    throw refusal(`Cannot send from ${from} to ${to}: wanted two VFs`);
  }
  return { pf: sender.pf, pair: { from: sender.vfIndex, to: receiver.vfIndex } };
}

function wishOf({ pf, pair }: Ends, args: Arguments): TrafficWish {
  const number = (option: string, otherwise: number, least: number, most: number): number => {
    const text = args.text(option) ?? String(otherwise);
    return traceNumber(option, text, { least, most, radix: 10 });
  };
  return {
    pf: pf.address,
    pair,
    frames: number("frames", 256, 1, 100_000),
    sizeBytes: number("size", 64, 64, 9014),
    burst: number("burst", 32, 1, 128),
    vlan: args.text("vlan") === null ? null : number("vlan", 1, 1, 4094),
  };
}

export const traffic: RunCommand = async (context, args) => {
  const machine = machineOf(context);
  const inventory = await withHost(context, (host) => host.inventory(fullInventory));
  const withoutLabel = labelReader(context, args, inventory);
  const nameOf = async (text: string | null | undefined): Promise<string | null> =>
    text === null || text === undefined ? null : withoutLabel(text);
  const ends = endsOf(inventory, {
    named: await nameOf(args.operands[0]),
    from: await nameOf(args.text("from")),
    to: await nameOf(args.text("to")),
  });
  const name = ends.pf.netdevs[0]?.name ?? ends.pf.address;
  const { paths, wiring, style } = context;
  const isCheck = args.isSet("check");
  if (isCheck && ends.pair !== null) {
    throw refusal("Cannot check --from one VF --to another: wanted a PF, or nothing");
  }
  const found = await wiring.runTraffic(
    machine,
    paths,
    isCheck
      ? { kind: "checks", pf: ends.pf.address }
      : { kind: "traffic", wish: wishOf(ends, args) },
  );
  if (found.kind === "traffic") {
    context.printJson(trafficJson(found));
    context.print(...trafficText(name, found, style));
    return 0;
  }
  context.printJson(checksJson(found));
  context.print(...checksText(name, found, style));
  return found.checks.some(({ outcome }) => outcome === "wrong") ? exitCodeOf("findings") : 0;
};
