// A wish that no VF fits, as a failure: one VF that was named and is somebody's is refused, and whose it is
// said first; anything else is missed.

import type { Rejection, Wish } from "../lease/select.ts";
import { targetOf } from "../lease/lease.ts";
import { SriovError } from "../model/errors.ts";
import { countText } from "./lease-text.ts";

/** `verb` is what cannot be done to it, `lease` or `attach`. */
export function nothingFits(
  verb: string,
  { count, pool, vfs, holder }: Pick<Wish, "count" | "pool" | "vfs" | "holder">,
  rejections: readonly Rejection[],
): SriovError {
  const isTaken = vfs.length > 0 && rejections.some(({ kind }) => kind === "taken");
  const [only] = vfs.length === 1 ? rejections : [];
  const [what, why] =
    only === undefined
      ? [countText(count, pool), "none fits"]
      : [targetOf(only.candidate.vf), only.because];
  const detail = { operation: `${verb} VF`, target: holder, hint: "See sriovctl lease ls" };
  const message = `Cannot ${verb} ${what} to ${holder}: ${why}`;
  return new SriovError(isTaken ? "lease-refused" : "not-found", message, detail);
}
