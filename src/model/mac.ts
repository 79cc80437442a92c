// MAC addresses as text: parsing to one canonical form, the multicast bit, and the stable address
// that `mac: auto` stands for. The automatic address is a hash of who the VF is for, so it is the
// same on every apply and on every host that reads the same spec; two seeds may still meet, which
// whoever hands out several has to look for.

/** Canonical: lower case, colons: `02:00:5e:10:00:01`. */
type Mac = string;

export const zeroMac: Mac = "00:00:00:00:00:00";

const macPattern = /^[0-9a-f]{2}(?:(?::[0-9a-f]{2}){5}|(?:-[0-9a-f]{2}){5})$/i;

/** Parses six hex pairs separated by colons or dashes; null when the text is neither. */
export function parseMac(text: string): Mac | null {
  return macPattern.test(text) ? text.toLowerCase().replaceAll("-", ":") : null;
}

/** IEEE 802 group bit; true for broadcast too. Every SR-IOV driver refuses such a VF address. */
export const isMulticastMac = (mac: Mac): boolean =>
  (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;

const fnvOffsetBasis = 0xcbf29ce484222325n;
const fnvPrime = 0x100000001b3n;

/** FNV-1a over the UTF-8 bytes: short, without tables, and good enough where nobody attacks. */
export function fnv1a64(text: string): bigint {
  let hash = fnvOffsetBasis;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * fnvPrime);
  }
  return hash;
}

/** IEEE 802c: a low nibble of 2 in the first octet is the quadrant for addresses that an
 * administrator assigns at will; so 44 bits of the hash remain. */
function localMacOf(seed: string): Mac {
  const hash = fnv1a64(seed);
  const bits = (hash ^ (hash >> 48n)) & 0xf0ff_ffff_ffffn;
  const digits = (bits | 0x0200_0000_0000n).toString(16).padStart(12, "0");
  return digits.replaceAll(/(..)(?!$)/g, "$1:");
}

/** `mac: auto` of a VF with a consumer: follows `to` (`libvirt:web1/net1`) from VF to VF. */
export const autoMacOfConsumer = (to: string): Mac => localMacOf(`consumer ${to}`);

/** `mac` of a policy, for a consumer; null: what the VF has. */
export function macForConsumer(mac: string | undefined, to: string): Mac | null {
  if (mac === "auto") return autoMacOfConsumer(to);
  return mac === undefined || mac === "default" ? null : mac;
}

/** `mac: auto` of a VF without a consumer: stays with the PF's permanent MAC and the index. */
export const autoMacOfVf = (permanentMac: Mac, vfIndex: number): Mac =>
  localMacOf(`vf ${permanentMac}/${vfIndex}`);
