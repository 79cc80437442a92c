// Bytes that hold exactly one netlink message, whole and without problems, and that message.

import assert from "node:assert/strict";
import { decodeLink, type LinkReading } from "../src/netlink/link.ts";
import { decodeMessages, type Message } from "../src/netlink/message.ts";

export function onlyMessage(bytes: Uint8Array): Message {
  const { messages, problems } = decodeMessages(bytes);
  assert.deepEqual(problems, []);
  assert.equal(messages.length, 1);
  const [message] = messages;
  assert.ok(message);
  return message;
}

export const onlyLink = (bytes: Uint8Array): LinkReading => decodeLink(onlyMessage(bytes));
