// Addresses and routes of a kernel, and the text of IP addresses.

import assert from "node:assert/strict";
import { isIPv6 } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { capture, readCaptures } from "../../test/captures.ts";
import { decodeMessages } from "./message.ts";
import { decodeInterfaceAddress, decodeRoute, formatIp } from "./route.ts";

const replies = readCaptures("netlink-replies.txt");
const messagesOf = (name: string): ReturnType<typeof decodeMessages>["messages"] =>
  decodeMessages(capture(replies, name)).messages;

test("decodeInterfaceAddress() reads own addresses, also of a point-to-point link", () => {
  const addresses = messagesOf("addresses").flatMap(
    (message) => decodeInterfaceAddress(message) ?? [],
  );
  const rows = addresses.map(
    ({ ifindex, address, prefixLength, isLinkLocal }) =>
      `${ifindex} ${address}/${prefixLength}${isLinkLocal ? " link-local" : ""}`,
  );
  assert.deepEqual(rows.toSorted(), [
    "2 198.51.100.9/32",
    "2 fe80::ff:fe00:11/64 link-local",
    "3 fe80::ff:fe00:10/64 link-local",
    "4 198.51.100.1/24",
    "4 2001:db8::1/64",
    "4 fe80::ff:fe00:20/64 link-local",
  ]);
});

test("decodeRoute() tells routes that somebody made from the kernel's own", () => {
  const routes = messagesOf("routes").flatMap((message) => decodeRoute(message) ?? []);
  const rows = routes
    .filter(({ isAutomatic }) => !isAutomatic)
    .map(({ destination, gateway, ifindexes, table, isDefault }) =>
      [destination, gateway, ifindexes.join("+"), table, isDefault].join(" "),
    );
  assert.deepEqual(rows, [
    "0.0.0.0/0 198.51.100.254 4 254 true",
    "203.0.113.0/24  4+2 254 false",
    "2001:db8:f::/48  4 1000 false",
  ]);
  assert.ok(
    routes.some(({ destination, isAutomatic }) => isAutomatic && destination === "198.51.100.0/24"),
  );
});

test("formatIp() writes addresses as RFC 5952 wants them", () => {
  const rows: readonly (readonly [hex: string, text: string])[] = [
    ["c0000201", "192.0.2.1"],
    ["00000000000000000000000000000000", "::"],
    ["00000000000000000000000000000001", "::1"],
    ["20010db8000000000000000000000000", "2001:db8::"],
    ["20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1"],
    ["20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
    ["abcd", "ab:cd"],
  ];
  for (const [hex, text] of rows) assert.equal(formatIp(Buffer.from(hex, "hex")), text);
});

test("formatIp() of 16 bytes is an address that others read back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const text = formatIp(bytes);
      assert.ok(isIPv6(text), text);
      const url = new URL(`http://[${text}]/`);
      assert.equal(url.hostname, `[${text}]`);
    }),
  );
});

test("no bytes make them throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(2, 10), (bytes, family) => {
      const payload = Uint8Array.of(family, 0, 0, 0, 0, 0, 0, 1, ...bytes);
      decodeRoute({ type: 24, flags: 0, sequence: 0, portId: 0, payload });
      decodeInterfaceAddress({ type: 20, flags: 0, sequence: 0, portId: 0, payload });
    }),
    { numRuns: 1000 },
  );
});
