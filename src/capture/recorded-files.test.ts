// Paths inside a capture: links lead where they lead on that host and nowhere else.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { FileAnswer } from "./evidence.ts";
import { byRealPath, RecordedFiles } from "./recorded-files.ts";

const text = (content: string): FileAnswer => ({ kind: "text", text: content });
const link = (target: string): FileAnswer => ({ kind: "link", target });
const names = (...list: string[]): FileAnswer => ({ kind: "names", names: list });

test("a file is found through links, relative and absolute, and above the root is the root", () => {
  const files = new RecordedFiles(
    new Map([
      ["/sys/devices/a/vendor", text("x")],
      ["/sys/bus/pci/devices/a", link("../../../devices/a")],
      ["/far", link("/sys/bus/pci/devices/a")],
      ["/up", link("../../../../../../sys/devices/a")],
    ]),
  );
  for (const folder of ["/sys/devices/a", "/sys/bus/pci/devices/a", "/far", "/up", "/../far/."]) {
    assert.deepEqual(files.answer(`${folder}/vendor`, true), text("x"), folder);
  }
  assert.deepEqual(files.answer("/far", false), link("/sys/bus/pci/devices/a"));
});

test("a ring of links ends, also a long one", () => {
  const ring = Array.from({ length: 100 }, (_, index): [string, FileAnswer] => [
    `/l${index}`,
    link(`l${(index + 1) % 100}`),
  ]);
  const files = new RecordedFiles(new Map(ring));
  const loop = { kind: "failed", errno: "ELOOP" };
  assert.deepEqual(files.answer("/l3/x", true), loop);
  assert.deepEqual(files.answer("/l3", true), loop);
  assert.deepEqual(new RecordedFiles(new Map([["/a", link("a/b/a")]])).answer("/a", true), loop);
});

test("not there is told from not recorded", () => {
  const files = new RecordedFiles(
    new Map([
      ["/sys/a", names("b")],
      ["/gone", { kind: "failed", errno: "ENOENT" }],
    ]),
  );
  const errnoAt = (path: string): unknown => {
    const answer = files.answer(path, true);
    return answer.kind === "failed" && answer.errno;
  };
  assert.equal(errnoAt("/sys/a/c"), "ENOENT");
  assert.equal(errnoAt("/sys/a/c/d/e"), "ENOENT");
  assert.equal(errnoAt("/gone/x"), "ENOENT");
  assert.equal(errnoAt("/sys/a/b/x"), "ENOTRECORDED");
  assert.equal(errnoAt("/etc/passwd"), "ENOTRECORDED");
});

test("any links end, inside the capture", () => {
  const piece = fc.constantFrom("a", "b", "..", ".", "");
  const path = fc.array(piece, { maxLength: 6 }).map((pieces) => `/${pieces.join("/")}`);
  const answer = fc.oneof(
    path.map((target) => link(target)),
    path.map((target) => link(target.slice(1))),
    fc.constant(text("x")),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(path, answer), { maxLength: 12 }), path, (entries, asked) => {
      const files = new RecordedFiles(new Map(entries));
      files.answer(asked, true);
      const real = files.realPath(asked, true);
      assert.ok(real === null || /^\/(?:[ab](?:\/[ab])*)?$/.test(real), real ?? "");
      assert.ok(byRealPath(new Map(entries)).size <= entries.length);
    }),
    { numRuns: 300 },
  );
});
