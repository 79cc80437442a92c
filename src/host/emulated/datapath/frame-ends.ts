// How a frame can end, each exactly once. The order is that in which a frame with several receivers
// is judged: one that somebody got is delivered, whoever else missed it.

import type { Fate } from "../../../eswitch/decide.ts";

export const frameEnds = [
  "delivered",
  "to-wire",
  "no-buffer",
  "receiver-stopped",
  "receiver-faulted",
  "too-long",
  "nobody-takes-it",
  "no-link",
  "spoofed-mac",
  "refused-type",
  "refused-tag",
  "not-known",
  "faulted",
  "malformed",
] as const;

export type FrameEnd = (typeof frameEnds)[number];

export const endCode = Object.fromEntries(frameEnds.map((name, at) => [name, at])) as {
  readonly [End in FrameEnd]: number;
};

const ofFate: Readonly<Record<Fate, FrameEnd>> = {
  "forwarded": "delivered",
  "no-link": "no-link",
  "spoofed-mac": "spoofed-mac",
  "refused-type": "refused-type",
  "refused-tag": "refused-tag",
  "lost": "nobody-takes-it",
  "undecided": "not-known",
};

/** By the number that a fate has in a batch's result. */
export const endsOfFates = (fates: readonly Fate[]): Uint8Array =>
  Uint8Array.from(fates, (fate) => endCode[ofFate[fate]]);
