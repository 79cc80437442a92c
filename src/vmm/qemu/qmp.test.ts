// The QMP client against whoever may listen at a socket: QEMU's own lines in any pieces, and what
// QEMU would never say. Lines of QEMU are from 10.0.2.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { QmpConnection } from "./qmp.ts";

const greeting =
  '{"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": "Debian"}, "capabilities": ["oob"]}}\r\n';

function socketIn(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qmp-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "socket");
}

/** Listens, greets with `first`, and answers each line by `answer` of its id. */
async function listen(
  context: TestContext,
  first: string | Buffer,
  answer: (id: string, socket: Socket) => string = (id) => `{"return": {}, "id": "${id}"}\r\n`,
): Promise<string> {
  const path = socketIn(context);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.write(first);
    socket.on("data", (chunk) => {
      for (const line of chunk.toString().trim().split("\n")) {
        socket.write(answer(JSON.parse(line).id, socket));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return path;
}

const refused = (code: string, words: RegExp) => (error: Error) => {
  assert.match(error.message, words);
  return "code" in error && error.code === code;
};

const strangers: readonly (readonly [what: string, first: string | Buffer, words: RegExp])[] = [
  [
    "a monitor for people",
    "QEMU 10.0.2 monitor\n(qemu) ",
    /it says "QEMU 10\.0\.2 monitor", wanted/,
  ],
  ["control characters", "\x1b[2J\x07boo\n", /it says "\[2J boo", wanted/],
  ["bytes", Buffer.from([0xff, 0xfe, 0x0a]), /wanted QEMU's machine protocol/],
  ["a list", "[]\n", /it says "\[\]", wanted/],
  ["no end of line", "x".repeat(5 * 1024 * 1024), /a line of more than 4194304 bytes/],
  ["depth", `${"[".repeat(200_000)}\n`, /wanted QEMU's machine protocol/],
  ["silence", "", /nothing greets within 50 ms; another client may be connected/],
];

for (const [what, first, words] of strangers) {
  test(`a socket that says ${what} is not taken for QEMU's`, async (context) => {
    const path = await listen(context, first);
    const deadlineMs = what === "silence" ? 50 : 5000;
    await assert.rejects(QmpConnection.open(path, deadlineMs), refused("consumer-refused", words));
  });
}

test("no socket, a file, and a socket that nobody serves are said to be that", async (context) => {
  const path = socketIn(context);
  await assert.rejects(QmpConnection.open(path, 1000), refused("not-found", /no such file/));
  writeFileSync(path, "");
  await assert.rejects(
    QmpConnection.open(path, 1000),
    refused("not-found", /nobody listens there/),
  );
});

test("replies are told from events and from each other, in any pieces", async (context) => {
  const event =
    '{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "DEVICE_DELETED", "data": {"device": "vf0", "path": "/machine/peripheral/vf0"}}\r\n';
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 200 }), { maxLength: 12 }), async (cuts) => {
      const path = await listen(context, greeting, (id, socket) => {
        const text = `${event}{"return": {"id": "other"}}\r\n\r\n{"return": {"of": "${id}"}, "id": "${id}"}\r\n`;
        const ends = [...cuts.toSorted((a, b) => a - b), text.length];
        ends.forEach((end, at) => socket.write(text.slice(ends[at - 1] ?? 0, end)));
        return "";
      });
      const connection = await QmpConnection.open(path, 5000);
      const value = await connection.call("query-status", {}, 5000);
      assert.deepEqual(value, { of: "sriovctl-2" });
      const found = await connection.awaitEvent(({ data }) => data["device"] === "vf0", 5000);
      assert.equal(found?.name, "DEVICE_DELETED");
      assert.equal(await connection.awaitEvent(({ name }) => name === "RESET", 5), null);
      connection.close();
    }),
    { numRuns: 20 },
  );
});

test("a refusal is QEMU's own words on one line; no answer and a closed socket are failures", async (context) => {
  const answers = [
    (id: string) => `{"return": {}, "id": "${id}"}\n`,
    (id: string) => `{"id": "${id}", "error": {"class": "DeviceNotFound", "desc": "no\\nvf0"}}\n`,
    () => "",
    (_: string, socket: Socket) => {
      socket.end();
      return "";
    },
  ];
  let asked = 0;
  const path = await listen(
    context,
    greeting,
    (id, socket) => answers[asked++]?.(id, socket) ?? "",
  );
  const connection = await QmpConnection.open(path, 5000);
  assert.deepEqual(await connection.execute("device_del", { id: "vf0" }, 5000), {
    status: "refused",
    errorClass: "DeviceNotFound",
    words: "no vf0",
  });
  await assert.rejects(
    connection.execute("query-status", {}, 20),
    refused("consumer-refused", /no answer to query-status within 20 ms/),
  );
  const closed = refused("not-found", /QEMU closed the connection/);
  await assert.rejects(connection.execute("query-status", {}, 5000), closed);
  await assert.rejects(connection.execute("query-status", {}, 5000), closed);
  await assert.rejects(
    connection.awaitEvent(() => true, 5000),
    closed,
  );
});
