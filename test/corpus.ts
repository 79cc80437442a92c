// Finds the corpus of real device data, which lives beside a checkout and is not part of it.
// Tests on it skip with a reason where it is absent, on CI too.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

export const corpusAbsent = "no corpus of device data beside this checkout";

/** Path of `shared/corpus` in a parent folder of the checkout, or null. */
export function corpusDirectory(): string | null {
  let folder = dirname(import.meta.dirname);
  for (let depth = 0; depth < 3; depth++) {
    folder = dirname(folder);
    const candidate = join(folder, "shared", "corpus");
    if (existsSync(candidate)) return candidate;
  }
  return null;
}
