// The switch that the benchmarks of the data path decide with, and its traffic: tenants of eight VFs
// in a VLAN each, further addresses in the PF's filter, and nothing that is not known.

import {
  emptyBatch,
  setDestination,
  setFrom,
  setSource,
  type FrameBatch,
} from "../src/eswitch/frame-batch.ts";
import { switchTraitsOf } from "../src/eswitch/driver-switch.ts";
import type { SwitchState } from "../src/eswitch/switch-state.ts";

const vfsPerVlan = 8;
const firstVlan = 100;

const macFrom = (first: number, number: number): string =>
  [first, 0x54, 0, number >> 16, number >> 8, number]
    .map((byte) => (byte & 0xff).toString(16).padStart(2, "0"))
    .join(":");

export const vfMac = (vfIndex: number): string => macFrom(0x52, vfIndex);
const guestMac = (number: number): string => macFrom(0x56, number);
const farMac = (number: number): string => macFrom(0x5a, number);

const up = { certainty: "yes", why: "as set" } as const;

/** `entries` addresses in the table, the VFs' and the PF's own among them. */
export function sceneOf(numVfs: number, entries: number): SwitchState {
  return {
    pf: "0000:3b:00.0",
    name: "ens1f0",
    mode: "legacy",
    traits: switchTraitsOf("ice", 0x159b),
    isVeb: { value: true, why: "as set" },
    pfPort: {
      mac: "b4:96:91:00:00:10",
      filter: Array.from({ length: entries - numVfs - 1 }, (_, number) => guestMac(number)),
      filterCapacity: null,
      bridge: null,
      guests: null,
      link: up,
    },
    vfs: Array.from({ length: numVfs }, (_, vfIndex) => ({
      vfIndex,
      address: "0000:3b:02.0",
      mac: vfMac(vfIndex),
      mayHaveMac: false,
      hasReportedMac: true,
      sendMac: vfMac(vfIndex),
      vlan: { id: firstVlan + Math.floor(vfIndex / vfsPerVlan), qos: 0, protocol: "802.1q" },
      spoofCheck: true,
      trust: false,
      link: up,
      owners: [],
      driver: "vfio-pci",
      netdev: null,
    })),
    uplink: up,
    mtu: 1500,
  };
}

/** Numerical Recipes' generator: the same traffic in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Of 100 frames 2 are spoofed; 85 stay here, half of them among the VFs of a VLAN and half for any
 * address in the PF's filter; 12 leave, 3 are for all. */
export function sceneTraffic({ vfs, pfPort }: SwitchState, length: number): FrameBatch {
  const numVfs = vfs.length;
  const filter = pfPort.filter ?? [];
  const batch = emptyBatch(length);
  const random = generator(7);
  for (let at = 0; at < length; at++) {
    const from = random(numVfs);
    const vlan = Math.floor(from / vfsPerVlan);
    const kind = random(100);
    const local = (vlan * vfsPerVlan + random(vfsPerVlan)) % numVfs;
    setFrom(batch, at, from);
    const guest = filter[random(filter.length)] ?? vfMac(local);
    const here = kind % 2 === 0 ? vfMac(local) : guest;
    const to = kind < 85 ? here : kind < 97 ? farMac(random(4096)) : "ff:ff:ff:ff:ff:ff";
    setDestination(batch, at, to);
    setSource(batch, at, random(100) < 2 ? farMac(9999) : vfMac(from));
  }
  return batch;
}
