// Registers of the functions of an emulated card, a row of 32-bit words for each: docs/data-path.md
// has the table. No card has these; their names follow igbvf.

/** Places in a row; the byte offset is four times that. */
export const register = {
  control: 0x00 / 4,
  status: 0x04 / 4,
  txBaseLow: 0x10 / 4,
  txBaseHigh: 0x14 / 4,
  txLength: 0x18 / 4,
  txHead: 0x1c / 4,
  txTail: 0x20 / 4,
  rxBaseLow: 0x30 / 4,
  rxBaseHigh: 0x34 / 4,
  rxLength: 0x38 / 4,
  rxHead: 0x3c / 4,
  rxTail: 0x40 / 4,
  rxBufferBytes: 0x44 / 4,
  sent: 0x50 / 4,
  received: 0x54 / 4,
  missed: 0x58 / 4,
  dropped: 0x5c / 4,
  spoofed: 0x60 / 4,
  mailbox: 0x70 / 4,
  message: 0x74 / 4,
} as const;

export const rowWords = 32;

export const controlBit = { receive: 1 << 0, transmit: 1 << 1, reset: 1 << 26 } as const;
export const statusLink = 1 << 1;

export const messageWords = 3;

const readOnly: ReadonlySet<number> = new Set([
  register.status,
  register.txHead,
  register.rxHead,
  register.sent,
  register.received,
  register.missed,
  register.dropped,
  register.spoofed,
]);

export const isReadOnly = (at: number): boolean => readOnly.has(at);

/** Rings lie on page boundaries, so that none crosses one. */
export const ringMost = 256;

/** Words of a descriptor: address low and high, length, status. */
export const descriptor = { bytes: 16, words: 4, length: 2, status: 3 } as const;
export const descriptorStatus = { done: 1, faulted: 2 } as const;
