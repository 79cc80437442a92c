// A trace for people: the frame, each step with what was looked at and what came of it, who gets the
// frame and what must be seen there, and what to do when nobody does.

import type { Decision } from "../eswitch/decide.ts";
import type { Frame, Port } from "../eswitch/frame.ts";
import { vfName, type Outcome } from "../eswitch/outcome.ts";
import type { Certainty, SwitchState } from "../eswitch/switch-state.ts";
import { hexType, tagText } from "../eswitch/vf-checks.ts";
import { clean, cleanLine, widthOf, type Style, type Tone } from "./style.ts";
import { wrapped } from "./wrapped.ts";

export type Trace = {
  readonly state: SwitchState;
  readonly frame: Frame;
  readonly from: Port;
  /** The sender is behind the PF's bridge. */
  readonly isBridgeGuest: boolean;
  readonly decision: Decision;
  readonly outcome: Outcome;
};

type TraceStyle = {
  readonly style: Style;
  readonly columns: number;
  /** With where each fact is from. */
  readonly isVerbose: boolean;
};

const tones: Readonly<Record<Certainty, Tone>> = {
  yes: "good",
  if: "warn",
  unknown: "warn",
  no: "bad",
};
const marks: Readonly<Record<Certainty, string>> = {
  yes: "ok",
  if: "if",
  unknown: "?",
  no: "no",
};

function senderText({ state, from, isBridgeGuest }: Trace): string {
  if (from.kind === "vf") return `${vfName(state, from.vfIndex)} on ${state.name}`;
  if (from.kind === "uplink") return `the network at ${state.name}`;
  return isBridgeGuest
    ? `a guest of ${state.pfPort.bridge ?? "the bridge"} on ${state.name}`
    : `the host through ${state.name}`;
}

function heading(trace: Trace, style: Style): string[] {
  const { frame, state } = trace;
  const { source, destination, tag, etherType, sizeBytes } = frame;
  const words = [
    `${source ?? "any source"} -> ${destination}`,
    tag === null ? "untagged" : `tagged ${tagText(tag)}`,
    hexType(etherType),
    `${sizeBytes} bytes`,
  ];
  return [
    `${style("dim", "from ")}${style("strong", clean(senderText(trace)))}`,
    `${style("dim", "frame")} ${words.join(", ")}`,
    `${style("dim", "card ")} ${clean(state.pf)}, ${clean(state.traits.driver)}, ${state.mode}`,
  ];
}

/** What came of a step; what was looked at beside it where there is room, otherwise below. */
function stageLines({ decision }: Trace, { style, columns, isVerbose }: TraceStyle): string[] {
  const indent = " ".repeat(18);
  return decision.stages.flatMap(({ name, looked, found, certainty, reference }) => {
    const mark = style(tones[certainty], marks[certainty].padEnd(3));
    const [first = "", ...rest] = wrapped(clean(found), columns - indent.length);
    // A delivery is about its port; the others say in brackets what they looked at.
    const label = name === "delivery" ? `to ${looked}` : name;
    const line = `  ${mark} ${style("name", label.padEnd(11))} ${first}`;
    const isDelivery = name === "delivery";
    const about = style("dim", `(${clean(looked)})`);
    const isRoom = !isDelivery && rest.length === 0 && widthOf(`${line} ${about}`) <= columns;
    const below = [
      ...(isRoom || isDelivery ? [] : wrapped(`(${clean(looked)})`, columns - indent.length)),
      ...(isVerbose && reference !== null
        ? wrapped(`[${reference}]`, columns - indent.length)
        : []),
    ].map((text) => indent + style("dim", text));
    return [isRoom ? `${line} ${about}` : line, ...rest.map((text) => indent + text), ...below];
  });
}

/** Why the frame is not sure to arrive: the first step that lowered the certainty to that. */
function doubtOf({ decision }: Trace, otherwise: string): string {
  const sure = decision.deliveries[0]?.certainty;
  return decision.stages.find(({ certainty }) => certainty === sure)?.found ?? otherwise;
}

function outcomeLines(trace: Trace, { style, columns }: TraceStyle): string[] {
  const { outcome } = trace;
  const { summary, lines, fate } = outcome;
  const [only] = lines;
  const isLost = summary.startsWith("lost");
  const tone: Tone =
    fate === "undecided"
      ? "warn"
      : lines.length === 0 || isLost
        ? "bad"
        : tones[only?.certainty ?? "no"];
  const result = wrapped(summary, columns).map((line) => style(tone, clean(line)));
  if (isLost) return result;
  if (only !== undefined && lines.length === 1) {
    const seen = only.mustSee === null ? [] : wrapped(`must be seen ${only.mustSee}`, columns - 2);
    // Where nothing can be told, the summary has said why.
    const isSaid = only.certainty === "yes" || only.certainty === "unknown";
    const why = isSaid ? [] : wrapped(clean(doubtOf(trace, only.why)), columns - 2);
    return [
      ...result,
      ...why.map((line) => `  ${line}`),
      ...seen.map((line) => `  ${clean(line)}`),
    ];
  }
  const rows = lines.map(({ text, certainty }) => {
    return `  ${style(tones[certainty], marks[certainty].padEnd(3))} ${clean(text)}`;
  });
  const { source, destination, etherType, sizeBytes } = trace.frame;
  const frame = `${source ?? "any source"} -> ${destination}, ${hexType(etherType)}, ${sizeBytes} bytes`;
  const seen = wrapped(`must be seen at each: ${frame}, tagged as said`, columns - 2);
  return [...result, ...rows, ...(lines.length === 0 ? [] : seen.map((line) => `  ${line}`))];
}

function remedyLines({ outcome }: Trace, style: Style): string[] {
  return outcome.remedies.flatMap(({ when, run }) => [
    `${style("dim", "if")} ${clean(when)}${run.length === 0 ? "" : ":"}`,
    ...run.map((command) => `  ${clean(command)}`),
  ]);
}

export function traceText(trace: Trace, shown: TraceStyle): string[] {
  const { style } = shown;
  const remedies = remedyLines(trace, style);
  return [
    ...heading(trace, style),
    "",
    ...stageLines(trace, shown),
    "",
    ...outcomeLines(trace, shown),
    ...(remedies.length === 0 ? [] : ["", ...remedies]),
  ].map((line) => cleanLine(line));
}
