// What the kernel answered to good and bad requests.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { capture, readCaptures } from "../../test/captures.ts";
import { decodeAcknowledgement, decodeMessages, type Acknowledgement } from "./message.ts";

const replies = readCaptures("netlink-replies.txt");

function acknowledgementsOf(name: string): Acknowledgement[] {
  const { messages } = decodeMessages(capture(replies, name));
  return messages.flatMap((message) => decodeAcknowledgement(message) ?? []);
}

const mtuText = "mtu less than device minimum";

const rows: readonly (readonly [name: string, Acknowledgement])[] = [
  ["acknowledged", { errno: 0, text: null, offset: null }],
  ["mtu-refused", { errno: 22, text: mtuText, offset: null }],
  ["mtu-refused-capped", { errno: 22, text: mtuText, offset: null }],
  ["vf-refused", { errno: 95, text: null, offset: null }],
  ["family-absent", { errno: 2, text: null, offset: null }],
  ["links", { errno: 0, text: null, offset: null }],
];

test("decodeAcknowledgement() reads errno and the kernel's sentence", () => {
  for (const [name, expected] of rows) assert.deepEqual(acknowledgementsOf(name), [expected], name);
});

test("decodeMessages() says where a message is cut off", () => {
  const bytes = capture(replies, "links");
  const { messages, problems } = decodeMessages(bytes.subarray(0, bytes.length - 8));
  assert.equal(messages.length, 4);
  assert.deepEqual(
    problems.map(({ code }) => code),
    ["netlink-truncated"],
  );
});

test("decodeMessages() and decodeAcknowledgement() take any bytes", () => {
  const bent = fc
    .tuple(fc.constantFrom(...replies.values()), fc.infiniteStream(fc.nat()))
    .map(([bytes, numbers]) => {
      const copy = Uint8Array.from(bytes);
      const [at = 0, value = 0, more = 0] = numbers.take(3);
      copy[at % copy.length] = value;
      copy[more % copy.length] = value >> 8;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(bent, fc.uint8Array()), (bytes) => {
      for (const message of decodeMessages(bytes).messages) decodeAcknowledgement(message);
      decodeAcknowledgement({ type: 2, flags: 0x300, sequence: 0, portId: 0, payload: bytes });
    }),
    { numRuns: 1000 },
  );
});
