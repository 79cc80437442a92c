// Random switches and frames for properties: few MACs and VLANs, so that addresses meet, are
// claimed twice and are in other VLANs; every driver, and every fact missing at times.

import fc from "fast-check";
import type { Frame, Port } from "./frame.ts";
import { switchTraitsOf } from "./driver-switch.ts";
import type { Certainty, Ground, SwitchState, VfPort } from "./switch-state.ts";

const unicastMacs = [
  "52:54:00:00:00:01",
  "52:54:00:00:00:02",
  "b4:96:91:00:00:10",
  "02:00:00:00:ff:ff",
  "fe:ff:ff:ff:ff:ff",
];
const mac = fc.constantFrom(...unicastMacs);
const destination = fc.oneof(
  { weight: 4, arbitrary: mac },
  { weight: 1, arbitrary: fc.constantFrom("ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01") },
);
const tag = fc.record({
  id: fc.constantFrom(0, 100, 200),
  qos: fc.constantFrom(0, 3),
  protocol: fc.constantFrom("802.1q" as const, "802.1ad" as const),
});
const flag = fc.option(fc.boolean());
const ground: fc.Arbitrary<Ground> = fc
  .constantFrom<Certainty>("yes", "yes", "yes", "no", "unknown")
  .map((certainty) => ({ certainty, why: `link ${certainty}` }));

const vfPort = (vfIndex: number): fc.Arbitrary<VfPort> =>
  fc
    .record({
      vfIndex: fc.constant(vfIndex),
      address: fc.constant(`0000:3b:02.${vfIndex % 8}`),
      mac: fc.option(mac),
      mayHaveMac: fc.constant(false),
      hasReportedMac: fc.boolean(),
      sendMac: fc.option(mac),
      vlan: fc.option(tag),
      spoofCheck: flag,
      trust: flag,
      link: ground,
      owners: fc.constant([]),
      driver: fc.constantFrom("iavf", null),
      netdev: fc.constant(null),
    })
    .chain((vf) =>
      fc.boolean().map((mayHaveMac) => ({ ...vf, mayHaveMac: vf.mac === null && mayHaveMac })),
    );

const drivers = fc.constantFrom("igb", "ixgbe", "i40e", "ice", "mlx5_core", "bnxt_en", null);

export const switchStates: fc.Arbitrary<SwitchState> = fc
  .record({
    count: fc.nat(6),
    driver: drivers,
    deviceId: fc.constantFrom(0x10c9, 0x1563),
    mode: fc.constantFrom(
      "legacy" as const,
      "legacy" as const,
      "legacy" as const,
      "switchdev" as const,
    ),
    veb: fc.constantFrom(true, true, true, false, null),
    pfPort: fc.record({
      mac: fc.option(mac),
      filter: fc.option(fc.uniqueArray(mac, { maxLength: 3 })),
      filterCapacity: fc.constant(null),
      bridge: fc.option(fc.constant("br0")),
      guests: fc.constant(null),
      link: ground,
    }),
    uplink: ground,
    mtu: fc.constantFrom(1500, null),
  })
  .chain(({ count, driver, deviceId, veb, ...rest }) =>
    fc.tuple(...Array.from({ length: count }, (_, vfIndex) => vfPort(vfIndex))).map((vfs) => ({
      ...rest,
      pf: "0000:3b:00.0",
      name: "ens1f0",
      traits: switchTraitsOf(driver, deviceId),
      isVeb: { value: veb, why: "as drawn" },
      vfs,
    })),
  );

export const frames: fc.Arbitrary<Frame> = fc.record({
  destination,
  source: fc.option(mac),
  tag: fc.option(tag),
  etherType: fc.constantFrom(0x0800, 0x8808, 0x88cc),
  sizeBytes: fc.constantFrom(64, 1514, 9000),
});

/** `nth` picks one of the ports of a switch. */
export function portOf({ vfs }: SwitchState, nth: number): Port {
  const place = nth % (vfs.length + 2);
  const vf = vfs[place];
  if (vf !== undefined) return { kind: "vf", vfIndex: vf.vfIndex };
  return place === vfs.length ? { kind: "pf" } : { kind: "uplink" };
}
