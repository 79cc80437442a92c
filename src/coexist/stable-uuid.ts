// UUIDs of what we write for other managers: the same on every export, so that they see one object that
// has changed, and not another one.

import { fnv1a64 } from "../model/mac.ts";

/** RFC 9562 version 8: ours to make up. */
export function stableUuid(kind: string, seed: string): string {
  const half = (text: string): string => fnv1a64(text).toString(16).padStart(16, "0");
  const digits = half(`${kind} ${seed}`) + half(seed);
  const [a, b, c, d, e] = [0, 8, 13, 17, 20].map((at) => digits.slice(at));
  const parts = [a?.slice(0, 8), b?.slice(0, 4), `8${c?.slice(0, 3)}`, `8${d?.slice(0, 3)}`];
  return [...parts, e?.slice(0, 12)].join("-");
}
