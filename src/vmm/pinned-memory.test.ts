// What a VF pins, for a VM that has a balloon, shares its memory, or does not fit into what is left.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { availableBytes, type GuestMemory, pinWords } from "./pinned-memory.ts";

const mib = 2 ** 20;
const plain: GuestMemory = {
  name: "web1",
  bytes: 2048 * mib,
  balloonBytes: null,
  residentBytes: null,
  isSharingOff: true,
};
const pins = "a VF pins all 2048 MiB of the memory of web1 while it runs";
const balloon = "its balloon (512 MiB of 2048 MiB) no longer gives memory back";
const merged = "the host can neither swap it nor merge it (KSM)";
const short =
  "memory is overcommitted: the host has 1000 MiB left and has yet to find 1536 MiB for it; free some first, or something is killed";

type Row = readonly [guest: Partial<GuestMemory>, availableMib: number | null, ...notes: string[]];

const rows: readonly Row[] = [
  [{}, null, pins],
  [{ balloonBytes: 2048 * mib }, null, pins],
  [{ balloonBytes: 512 * mib }, null, pins, balloon],
  [{ isSharingOff: false }, null, pins, merged],
  [{ residentBytes: 512 * mib }, 1000, pins, short],
  [{ residentBytes: 512 * mib }, 1536, pins],
  [{ residentBytes: 2100 * mib }, 0, pins],
  [{ residentBytes: null }, 0, pins],
  [
    { balloonBytes: 512 * mib, residentBytes: 512 * mib, isSharingOff: false },
    1000,
    pins,
    balloon,
    merged,
    short,
  ],
];

test("a VM is told what a VF pins before it gets one", () => {
  for (const [guest, availableMib, ...notes] of rows) {
    const available = availableMib === null ? null : availableMib * mib;
    assert.deepEqual(pinWords({ ...plain, ...guest }, available), notes);
  }
});

test("what the host has left is read, or not known", (context) => {
  const root = mkdtempSync(join(tmpdir(), "meminfo-"));
  context.after(() => rmSync(root, { recursive: true }));
  assert.equal(availableBytes(root), null);
  mkdirSync(join(root, "proc"));
  writeFileSync(join(root, "proc/meminfo"), "MemTotal:  8000 kB\nMemAvailable:    4096 kB\n");
  assert.equal(availableBytes(root), 4 * mib);
});
