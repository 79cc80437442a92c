// Bytes as rows of hexadecimal, sixteen each, as lspci -x prints them. Rows of zeros are left out.

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

export function hexRows(bytes: Uint8Array): string[] {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    if (row.every((byte) => byte === 0)) continue;
    rows.push(`${hex(at, 3)}: ${[...row].map((byte) => hex(byte, 2)).join(" ")}`);
  }
  return rows;
}

/** So many bytes, zero where no row says otherwise; null where a row is none or leads out. */
export function bytesOfRows(length: number, rows: readonly string[]): Uint8Array | null {
  const bytes = new Uint8Array(length);
  for (const row of rows) {
    const [, offset = "", values = ""] =
      /^([0-9a-f]{3,6}): ((?:[0-9a-f]{2} ?){1,16})$/.exec(row) ?? [];
    if (offset === "") return null;
    const read = values.trim().split(" ");
    const at = Number.parseInt(offset, 16);
    if (at + read.length > length) return null;
    read.forEach((value, index) => (bytes[at + index] = Number.parseInt(value, 16)));
  }
  return bytes;
}
