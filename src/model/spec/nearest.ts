// The word that was probably meant: the nearest known one by edit distance, with case, dashes and
// underscores forgiven. Names nothing when nothing is near, because a far guess misleads.

/** Optimal string alignment: insert, delete, replace and swap of neighbours cost one each. */
export function editDistance(left: string, right: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const cost = left[row - 1] === right[column - 1] ? 0 : 1;
      let best = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + cost,
      );
      const isSwap =
        row > 1 &&
        column > 1 &&
        left[row - 1] === right[column - 2] &&
        left[row - 2] === right[column - 1];
      if (isSwap) best = Math.min(best, (beforeLast[column - 2] ?? 0) + 1);
      current.push(best);
    }
    [beforeLast, last] = [last, current];
  }
  return last[right.length] ?? 0;
}

const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_ ]/g, "");

/** Longer words than any key or label are not compared: the table would grow with the square. */
const maxWordLength = 80;

/** Nor are more words than these: a hostile spec may name a million. */
const maxCandidates = 500;

/** The known word within a third of the length, null when there is none. First wins a draw. */
export function nearest(word: string, known: Iterable<string>): string | null {
  if (word.length > maxWordLength) return null;
  const wanted = plain(word);
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  let best: string | null = null;
  let bestDistance = limit + 1;
  let compared = 0;
  for (const candidate of known) {
    if (++compared > maxCandidates) break;
    if (Math.abs(candidate.length - wanted.length) > limit + 3) continue;
    const distance = editDistance(wanted, plain(candidate));
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}
