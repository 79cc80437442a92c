// Transmit rates as people write them: `2Gbit`, `500Mbit`, `2.5Gbit`, or a bare number of Mbit/s.
// The kernel takes whole Mbit/s in 32 bits (IFLA_VF_RATE), so anything finer is refused rather
// than rounded.

/** Largest value of the kernel's u32. */
export const maxRateMbps = 0xffff_ffff;

const mbpsPerUnit: Readonly<Record<string, number>> = { mbit: 1, gbit: 1000, tbit: 1_000_000 };

export const ratePattern = /^(?:0|[1-9][0-9]{0,9})(?:\.[0-9]{1,6})?[MGTmgt]bit(?:\/s)?$/;

/** Mbit/s of a text that `ratePattern` matches; a string is the reason why it cannot be had. */
export function parseRate(text: string): number | string {
  const [, whole = "", fraction = "", unit = ""] =
    /^([0-9]+)(?:\.([0-9]+))?([a-z]+)/i.exec(text) ?? [];
  const perUnit = mbpsPerUnit[unit.toLowerCase()] ?? Number.NaN;
  // Integers throughout: 2.3 * 1000 is not 2300 in floating point.
  const scaled = Number(whole + fraction) * perUnit;
  const divisor = 10 ** fraction.length;
  if (scaled % divisor !== 0) return "which is not a whole number of Mbit/s";
  const mbps = scaled / divisor;
  return mbps > maxRateMbps ? `which is above ${maxRateMbps} Mbit/s, the kernel's limit` : mbps;
}
