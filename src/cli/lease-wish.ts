// The options of `lease` as values: what is wished, for whom and how long. A word that means nothing is
// an error, because whoever typed it believes that it was heeded.

import { isAlive } from "../apply/lock.ts";
import type { HolderProof } from "../apply/lease-release.ts";
import type { HostLook, Terms } from "../apply/leasing.ts";
import type { Host, NumaPlace } from "../host/host.ts";
import type { Lease } from "../lease/lease.ts";
import { isFor, type Wish } from "../lease/select.ts";
import { formatBdf, parseBdf, type Address } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import type { Arguments } from "./context.ts";
import { parseDuration } from "./duration.ts";

export function usage(message: string, target = "", hint?: string): SriovError {
  const detail = { operation: "lease", target, ...(hint === undefined ? {} : { hint }) };
  return new SriovError("usage", message, detail);
}

/** `KIND:NAME`, printable and short, as in consents and in a spec's `assign`. */
const holderPattern = /^[a-z][a-z0-9-]{0,15}:[!-~]{1,200}$/;

function holderOf(args: Arguments): string | null {
  const text = args.text("for");
  if (text === null || holderPattern.test(text)) return text;
  throw usage(`Cannot lease for ${text}: wanted KIND:NAME, such as vm:web1`, text);
}

function wholeNumber(args: Arguments, option: string, least: number): number | null {
  const text = args.text(option);
  if (text === null) return null;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (value >= least) return value;
  throw usage(`Cannot use --${option} ${text}: wanted a whole number from ${least} up`, text);
}

function expiresAt(args: Arguments, nowMs: number): number | null {
  const text = args.text("ttl");
  if (text === null || text === "off") return null;
  const durationMs = parseDuration(text);
  if (durationMs !== null && durationMs > 0) return nowMs + durationMs;
  throw usage(`Cannot use --ttl ${text}: wanted a time like 90s, 5m or 8h, or off`, text);
}

export function proofOf(args: Arguments): HolderProof {
  return { holder: holderOf(args), generation: wholeNumber(args, "generation", 0) };
}

export const reasonOf = (args: Arguments, otherwise: string): string => {
  const reason = args.text("reason") ?? otherwise;
  if (reason.length <= 500) return reason;
  throw usage(`Cannot use this --reason: it has ${reason.length} characters, wanted at most 500`);
};

export function termsOf(args: Arguments, nowMs: number): Terms {
  const name = holderOf(args);
  if (name === null) {
    const hint = "Say for whom with --for KIND:NAME, such as vm:web1";
    throw usage("Cannot lease without a holder: no --for was given", "", hint);
  }
  const pid = wholeNumber(args, "pid", 1);
  if (pid !== null && !isAlive(pid)) {
    throw usage(`Cannot tie a lease to process ${pid}: there is no such process`, String(pid));
  }
  const expiresAtMs = expiresAt(args, nowMs);
  return { holder: { name, pid }, expiresAtMs, reason: reasonOf(args, "acquired") };
}

export function renewalOf(args: Arguments, nowMs: number): Pick<Terms, "expiresAtMs" | "reason"> {
  if (args.text("ttl") === null) {
    throw usage("Cannot renew without a time: no --ttl was given", "", "Such as --ttl 8h, or off");
  }
  return { expiresAtMs: expiresAt(args, nowMs), reason: reasonOf(args, "renewed") };
}

function oneOf<Word extends string>(args: Arguments, option: string, words: readonly Word[]) {
  const text = args.text(option);
  if (text === null) return null;
  const word = words.find((each) => each === text);
  if (word !== undefined) return word;
  throw usage(`Cannot use --${option} ${text}: wanted ${words.join(" or ")}`, text);
}

function pfsOf(args: Arguments, { inventory, labels }: HostLook): Address[] {
  return args.texts("pf").map((text) => {
    const bdf = parseBdf(text);
    const address = bdf === null ? labels.get(text) : formatBdf(bdf);
    const pf = inventory.physicalFunctions.find(
      (each) => each.address === address || each.netdevs.some(({ name }) => name === text),
    );
    if (pf !== undefined && pf.numVfs > 0) return pf.address;
    throw new SriovError("not-found", `Cannot find PF ${text}: no PF of this name has VFs`, {
      operation: "lease",
      target: text,
    });
  });
}

function poolOf(args: Arguments, { pools }: HostLook): string | null {
  const pool = args.text("pool");
  if (pool === null || pools.includes(pool)) return pool;
  const known = pools.length === 0 ? "the specs have none" : `the specs have ${pools.join(", ")}`;
  const hint = "Pools are in the specs of the configuration folder, or in -f FILE";
  throw usage(`Cannot lease from pool ${pool}: ${known}`, pool, hint);
}

/** Whether `ls` is to show a lease. `libvirt:web1` is all of its devices. */
export function isListed(args: Arguments, look: HostLook, vfs: readonly Address[]) {
  const [holder, pool, pfs] = [holderOf(args), poolOf(args, look), pfsOf(args, look)];
  return (lease: Lease): boolean =>
    (holder === null || isFor(lease.holder?.name ?? "", holder)) &&
    (pool === null || lease.pool === pool) &&
    (pfs.length === 0 || pfs.includes(lease.vf.pf)) &&
    (vfs.length === 0 || vfs.includes(lease.vf.address));
}

type WishParts = {
  readonly look: HostLook;
  readonly holder: string;
  /** VFs that were named. */
  readonly vfs: readonly Address[];
  readonly node: number | null;
};

/** `0000:c1:00.0`, or CPUs as `cpu:0-15,32`. */
function placeNear(text: string): NumaPlace {
  const bdf = parseBdf(text);
  if (bdf !== null) return { kind: "function", address: formatBdf(bdf) };
  if (!/^cpu:\d{1,4}(?:-\d{1,4})?(?:,\d{1,4}(?:-\d{1,4})?)*$/.test(text)) {
    throw usage(`Cannot lease near ${text}: wanted a PCI address, or CPUs like cpu:0-15`, text);
  }
  const cpus = text
    .slice("cpu:".length)
    .split(",")
    .flatMap((piece) => {
      const [first = 0, last = first] = piece.split("-").map(Number);
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => first + at);
    });
  return { kind: "cpus", cpus };
}

/** The NUMA node that is wished; null: none is. Throws `usage`, and `not-found` for a place of which
 * no node is known. */
export async function nodeOf(args: Arguments, host: Host): Promise<number | null> {
  const near = args.text("near");
  const node = wholeNumber(args, "numa", 0);
  if (near === null) {
    if (node !== null || !args.isSet("prefer")) return node;
    throw usage("Cannot lease with --prefer alone: wanted --numa or --near beside it");
  }
  if (node !== null) throw usage("Cannot lease with --numa and --near: wanted one of them");
  const [first, ...more] = await host.numaNodesOf(placeNear(near));
  if (first === undefined) {
    const message = `Cannot lease near ${near}: its NUMA node is not known`;
    const detail = { operation: "lease", target: near, hint: "Name the node with --numa" };
    throw new SriovError("not-found", message, detail);
  }
  if (more.length === 0) return first;
  throw usage(
    `Cannot lease near ${near}: it is on NUMA nodes ${[first, ...more].join(", ")}`,
    near,
  );
}

export function wishOf(args: Arguments, { look, holder, vfs, node }: WishParts): Wish {
  const count = wholeNumber(args, "count", 1) ?? Math.max(1, vfs.length);
  if (vfs.length > 0 && count > vfs.length) {
    throw usage(`Cannot lease ${count} of the ${vfs.length} VFs that were named`);
  }
  const placement = oneOf(args, "placement", ["pack", "spread"]) ?? "pack";
  return {
    holder,
    count,
    pool: poolOf(args, look),
    pfs: pfsOf(args, look),
    vfs,
    numa: node === null ? null : { node, isStrict: !args.isSet("prefer") },
    isAloneInGroup: args.isSet("alone"),
    placement,
    apart: oneOf(args, "apart", ["pf", "card"]),
  };
}
