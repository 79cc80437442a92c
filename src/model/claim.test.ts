// Globs as the shell has them, and which claims hold for a PF.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pfOf } from "../../test/inventory-of.ts";
import { type Claim, claimsOn, fitsGlob, type PfSelector } from "./claim.ts";

const globs: readonly (readonly [glob: string, text: string, fits: boolean])[] = [
  ["ens1f0", "ens1f0", true],
  ["ens1f0", "ens1f01", false],
  ["ens*f?", "ens12f0", true],
  ["ens*f?", "ens12f", false],
  ["*", "", true],
  ["", "", true],
  ["?", "", false],
  ["ens[1-3]f[!0]", "ens2f1", true],
  ["ens[1-3]f[!0]", "ens2f0", false],
  ["a[]b", "a[]b", true],
  ["[a]-]", "]", false],
  ["pci-0000:3b:*", "pci-0000:3b:00.0", true],
];

test("a glob fits as a shell's does", () => {
  for (const [glob, text, fits] of globs)
    assert.equal(fitsGlob(glob, text), fits, `${glob} ${text}`);
});

test("a glob of stars and letters says what a regular expression says, and ends", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 12 });
  const text = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 });
  fc.assert(
    fc.property(letters, text, (glob, given) => {
      const pattern = glob.replaceAll(/\*+/g, ".*").replaceAll("?", ".");
      assert.equal(fitsGlob(glob, given), new RegExp(`^${pattern}$`).test(given));
    }),
  );
});

const pf = pfOf("0000:3b:00.0", 2);

const selectors: readonly (readonly [PfSelector, "yes" | "maybe" | "no"])[] = [
  [{ unjudged: [] }, "yes"],
  [{ names: ["ens59"], drivers: ["igb"], unjudged: [] }, "yes"],
  [{ names: ["ens59"], drivers: ["ixgbe"], unjudged: [] }, "no"],
  [{ names: ["!ens59", "ens*"], unjudged: [] }, "no"],
  [{ names: ["!ens1"], unjudged: [] }, "yes"],
  [{ permanentMacs: ["b4:96:91:00:00:3b"], unjudged: ["Host=web1"] }, "maybe"],
  [{ names: ["eno1"], unjudged: ["Host=web1"] }, "no"],
  [{ vfAddresses: ["0000:3b:10.2"], unjudged: [] }, "yes"],
  [{ ids: ["8086:10c9"], paths: ["pci-0000:3b:*"], unjudged: [] }, "yes"],
];

const claimWith = (selector: PfSelector, firstOf: string | null = null): Claim => ({
  manager: "networkd",
  selector,
  firstOf,
  settings: [{ kind: "num-vfs", numVfs: 1, where: "a:1" }],
});

test("a selector is judged by what the inventory knows", () => {
  for (const [selector, expected] of selectors) {
    const [found] = claimsOn(pf, [claimWith(selector)]);
    assert.equal(found?.judgement ?? "no", expected, JSON.stringify(selector));
  }
});

test("where the first file holds, later ones do not, unless the first may be for others", () => {
  const [one, two] = [
    claimWith({ unjudged: [] }, "link"),
    claimWith({ names: ["e*"], unjudged: [] }, "link"),
  ];
  const open = claimWith({ unjudged: ["Host=web1"] }, "link");
  const silent: Claim = { ...one, settings: [] };
  assert.deepEqual(claimsOn(pf, [one, two]), [{ claim: one, judgement: "yes" }]);
  assert.deepEqual(claimsOn(pf, [silent, two]), []);
  assert.deepEqual(
    claimsOn(pf, [open, two]).map(({ judgement }) => judgement),
    ["maybe", "yes"],
  );
  assert.equal(claimsOn(pf, [one, claimWith({ unjudged: [] }, "network")]).length, 2);
});
