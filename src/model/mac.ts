// `mac: auto`: a locally administered unicast MAC that is the same on every run. A consumer's MAC
// comes from its name, so that it follows the consumer from VF to VF; without one it comes from
// the PF's permanent MAC and the VF index, so that it survives a changed bus number.

export type MacSeed =
  | { readonly consumer: string }
  | { readonly permanentMac: string; readonly vfIndex: number };

/** FNV-1a, 64 bit: good spread on short text, and pure. Not a secret, so not a cipher. */
function fnv1a64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash;
}

/** 46 bits of hash below the two bits that IEEE 802 gives a meaning: unicast, local. */
export function autoMac(seed: MacSeed): string {
  const text =
    "consumer" in seed
      ? `consumer ${seed.consumer}`
      : `vf ${seed.permanentMac.toLowerCase()} ${seed.vfIndex}`;
  const hash = fnv1a64(text);
  const bytes = [0, 1, 2, 3, 4, 5].map((index) => Number((hash >> BigInt(index * 8)) & 0xffn));
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
