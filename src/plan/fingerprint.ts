// A short number for "the host as the plan saw it": a saved plan is refused when the number is
// another one now. It covers what plans are computed from and who uses what; counters, link
// states and process ids come and go without making a plan wrong.

import type { Inventory, Pf, Vf } from "../model/inventory.ts";

const ownersOf = ({ owners }: Pf | Vf): string[] =>
  owners.map(({ kind, name }) => `${kind}:${name}`).toSorted();

const vfFacts = (vf: Vf): unknown[] => [vf.vfIndex, vf.address, vf.driver, vf.policy, ownersOf(vf)];

const pfFacts = (pf: Pf): unknown[] => [
  pf.address,
  pf.serial,
  pf.permanentMac,
  pf.driver,
  pf.totalVfs,
  pf.numVfs,
  pf.isChanging,
  pf.driversAutoprobe,
  pf.eswitchMode,
  pf.netdevs.map(({ name, mtu, isUp }) => [name, mtu, isUp]),
  ownersOf(pf),
  pf.virtualFunctions.map(vfFacts),
];

/** FNV-1a, 64 bit in two halves of 32: no BigInt, because a host can have 65,000 VFs. */
function hashText(text: string): string {
  let low = 0x84222325;
  let high = 0xcbf29ce4;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ (code + index), 0x01000193);
  }
  const half = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
  return half(high) + half(low);
}

/** 16 hex digits; equal for inventories that give equal plans. */
export function fingerprintOf({ physicalFunctions, loadedDrivers }: Inventory): string {
  return hashText(JSON.stringify([loadedDrivers.toSorted(), physicalFunctions.map(pfFacts)]));
}
