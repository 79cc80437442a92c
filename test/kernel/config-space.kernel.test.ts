// Our decoding of the config space of every function in the lab, with VFs on, against two
// independent witnesses: lspci's reading of the same bytes, and the addresses at which the kernel
// made the VFs.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { parseBdf } from "../../src/model/bdf.ts";
import type { Sriov } from "../../src/pci/capability/sriov.ts";
import { decodeFunction } from "../../src/pci/decode-function.ts";
import { parseLspci } from "../../src/pci/dump.ts";
import type { FunctionConfig } from "../../src/pci/function-config.ts";
import { findExtendedCapability } from "../../src/pci/function-config.ts";
import { vfAddresses } from "../../src/pci/routing-id.ts";
import { type Lab, bootLab } from "./lab.ts";
import { labSkipReason } from "./lab-unavailable.ts";

const numVfs: Readonly<Record<string, number>> = {
  "0000:00:06.0": 2,
  "0000:01:00.0": 7,
  "0000:03:00.0": 10,
  "0000:09:00.1": 3,
};

type Seen = { readonly text: string; readonly config: FunctionConfig };

/** Both readings of each function of an `lspci -vvv -xxxx`, by address. */
function functionsOf(dump: string): Map<string, Seen> {
  const sections = dump.split(/\n(?=[0-9a-f]{4}:)/);
  return new Map(
    sections.map((text) => {
      const [found] = parseLspci(text).functions;
      assert.ok(found !== undefined, `no bytes in ${text.slice(0, 40)}`);
      return [text.slice(0, "0000:00:00.0".length), { text, config: decodeFunction(found.bytes) }];
    }),
  );
}

/** `[70]` and `[100 v1]` of lspci's lines, in its order. */
const capabilitiesInText = (text: string): string[] =>
  [...text.matchAll(/^\tCapabilities: \[([0-9a-f]+)( v\d+)?\]/gm)].map(
    ([, offset, version]) => `${offset}${version ?? ""}`,
  );

const capabilitiesDecoded = ({ capabilities, extendedCapabilities }: FunctionConfig): string[] => [
  ...capabilities.map(({ offset }) => offset.toString(16)),
  ...extendedCapabilities.map(({ offset, version }) => `${offset.toString(16)} v${version}`),
];

/** The SR-IOV lines of lspci 3.9 and later as we would write them. */
function sriovText(sriov: Sriov): string[] {
  const flag = (name: string, isOn: boolean): string => `${name}${isOn ? "+" : "-"}`;
  const hex = (value: number | bigint, digits: number): string =>
    value.toString(16).padStart(digits, "0");
  const bars = sriov.vfBars.map(
    ({ index, address, width, prefetchable }) =>
      `Region ${index}: Memory at ${hex(address, width === 64 ? 16 : 8)} ` +
      `(${width}-bit, ${prefetchable ? "" : "non-"}prefetchable)`,
  );
  return [
    `Initial VFs: ${sriov.initialVfs}, Total VFs: ${sriov.totalVfs}, Number of VFs: ${sriov.numVfs}`,
    `Function Dependency Link: ${hex(sriov.functionDependencyLink, 2)}`,
    `VF offset: ${sriov.firstVfOffset}, stride: ${sriov.vfStride}`,
    `Device ID: ${hex(sriov.vfDeviceId, 4)}`,
    `Supported Page Size: ${hex(sriov.supportedPageSizes, 8)}`,
    `System Page Size: ${hex(sriov.systemPageSize, 8)}`,
    flag("Enable", sriov.vfEnable),
    flag("MSE", sriov.vfMse),
    flag("ARIHierarchy", sriov.ariCapableHierarchy),
    ...bars,
  ];
}

suite("config space", { skip: labSkipReason() }, () => {
  let lab: Lab;
  let functions = new Map<string, Seen>();
  before(async () => {
    lab = await bootLab();
    const enable = Object.entries(numVfs).map(
      ([pf, count]) => `
        echo 0 > /sys/bus/pci/devices/${pf}/sriov_drivers_autoprobe
        echo ${count} > /sys/bus/pci/devices/${pf}/sriov_numvfs`,
    );
    await lab.check(`modprobe igb; modprobe nvme; ${enable.join("")}`);
    functions = functionsOf(await lab.check("lspci -D -vvv -xxxx"));
  });
  after(() => lab?.close());

  test("no function of the lab has a problem", () => {
    const problems = [...functions].flatMap(([address, { config }]) =>
      config.problems.map(({ message }) => `${address} ${message}`),
    );
    assert.deepEqual(problems, []);
    assert.ok(functions.size > 40, `${functions.size} functions`);
  });

  test("lspci finds the same capabilities at the same offsets", () => {
    for (const [address, { text, config }] of functions) {
      assert.deepEqual(capabilitiesDecoded(config), capabilitiesInText(text), address);
    }
  });

  test("lspci reads the same SR-IOV fields, and the kernel put the VFs where we say", async () => {
    const pfs = [...functions].flatMap(([address, { text, config }]) => {
      const sriov = findExtendedCapability(config, "sriov");
      return sriov === null ? [] : [{ address, text, sriov }];
    });
    const links = await lab.check(
      "cd /sys/bus/pci/devices; for l in */virtfn*; do echo $l $(basename $(readlink $l)); done",
    );
    for (const { address, text, sriov } of pfs) {
      const section = text.slice(text.indexOf("(SR-IOV)"));
      const missing = sriovText(sriov).filter((part) => !section.includes(part));
      assert.deepEqual(missing, [], `${address}: not in ${section}`);
      assert.equal(sriov.numVfs, numVfs[address] ?? 0);
      const bdf = parseBdf(address);
      assert.ok(bdf !== null);
      const expected = vfAddresses(bdf, sriov, sriov.numVfs).map(
        (vf, vfIndex) => `${address}/virtfn${vfIndex} ${vf}`,
      );
      const found = links.split("\n").filter((line) => line.startsWith(`${address}/`));
      assert.deepEqual(found.toSorted(), expected.toSorted());
    }
    assert.equal(pfs.length, 9);
  });
});
