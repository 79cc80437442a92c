// Which options mean something to which action of `lease`, and how many VFs each may name. One that would
// not be heeded is refused: `release --pool` must not give back more than whoever typed it believes.

import type { Arguments } from "./context.ts";
import { usage } from "./lease-wish.ts";

type Row = { readonly options: readonly string[]; readonly mostVfs: number };

const unlimited = Number.POSITIVE_INFINITY;
const wishes = ["pool", "pf", "count", "numa", "near", "prefer", "alone", "placement", "apart"];

/** `file` is for all of them. */
const rows: ReadonlyMap<string, Row> = new Map([
  ["ls", { options: ["for", "pool", "pf", "all"], mostVfs: unlimited }],
  ["acquire", { options: ["for", "ttl", "pid", "reason", ...wishes], mostVfs: unlimited }],
  ["renew", { options: ["for", "generation", "ttl", "reason"], mostVfs: unlimited }],
  ["release", { options: ["for", "generation", "reason"], mostVfs: unlimited }],
  ["quarantine", { options: ["for", "generation", "reason"], mostVfs: unlimited }],
  ["history", { options: [], mostVfs: 1 }],
  ["reconcile", { options: ["yes", "unattended"], mostVfs: 0 }],
]);

const known = new Set([...rows.values()].flatMap(({ options }) => options));

const isGiven = (args: Arguments, option: string): boolean =>
  args.isSet(option) || args.text(option) !== null || args.texts(option).length > 0;

/** Throws `usage`. */
export function assertHeeded(action: string, targets: readonly string[], args: Arguments): void {
  const row = rows.get(action);
  if (row === undefined) return;
  const odd = [...known].find((name) => isGiven(args, name) && !row.options.includes(name));
  if (odd !== undefined) {
    const its = [...rows].filter(([, { options }]) => options.includes(odd)).map(([name]) => name);
    throw usage(
      `Cannot use --${odd} with lease ${action}: it is for ${its.join(", ")}`,
      `--${odd}`,
    );
  }
  const extra = targets[row.mostVfs];
  if (extra === undefined) return;
  const most = row.mostVfs === 0 ? "no VF" : `${row.mostVfs} VF`;
  throw usage(`Cannot use ${extra} with lease ${action}: wanted ${most}`, extra);
}
