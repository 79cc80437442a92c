// The README shows what the program really prints.

import assert from "node:assert/strict";
import { test } from "node:test";
import { comparable, readTour, refreshTour } from "./readme-tour.ts";

test("README.md shows real output; node scripts/readme-tour.ts refreshes it", async () => {
  const text = readTour();
  assert.ok(text.includes("$ sriovctl "));
  assert.equal(comparable(await refreshTour(text)), comparable(text));
});
