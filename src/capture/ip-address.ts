// IP addresses in text, as far as a capture has to know one when it sees it.

/** Four numbers; null where the text is no dotted IPv4 address. */
export function parseIpv4(text: string): number[] | null {
  const bytes = text.split(".").map((part) => (/^[0-9]{1,3}$/.test(part) ? Number(part) : 256));
  return bytes.length === 4 && bytes.every((byte) => byte < 256) ? bytes : null;
}

const groupPattern = /^[0-9a-f]{1,4}$/i;

/** Eight groups in full, `fe80:0000:...`; null where the text is no IPv6 address. */
export function parseIpv6(text: string): string | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head = [], tail = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - head.length - tail.length;
  const isWhole = halves.length === 2 ? missing >= 1 : missing === 0;
  const groups = [...head, ...tail];
  if (!isWhole || !groups.every((group) => groupPattern.test(group))) return null;
  const zeros = Array.from({ length: missing }, () => "0");
  return [...head, ...zeros, ...tail]
    .map((group) => group.toLowerCase().padStart(4, "0"))
    .join(":");
}
