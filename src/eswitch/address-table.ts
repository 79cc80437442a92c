// A hash table of MAC addresses without collisions: each address has a place of its own, so that a
// lookup is one look and has no loop. Addresses are in groups by their number, and each group has the
// multiplier that leads all of its own to free places ("hash, displace and compress": Belazzougui,
// Botelho, Dietzfelbinger, 2009). A group for four addresses, two places for each.

type AddressTable = {
  /** Of `numberOf`. */
  readonly seed: number;
  /** By group: the number shifted right by `groupShift`. */
  readonly multipliers: Int32Array;
  readonly groupShift: number;
  /** A place is the number times its group's multiplier, shifted right by this. */
  readonly placeShift: number;
  readonly numPlaces: number;
  /** By address, in the order in which they were given; null: nothing tried keeps them apart. */
  readonly places: readonly number[] | null;
};

/** Both parts of a MAC. */
type Parts = readonly [high: number, low: number];

/** Of an address; the seed is another where two had the same. */
export const numberOf = (seed: number, high: number, low: number): number =>
  Math.imul(low ^ Math.imul(high, seed), 0x85ebca6b);

/** As V8's small integers. */
const seeds = [0x9e3779b1 | 0, 0xc2b2ae3d | 0, 0x27d4eb2f, 0x165667b1];
/** Few groups need more than ten, unless somebody has chosen the addresses for it. */
const multipliersTried = 1024;

/** Leads each number of a group to a place that is not taken; null: none does. */
function multiplierFor(group: readonly number[], isTaken: Uint8Array, placeShift: number) {
  for (let nth = 1; nth <= multipliersTried; nth++) {
    const multiplier = Math.imul(nth, 0x9e3779b1) | 1;
    const places = group.map((number) => Math.imul(number, multiplier) >>> placeShift);
    const isFree = (place: number, at: number): boolean =>
      isTaken[place] === 0 && places.indexOf(place) === at;
    if (places.every(isFree)) return multiplier;
  }
  return null;
}

function tableWith(seed: number, addresses: readonly Parts[]): AddressTable {
  const placeBits = Math.max(4, Math.ceil(Math.log2(addresses.length * 2)));
  const numPlaces = 2 ** placeBits;
  const multipliers = new Int32Array(numPlaces / 8).fill(1);
  // As V8's small integers: what Math.log2() gives is a double to it.
  const placeShift = (32 - placeBits) | 0;
  const groupShift = (32 - placeBits + 3) | 0;
  const table = { seed, multipliers, groupShift, placeShift, numPlaces };
  const numbers = addresses.map(([high, low]) => numberOf(seed, high, low));
  const groups = Map.groupBy(numbers, (number) => number >>> groupShift);
  const isTaken = new Uint8Array(numPlaces);
  // The largest first, while there is room.
  for (const [group, own] of [...groups].toSorted(([, a], [, b]) => b.length - a.length)) {
    const multiplier = multiplierFor(own, isTaken, placeShift);
    if (multiplier === null) return { ...table, places: null };
    multipliers[group] = multiplier;
    for (const number of own) isTaken[Math.imul(number, multiplier) >>> placeShift] = 1;
  }
  const placeOf = (number: number): number =>
    Math.imul(number, multipliers[number >>> groupShift] ?? 0) >>> placeShift;
  return { ...table, places: numbers.map(placeOf) };
}

export function addressTableOf(addresses: readonly Parts[]): AddressTable {
  const [first = 0, ...others] = seeds;
  let table = tableWith(first, addresses);
  for (const seed of others) {
    if (table.places !== null) break;
    table = tableWith(seed, addresses);
  }
  return table;
}
