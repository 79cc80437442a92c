// Random spec documents that are sound: every reference leads somewhere, VF sets are disjoint.
// For properties that need a spec which the parser takes.

import fc from "fast-check";
import type { SpecDocument } from "../spec-format.ts";

const without = <T extends object>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(shape, { requiredKeys: [] });

const hexPair = fc.integer({ min: 0, max: 255 }).map((byte) => byte.toString(16).padStart(2, "0"));
const mac = fc
  .array(hexPair, { minLength: 5, maxLength: 5 })
  .map((pairs) => ["02", ...pairs].join(":"));
const onOff = fc.constantFrom("on" as const, "off" as const, true, false, "default" as const);
const driver = fc.constantFrom("none", "kernel", "vfio-pci", "igbvf", "1e3");
const rate = fc.oneof(fc.nat(1000), fc.constantFrom("2Gbit", "2500Mbit", "1.5Gbit"));
const reason = fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => /\S/.test(text));

const policy = without({
  mac: fc.constantFrom("auto" as const, "default" as const),
  vlan: fc.oneof(
    fc.constantFrom("none" as const, "default" as const, 1, 4094),
    fc.record({ id: fc.integer({ min: 1, max: 4094 }), qos: fc.nat(7) }),
  ),
  rate: fc.oneof(fc.constant("default" as const), without({ max: rate })),
  spoofCheck: onOff,
  trust: onOff,
  linkState: fc.constantFrom("auto" as const, "enable" as const, "disable" as const),
  msix: fc.oneof(fc.integer({ min: 1, max: 2048 }), fc.constant("default" as const)),
  waive: fc.record({ reason, until: fc.constantFrom("2027-06-01", "2028-02-29") }),
});

const serial = fc.constantFrom("b4-96-91-ff-ff-00-00-10", "0012", "1e3", "12:30", "on", "null", 77);

/** One PF of 8 VFs and another of unknown count; each entry takes VFs that no other has. */
export const specDocument: fc.Arbitrary<SpecDocument> = fc
  .record({
    serial,
    mac,
    defaults: fc.record(
      { unassigned: driver, altNames: fc.constantFrom("on", "off") },
      { requiredKeys: [] },
    ),
    profile: policy,
    pool: policy,
    entry: policy,
    entryMac: mac,
    assign: policy,
    protect: fc.uniqueArray(fc.constantFrom("storage", "management", "on")),
    driver,
  })
  .map((some): SpecDocument => ({
    apiVersion: "sriovctl/v1",
    defaults: some.defaults,
    adapters: [
      {
        name: "nic0",
        match: { serial: some.serial },
        eswitchMode: "legacy",
        physicalFunctions: [
          { name: "p0", match: { permanentMac: some.mac }, protect: some.protect, numVfs: 8 },
          { name: "p1", match: { port: 1 }, addressHint: "0000:3b:00.1" },
        ],
      },
    ],
    profiles: { tenant: some.profile, on: {} },
    pools: [{ name: "null", vfs: ["p0/0-2,4", "p1/0-4094"], profile: "tenant", ...some.pool }],
    virtualFunctions: [{ vfs: "p0/5", driver: some.driver, ...some.entry, mac: some.entryMac }],
    assign: [
      { to: "libvirt:web-1/net1", pool: "null", ...some.assign },
      { to: "netns:ci/12-30", vf: "p0/6", driver: "kernel" },
    ],
  }))
  // fast-check makes records without a prototype; a parser makes plain objects.
  .map((document) => structuredClone(document));
