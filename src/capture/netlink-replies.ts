// What the kernel answered by netlink, as it answered: each RTM_NEWLINK and each reply of devlink as
// hexadecimal, so that whoever has the capture decodes it anew, attributes of tomorrow included.

import type { Problem } from "../model/problem.ts";
import { decodeProblems, encodeRows } from "./answers.ts";
import { bytesOfRows, hexRows } from "./hex-rows.ts";

export type NetlinkReplies = {
  /** Each the payload of one message: struct ifinfomsg, then attributes. */
  readonly links: readonly Uint8Array[];
  /** Mbit/s by netdev: a file says it, which belongs to the message before it. */
  readonly speeds: readonly (readonly [netdev: string, speedMbps: number])[];
  /** By PF: a generic netlink header, then attributes. */
  readonly eswitch: readonly (readonly [pf: string, payload: Uint8Array])[];
  /** What was not answered, or could not be read. */
  readonly problems: readonly Problem[];
};

export const encodeReplies = ({ links, speeds, eswitch, problems }: NetlinkReplies): string[] => [
  ...links.flatMap((bytes) => [`link ${bytes.length}`, ...hexRows(bytes)]),
  ...speeds.map(([netdev, speedMbps]) => `speed ${netdev} ${speedMbps}`),
  ...eswitch.flatMap(([pf, bytes]) => [`eswitch ${pf} ${bytes.length}`, ...hexRows(bytes)]),
  ...encodeRows(problems).map((row) => `problem ${row}`),
];

/** Of one reply: a list of 4096 VFs with statistics. Of all together: as long as a capture may be, since
 * rows of zeros cost nothing to write. More is rubbish. */
const replyBytesMax = 1 << 21;
const allBytesMax = 1 << 25;
const isRow = /^[0-9a-f]{3,6}: /;

const lengthOf = (size: string | undefined): number =>
  /^[0-9]{1,7}$/.test(size ?? "") ? Number(size) : Number.POSITIVE_INFINITY;

/** Whatever has another shape counts as not recorded. */
export function decodeReplies(lines: readonly string[]): NetlinkReplies {
  const links: Uint8Array[] = [];
  const speeds: [string, number][] = [];
  const eswitch: [string, Uint8Array][] = [];
  const problems: Problem[] = [];
  let numBytes = 0;
  for (let at = 0; at < lines.length;) {
    const head = lines[at] ?? "";
    let end = at + 1;
    while (end < lines.length && isRow.test(lines[end] ?? "")) end++;
    const rows = lines.slice(at + 1, end);
    at = end;
    const [word, name = "", last] = head.split(" ");
    if (word === "problem") problems.push(...decodeProblems([head.slice("problem ".length)]));
    else if (word === "speed" && /^[0-9]{1,9}$/.test(last ?? "")) speeds.push([name, Number(last)]);
    else {
      const length = lengthOf(word === "link" ? name : last);
      if (length > replyBytesMax || numBytes + length > allBytesMax) continue;
      const bytes = bytesOfRows(length, rows);
      if (bytes === null) continue;
      numBytes += length;
      if (word === "link") links.push(bytes);
      else if (word === "eswitch") eswitch.push([name, bytes]);
    }
  }
  return { links, speeds, eswitch, problems };
}
