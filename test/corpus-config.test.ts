// The corpus of real devices: our decode against facts that an independent reader took from the
// same bytes (expected.json), and against lspci's saved text. Where we differ on purpose, the
// function is listed with its reason, and the difference must still be there.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatBdf, parseBdf } from "../src/model/bdf.ts";
import type { Sriov } from "../src/pci/capability/sriov.ts";
import { decodeFunction } from "../src/pci/decode-function.ts";
import type { DumpedFunction } from "../src/pci/dump.ts";
import { parseDump } from "../src/pci/dump.ts";
import { findExtendedCapability } from "../src/pci/function-config.ts";
import { busesOfVfs, vfAddress } from "../src/pci/routing-id.ts";
import { corpusAbsent, corpusDirectory } from "./corpus.ts";
import { lspciDifferences } from "./lspci-agreement.ts";
import { parseLspciText } from "./lspci-text.ts";

const corpus = corpusDirectory();
const skip = corpus === null ? corpusAbsent : false;
const corpusPath = (name: string): string => join(corpus ?? "", name);

/** The parts of expected.json that are compared. */
type ExpectedSriov = {
  readonly offset: string;
  readonly version: number;
  readonly vf_bars: readonly { bar: number; addr: string; width: number; prefetch: boolean }[];
  readonly routing: { basis: string; vf0: string; vf_last: string; extra_buses: number };
  readonly [field: string]: unknown;
};

type ExpectedFunction = {
  readonly slot: string;
  readonly length: number;
  readonly vendor: string;
  readonly device: string;
  readonly rev: number;
  readonly header_type: number;
  readonly cls: string;
  readonly caps: readonly string[];
  readonly ext_caps?: readonly string[];
  readonly sriov?: readonly ExpectedSriov[];
  readonly ari?: { next_function: number; capability: string; control: string };
};

const readExpected = (): [file: string, functions: ExpectedFunction[]][] => {
  const text = readFileSync(corpusPath("expected.json"), "utf8");
  const { files } = JSON.parse(text) as { files: Record<string, ExpectedFunction[]> };
  return Object.entries(files);
};

/** Functions that we read otherwise than the independent reader, `file slot` to reason. */
const differences: Readonly<Record<string, string>> = {
  "hex/pciutils/broken-ecaps 00:00.0":
    "extended space repeats the first 256 bytes; Linux and lspci see no extended capabilities",
  "hex/pciutils/tree-fujitsu-p8010 1c:03.0":
    "a CardBus bridge has its list pointer at 0x14, where lspci finds a capability too",
  "hex/linux-pci/adl-p-laptop.hex 2f:00.0":
    "all bytes are ones: a function that is gone has no capabilities",
};

const hex = (value: number, digits: number): string =>
  `0x${value.toString(16).padStart(digits, "0")}`;

/** Our decode, in the words of expected.json. */
function identityOf({ bytes }: DumpedFunction): object {
  const config = decodeFunction(bytes);
  return {
    length: config.length,
    vendor: hex(config.vendorId ?? -1, 4),
    device: hex(config.deviceId ?? -1, 4),
    rev: config.revision,
    header_type: config.headerType,
    cls: hex(config.classCode ?? -1, 6),
    caps: config.capabilities.map(({ id, offset }) => `${hex(id, 2)}@${hex(offset, 2)}`),
    ext_caps: config.extendedCapabilities.map(
      ({ id, version, offset }) => `${hex(id, 4)} v${version}@${hex(offset, 3)}`,
    ),
  };
}

function wantedIdentity(wanted: ExpectedFunction): object {
  const { length, vendor, device, rev, header_type, cls, caps, ext_caps = [] } = wanted;
  return { length, vendor, device, rev, header_type, cls, caps, ext_caps };
}

function sriovFields(sriov: Sriov): Record<string, unknown> {
  return {
    capabilities: hex(sriov.capabilities, 8),
    control: hex(sriov.control, 4),
    status: hex(sriov.status, 4),
    vf_enable: sriov.vfEnable,
    vf_mse: sriov.vfMse,
    ari_capable_hierarchy: sriov.ariCapableHierarchy,
    ari_preserved_cap: sriov.ariCapableHierarchyPreserved,
    vf_10bit_tag_cap: sriov.vf10BitTagRequester,
    vf_migration_cap: sriov.vfMigrationCapable,
    initial_vfs: sriov.initialVfs,
    total_vfs: sriov.totalVfs,
    num_vfs: sriov.numVfs,
    func_dep_link: sriov.functionDependencyLink,
    first_vf_offset: sriov.firstVfOffset,
    vf_stride: sriov.vfStride,
    vf_device_id: hex(sriov.vfDeviceId, 4),
    supported_page_sizes: hex(sriov.supportedPageSizes, 8),
    system_page_size: hex(sriov.systemPageSize, 8),
    vf_bars: sriov.vfBars.map(({ index, address, width, prefetchable }) => ({
      bar: index,
      addr: `0x${address.toString(16)}`,
      width,
      prefetch: prefetchable,
    })),
    vf_migration_state_array: hex(sriov.vfMigrationStateArrayOffset, 8),
  };
}

function checkSriov(dumped: DumpedFunction, wanted: ExpectedFunction): number {
  const config = decodeFunction(dumped.bytes);
  const entries = config.extendedCapabilities.filter(({ id }) => id === 0x10);
  assert.equal(entries.length, wanted.sriov?.length ?? 0);
  entries.forEach(({ offset, version, body }, index) => {
    const expected = wanted.sriov?.[index];
    assert(expected !== undefined && body?.kind === "sriov" && dumped.bdf !== null);
    assert.deepEqual([hex(offset, 3), version], [expected.offset, expected.version]);
    for (const [name, value] of Object.entries(sriovFields(body))) {
      assert.deepEqual(value, expected[name], `${wanted.slot} ${name}`);
    }
    const { routing } = expected;
    const numVfs = routing.basis === "num_vfs" ? body.numVfs : body.totalVfs;
    assert.equal(vfAddress(dumped.bdf, body, 0), routing.vf0);
    assert.equal(vfAddress(dumped.bdf, body, numVfs - 1), routing.vf_last);
    const { first, last } = busesOfVfs(dumped.bdf.routingId, body, numVfs);
    assert.equal(last - first, routing.extra_buses);
  });
  return entries.length;
}

function checkAri(dumped: DumpedFunction, { ari }: ExpectedFunction): void {
  if (ari === undefined) return;
  const body = findExtendedCapability(decodeFunction(dumped.bytes), "ari");
  assert.equal(body?.nextFunction, ari.next_function);
}

test("every dump of the corpus decodes to what the independent reader found", { skip }, () => {
  const stillDiffering = new Set<string>();
  let sriovCount = 0;
  for (const [file, wanted] of readExpected()) {
    const { functions, problems } = parseDump(readFileSync(corpusPath(file)), null);
    assert.deepEqual(problems, [], file);
    assert.equal(functions.length, wanted.length, file);
    functions.forEach((dumped, index) => {
      const expected = wanted[index];
      assert(expected !== undefined && dumped.bdf !== null);
      assert.equal(formatBdf(dumped.bdf), formatBdf(parseBdf(expected.slot) ?? dumped.bdf));
      assert.deepEqual(dumped.problems, []);
      const key = `${file} ${expected.slot}`;
      const [ours, theirs] = [identityOf(dumped), wantedIdentity(expected)];
      if (key in differences) {
        assert.notDeepEqual(ours, theirs, `${key} differs no longer`);
        stillDiffering.add(key);
      } else {
        assert.deepEqual(ours, theirs, key);
      }
      sriovCount += checkSriov(dumped, expected);
      checkAri(dumped, expected);
    });
  }
  assert.deepEqual([...stillDiffering].toSorted(), Object.keys(differences).toSorted());
  assert(sriovCount >= 10);
});

test("every dump of the corpus decodes as lspci says", { skip }, () => {
  const suffix = ".lspci-3.9.0-vvv.txt";
  const texts = globSync(`{hex,emulated}/**/*${suffix}`, { cwd: corpusPath("") }).toSorted();
  assert(texts.length > 40);
  for (const text of texts) {
    const { functions } = parseDump(readFileSync(corpusPath(text.slice(0, -suffix.length))), null);
    const lspci = parseLspciText(readFileSync(corpusPath(text), "utf8"));
    assert.deepEqual(lspciDifferences(functions, lspci, "sentences"), [], text);
  }
});

test("binary config files decode as the same bytes in text do", { skip }, () => {
  const { functions } = parseDump(readFileSync(corpusPath("hex/libvirt/virpcitestdata.hex")), null);
  const files = globSync("config-bin/libvirt/*.config", { cwd: corpusPath("") });
  assert.equal(files.length, functions.length);
  for (const { bdf, bytes } of functions) {
    assert(bdf !== null);
    const file = `config-bin/libvirt/${formatBdf(bdf).replaceAll(":", "-")}.config`;
    const binary = parseDump(readFileSync(corpusPath(file)), bdf).functions[0];
    assert.deepEqual(binary?.bdf, bdf);
    assert.deepEqual(decodeFunction(binary.bytes), decodeFunction(bytes), file);
  }
});
