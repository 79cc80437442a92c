// The frames that most are: untagged, from a VF whose checks are settled, to one receiver or to the
// wire. They are decided in one loop over a few integers; whatever needs a closer look is left to
// `switch-frames.ts`, which takes that frame and comes back for the next ones. The loop calls nothing and
// has no loop inside, so V8 checks its arrays once and before it; and it ors a word to a shifted row
// instead of adding it, so that there is no sum to check for an overflow.

import { numberOf } from "./address-table.ts";
import { no, untagged } from "./compiled-switch.ts";
import { deliveryOf, endOf, frameWord, frameWords, type FrameBatch } from "./frame-batch.ts";
import { counterWord, portWords } from "./port-counters.ts";
import {
  mustShift,
  others,
  othersShift,
  placeWord,
  placeWords,
  senderWord,
  takesShift,
  type QuickSwitch,
} from "./quick-switch.ts";

// For the loop: an import is loaded from its module each time it is used, what is of this file is not.
const [noTag, nobody] = [untagged, no];
const [frameShift, portShift] = [Math.log2(frameWords), Math.log2(portWords)];
const placeShiftOfWords = Math.log2(placeWords);
const { macsHigh, destinationLow, sourceLow, tag: ownTag, typeAndSize, end, delivery } = frameWord;
const { low: ownLow, tag: tagInside } = senderWord;
const { highAndPort, takes: takesAt } = placeWord;
const { sent, taken } = counterWord;
const [addressNumber, endWord, deliveryWord] = [numberOf, endOf, deliveryOf];
const [othersAt, mustAt, takesFrom] = [othersShift, mustShift, takesShift];
const { dropped, taken: takenToo } = others;
const [forwarded, spoofedMac, lost] = [0, 2, 5];
/** In the high part of a destination. */
const groupBit = 0x0100 << 16;
/** Below it a port's row says to look closer. */
const leastKind = 1 << othersShift;

/** Decides frames from `first` on. Returns the first that needs a closer look, its complement where it
 * is let in and only goes to a group, or `last`. */
export function decideQuickly(
  quick: QuickSwitch,
  frames: FrameBatch,
  first: number,
  last: number,
): number {
  const { table, firstPlace, firstGroup, seed, groupShift, placeShift } = quick;
  const { uplink, missTakes, refused, alsoRefused, largestSize } = quick;
  for (let at = first; at < last; at++) {
    const frame = at << frameShift;
    const sender = frames[frame] ?? 0;
    const row = sender << portShift;
    const own = table[row] ?? 0;
    const kind = frames[frame | typeAndSize] ?? 0;
    if (own < leastKind || frames[frame | ownTag] !== noTag) return at;
    if (kind >>> 16 === refused || kind >>> 16 === alsoRefused) return at;
    // Where the source is the sender's own without saying it, this is too large.
    if ((kind & 0xffff) > largestSize) return at;
    // Nobody takes it: the sender's row counts that as it would a delivery.
    let port = sender;
    let sure = nobody;
    let tag = noTag;
    let fate = spoofedMac;
    const highs = frames[frame | macsHigh] ?? 0;
    const isOwn =
      ((highs ^ own) & 0xffff) === 0 && frames[frame | sourceLow] === table[row | ownLow];
    if (isOwn || own >> othersAt === takenToo) {
      if ((highs & groupBit) !== 0) return ~at;
      const low = frames[frame | destinationLow] ?? 0;
      const number = addressNumber(seed, highs >>> 16, low);
      const multiplier = table[(firstGroup + (number >>> groupShift)) | 0] ?? 0;
      const nth = Math.imul(number, multiplier) >>> placeShift;
      const place = (firstPlace + (nth << placeShiftOfWords)) | 0;
      const found = table[place | highAndPort] ?? 0;
      const isHere = found >>> 16 === highs >>> 16 && table[place] === low;
      port = isHere ? found & 0xffff : uplink;
      const takes = isHere ? (table[place | takesAt] ?? 0) : missTakes;
      tag = table[row | tagInside] ?? 0;
      if (((takes ^ tag) & (takes >>> mustAt)) !== 0) return at;
      if (port !== sender) sure = (takes >> (takesFrom + ((tag >>> 31) << 1))) & 3;
      fate = sure === nobody ? lost : forwarded;
    } else {
      if (own >> othersAt !== dropped) return at;
      quick.spoofed[sender] = (quick.spoofed[sender] ?? 0) + 1;
    }
    frames[frame | end] = endWord(tag, fate);
    frames[frame | delivery] = deliveryWord(port, sure);
    const sentAt = row | sent;
    const takenAt = (port << portShift) | taken | sure;
    table[sentAt] = (table[sentAt] ?? 0) + 1;
    table[takenAt] = (table[takenAt] ?? 0) + 1;
  }
  return last;
}
