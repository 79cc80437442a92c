// Reads a journal back from text that may be torn, damaged, newer or not a journal at all. Every
// field that something later depends on is checked here, because recovery acts on what it reads.
// The last line may lack its end (the process died while writing it: what it announced was not
// begun); damage anywhere else is a problem and never a guess.

import type { Change, ChangeKind } from "../model/action.ts";
import { parseBdf } from "../model/bdf.ts";
import type { Problem } from "../model/problem.ts";
import { isPlug } from "../model/plug.ts";
import type { VfAttributeName } from "../model/vf-attribute.ts";
import {
  journalFormats,
  replay,
  type ActionResult,
  type Direction,
  type Journal,
  type JournalEntry,
  type JournalHeader,
  type Outcome,
} from "./journal.ts";

type Json = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText: Check = (value) => typeof value === "string";
const isFlag: Check = (value) => typeof value === "boolean";
const isCount: Check = (value) => Number.isInteger(value) && Number(value) >= 0;
const isAddress: Check = (value) => typeof value === "string" && parseBdf(value) !== null;
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const oneOf =
  (...words: readonly string[]): Check =>
  (value) =>
    words.some((word) => word === value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const shape =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) && Object.entries(fields).every(([name, check]) => check(value[name]));
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

const isVlan = shape({ id: isCount, qos: isCount, protocol: oneOf("802.1q", "802.1ad") });

const attributePayloads: Readonly<Record<VfAttributeName, Check>> = {
  mac: shape({ mac: isText }),
  vlan: shape({ vlan: isVlan }),
  rate: shape({ txRateMinMbps: isCount, txRateMaxMbps: isCount }),
  spoofCheck: shape({ isOn: isFlag }),
  trust: shape({ isOn: isFlag }),
  linkState: shape({ linkState: oneOf("auto", "enable", "disable") }),
  rssQuery: shape({ isOn: isFlag }),
  nodeGuid: shape({ guid: isText }),
  portGuid: shape({ guid: isText }),
};

const byName =
  (field: string, checks: Readonly<Record<string, Check>>): Check =>
  (value) => {
    const name = isObject(value) ? value[field] : undefined;
    return (
      typeof name === "string" && Object.hasOwn(checks, name) && checks[name]?.(value) === true
    );
  };

const isDriverChoice: Check = (value) =>
  oneOf("none", "kernel", "vfio-pci")(value) || shape({ name: isText })(value);

const onVf = { pf: isAddress, vfIndex: isCount };

const changePayloads: Readonly<Record<ChangeKind, Check>> = {
  "load-module": shape({ module: isText }),
  "set-eswitch-mode": shape({ pf: isAddress, mode: oneOf("legacy", "switchdev") }),
  "set-admin-state": shape({ pf: isAddress, isUp: isFlag }),
  "set-mtu": shape({ pf: isAddress, mtu: isCount }),
  "set-autoprobe": shape({ pf: isAddress, isOn: isFlag }),
  "remove-vfs": shape({ pf: isAddress }),
  "create-vfs": shape({ pf: isAddress, numVfs: isCount }),
  "set-vf": shape({ ...onVf, attribute: byName("name", attributePayloads) }),
  "set-msix-count": shape({ ...onVf, msixCount: isCount }),
  "set-alt-name": shape({ ...onVf, altName: isText, isPresent: isFlag }),
  "probe-vf": shape(onVf),
  "bind-pf": shape({ pf: isAddress, driver: isDriverChoice }),
  "attach-pf": shape({ pf: isAddress, plug: isPlug }),
  "detach-pf": shape({ pf: isAddress, plug: isPlug }),
  "attach-vf": shape({ ...onVf, plug: isPlug }),
  "detach-vf": shape({ ...onVf, plug: isPlug }),
  "bind-driver": shape({ ...onVf, driver: isDriverChoice }),
};

const isChange = byName("kind", changePayloads) as (value: unknown) => value is Change;

const isAction = shape({
  id: isText,
  change: isChange,
  target: isText,
  adapter: orNull(isText),
  because: isText,
  disrupts: listOf(shape({ kind: isText, name: isText, target: isText, evidence: isText })),
  inverse: listOf(isChange),
  removes: optional(listOf(isText)),
});

const isPfFacts = shape({
  address: isAddress,
  driver: orNull(isText),
  numVfs: isCount,
  driversAutoprobe: orNull(isFlag),
  eswitchMode: orNull(oneOf("legacy", "switchdev")),
  isUp: orNull(isFlag),
  mtu: orNull(isCount),
  vfs: listOf(
    shape({
      vfIndex: isCount,
      driver: orNull(isText),
      msixCount: orNull(isCount),
      policy: orNull(isObject),
    }),
  ),
});

const isHeader = shape({
  entry: oneOf("header"),
  format: oneOf(...journalFormats),
  host: shape({
    name: isText,
    machineId: orNull(isText),
    bootId: orNull(isText),
    kernelRelease: orNull(isText),
  }),
  startedAt: isText,
  command: isText,
  pid: isCount,
  keepGoing: isFlag,
  consent: listOf(isText),
  actions: listOf(isAction),
  before: listOf(isPfFacts),
  comesBack: optional((value) => value === true),
}) as (value: unknown) => value is JournalHeader;

const directions: readonly Direction[] = ["do", "undo"];
const results: readonly ActionResult[] = [
  "done",
  "failed",
  "not-run",
  "undone",
  "undo-failed",
  "stuck",
];
const outcomes: readonly Outcome[] = [
  "done",
  "unverified",
  "partial",
  "undone",
  "undo-failed",
  "stuck",
  "interrupted",
  "rebooted",
];

const isError = shape({ code: isText, message: isText, errno: orNull(isText), hint: isText });

const isResult = shape({
  action: isText,
  result: oneOf(...results),
  error: optional(isError),
  noEffect: optional((value) => value === true),
});

const isEntry = byName("entry", {
  "intent": shape({ direction: oneOf(...directions), actions: listOf(isText) }),
  "result": shape({
    direction: oneOf(...directions),
    results: listOf(isResult),
  }),
  "resumed": shape({
    at: isText,
    command: isText,
    pid: isCount,
    direction: oneOf(...directions),
    consent: listOf(isText),
  }),
  "end": shape({ at: isText, outcome: oneOf(...outcomes), deadlineMs: optional(isCount) }),
  "armed": shape({ at: isText, withinMs: isCount, armedMs: isCount, deadlineMs: isCount }),
  "confirmed": shape({ at: isText, command: isText, pid: isCount }),
  "not-reverted": shape({ at: isText, error: isError }),
}) as (value: unknown) => value is JournalEntry;

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/**
 * What a journal file holds. `unborn` is one without a whole header: nothing is begun before that
 * is on disk, so nothing ran, unless somebody cut the file later.
 */
export type DecodedJournal =
  | { readonly kind: "journal"; readonly journal: Journal }
  | { readonly kind: "unborn"; readonly problem: Problem }
  | { readonly kind: "damaged"; readonly problem: Problem };

const damaged = (code: string, where: string, message: string, hint: string): DecodedJournal => ({
  kind: "damaged",
  problem: { code, where, message, hint },
});

const moveAway = "Compare the host with its spec (sriovctl drift), then move the file away";

function headerProblem(path: string, value: unknown): DecodedJournal {
  const format = isObject(value) ? value["format"] : undefined;
  const version = /^sriovctl-journal\/(\d+)$/.exec(String(format))?.[1];
  if (version !== undefined && Number(version) > journalFormats.length) {
    const words = `Cannot read journal: its format is ${String(format)}, wanted ${journalFormats.at(-1)}`;
    return damaged("journal-newer", path, words, "Use the version of sriovctl that wrote it");
  }
  const words = "Cannot read journal: its first line is not the header of a journal";
  return damaged("journal-damaged", `${path}:1`, words, moveAway);
}

function unborn(where: string, numBytes: number): DecodedJournal {
  const found = numBytes === 0 ? "it is empty" : "it ends inside its first line";
  const message = `Cannot read journal: ${found}, an apply that died there had changed nothing`;
  const hint = "Remove it; if somebody cut it, compare the host with its spec (sriovctl drift)";
  return { kind: "unborn", problem: { code: "journal-unborn", where, message, hint } };
}

function decodeText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Never throws. `bytes` is the whole file; `path` is for messages only. */
export function decodeJournal(id: string, bytes: Uint8Array, path: string): DecodedJournal {
  const soundBytes = bytes.lastIndexOf(0x0a) + 1;
  if (soundBytes === 0) return unborn(path, bytes.length);
  const text = decodeText(bytes.subarray(0, soundBytes));
  const [first, ...rest] = text === null ? [] : text.split("\n").slice(0, -1);
  const header = parseJson(first ?? "");
  if (!isHeader(header)) return headerProblem(path, header);
  const entries: JournalEntry[] = [];
  for (const [index, line] of rest.entries()) {
    const entry = parseJson(line);
    if (!isEntry(entry)) {
      const where = `${path}:${index + 2}`;
      const words = `Cannot read journal: line ${index + 2} of ${rest.length + 1} is damaged`;
      return damaged("journal-damaged", where, words, moveAway);
    }
    entries.push(entry);
  }
  return { kind: "journal", journal: replay(id, header, { entries, soundBytes }) };
}
