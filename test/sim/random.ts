// Seeded randomness for simulations: the same seed gives the same run, on every machine. The
// generator is xorshift128 seeded by splitmix32, as good as test data needs.

export type Random = {
  /** 0 to `limit` - 1. */
  readonly below: (limit: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <Item>(items: readonly [Item, ...Item[]]) => Item;
};

function splitmix(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}

export function randomOf(seed: number): Random {
  const next = splitmix(seed);
  let [a, b, c, d] = [next(), next(), next(), next() | 1];
  const word = (): number => {
    let mixed = d ^ (d << 11);
    mixed ^= mixed >>> 8;
    [d, c, b] = [c, b, a];
    a = (a ^ (a >>> 19) ^ mixed) >>> 0;
    return a;
  };
  const below = (limit: number): number => word() % limit;
  return {
    below,
    chance: (probability) => word() / 2 ** 32 < probability,
    pick: (items) => {
      // An item may be null, and is then as good as any.
      const item = items[below(items.length)];
      return item === undefined ? items[0] : item;
    },
  };
}
