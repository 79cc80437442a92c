// What is no file, as lines of a capture: JSON for what netlink and the census said, words for
// programs and the kernel log. Everything that is read back is checked; what has another shape
// counts as not recorded.

import { z } from "zod";
import type { KernelLog } from "../model/host-facts.ts";
import type { Netdev, Owner, OwnerKind } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import type { HostWishes, Reservation, Wish } from "../model/reservation.ts";
import type { VfPolicy } from "../model/vf-attribute.ts";

const text = z.string().max(4096);
const maybeText = text.nullable();
const maybeNumber = z.number().nullable();
const maybeFlag = z.boolean().nullable();

const netdevShape = z.strictObject({
  name: text,
  ifindex: maybeNumber,
  mac: maybeText,
  permanentMac: maybeText,
  mtu: maybeNumber,
  isUp: maybeFlag,
  hasLink: maybeFlag,
  linkSpeedMbps: maybeNumber,
  portName: maybeText,
  altNames: z.exactOptional(z.array(text)),
}) satisfies z.ZodType<Netdev>;

const policyShape = z.strictObject({
  mac: maybeText,
  vlan: z
    .strictObject({ id: z.number(), qos: z.number(), protocol: z.enum(["802.1q", "802.1ad"]) })
    .nullable(),
  txRateMinMbps: maybeNumber,
  txRateMaxMbps: maybeNumber,
  spoofCheck: maybeFlag,
  trust: maybeFlag,
  linkState: z.enum(["auto", "enable", "disable"]).nullable(),
  rssQuery: maybeFlag,
  nodeGuid: maybeText,
  portGuid: maybeText,
}) satisfies z.ZodType<VfPolicy>;

/** Every kind, so that a new one cannot be forgotten here. */
const ownerKinds: Readonly<Record<OwnerKind, true>> = {
  vm: true,
  process: true,
  netns: true,
  container: true,
  netdev: true,
  upper: true,
  route: true,
  session: true,
  mount: true,
  volume: true,
  cluster: true,
  unknown: true,
};

const ownerShape = z.strictObject({
  kind: z.enum(Object.keys(ownerKinds) as OwnerKind[]),
  name: text,
  pid: maybeNumber,
  evidence: text,
  moreEvidence: z.exactOptional(z.array(text).readonly()),
}) satisfies z.ZodType<Owner>;

const problemShape = z.strictObject({
  code: text,
  where: text,
  message: text,
  hint: z.exactOptional(text),
}) satisfies z.ZodType<Problem>;

const linkRow = z.union([
  z.strictObject({ netdev: netdevShape }),
  z.strictObject({ pfNetdev: text, vfs: z.array(z.tuple([z.number(), policyShape])) }),
  z.strictObject({ pf: text, eswitchMode: z.enum(["legacy", "switchdev"]) }),
  z.strictObject({ problem: problemShape }),
]);

/** One row of what netlink said; `vfs` by their index. */
export type LinkRow = z.infer<typeof linkRow>;

export const netdevRow = ({ altNames, ...netdev }: Netdev): LinkRow => ({
  netdev: altNames === undefined ? netdev : { ...netdev, altNames: [...altNames] },
});

const ownerRow = z.strictObject({ address: text, owner: ownerShape });

export type OwnerRow = z.infer<typeof ownerRow>;

const reservationShape = z.strictObject({
  kind: z.enum(["vm", "container", "pool", "manager"]),
  name: text,
  manager: text,
  role: z.enum(["function", "vfs", "shares", "manages"]),
  evidence: z.array(text),
}) satisfies z.ZodType<Reservation>;

const wishRow = z.union([
  z.strictObject({
    target: z.union([
      z.strictObject({ address: text }),
      z.strictObject({ netdev: text }),
      z.strictObject({ ifindex: z.number() }),
    ]),
    reservation: reservationShape,
    isLive: z.boolean(),
  }) satisfies z.ZodType<Wish>,
  z.strictObject({ problem: problemShape }),
  // Where no process was looked at, a manager's word that a guest runs is the only sign of it.
  z.strictObject({ users: z.enum(["by processes", "by managers"]) }),
]);

/** One row of what others' configuration reserves. */
type WishRow = z.infer<typeof wishRow>;

export const wishRows = ({ wishes, problems, hasProcesses }: HostWishes): WishRow[] => [
  { users: hasProcesses ? "by processes" : "by managers" },
  ...wishes.map(({ target, reservation, isLive }) => ({
    target,
    reservation: { ...reservation, evidence: [...reservation.evidence] },
    isLive,
  })),
  ...problems.map((problem) => ({ problem })),
];

/** ASCII, so that a byte is a character. */
const jsonLine = (value: unknown): string =>
  JSON.stringify(value).replaceAll(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

function rowsOf<Row>(lines: readonly string[], shape: z.ZodType<Row>): Row[] {
  return lines.flatMap((line) => {
    try {
      const { success, data } = shape.safeParse(JSON.parse(line));
      return success ? [data] : [];
    } catch {
      return []; // edited by hand, or cut
    }
  });
}

export const encodeRows = (rows: readonly (LinkRow | OwnerRow | WishRow | Problem)[]): string[] =>
  rows.map(jsonLine);
export const decodeLinkRows = (lines: readonly string[]): LinkRow[] => rowsOf(lines, linkRow);
export const decodeOwnerRows = (lines: readonly string[]): OwnerRow[] => rowsOf(lines, ownerRow);
export const decodeProblems = (lines: readonly string[]): Problem[] => rowsOf(lines, problemShape);

export function decodeWishes(lines: readonly string[]): HostWishes {
  const rows = rowsOf(lines, wishRow);
  return {
    hasProcesses: !rows.some((row) => "users" in row && row.users === "by managers"),
    wishes: rows.flatMap((row) => ("reservation" in row ? [row] : [])),
    problems: rows.flatMap((row) => ("problem" in row ? [row.problem] : [])),
  };
}

/** The log, or why there is none. */
export const encodeLog = (log: KernelLog | string): string[] =>
  typeof log === "string"
    ? ["none", log]
    : [log.isWhole ? "since boot" : "beginning is lost", ...log.lines];

export function decodeLog([kind, ...lines]: readonly string[]): KernelLog | string {
  if (kind === "none" || kind === undefined) return lines[0] ?? "not recorded";
  return { lines, isWhole: kind === "since boot" };
}

/** How a program ended: `exit 0`, else why it did not tell anything. */
type ProgramAnswer = {
  readonly end: string;
  readonly stdout: string;
  readonly stderr: string;
};

const linesOf = (output: string): string[] => output.replace(/\n$/, "").split("\n");
const said = (mark: string, output: string): string[] =>
  output === "" ? [] : linesOf(output).map((line) => `${mark} ${line}`);

export const encodeProgram = ({ end, stdout, stderr }: ProgramAnswer): string[] => [
  end,
  ...said(">", stdout),
  ...said("!", stderr),
];

export function decodeProgram([end = "", ...lines]: readonly string[]): ProgramAnswer {
  const of = (mark: string): string =>
    lines
      .filter((line) => line.startsWith(mark))
      .map((line) => `${line.slice(2)}\n`)
      .join("");
  return { end, stdout: of("> "), stderr: of("! ") };
}
