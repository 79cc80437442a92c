// Network devices: names as the kernel and systemd give them, random MACs, carrier.

import type { Machine } from "./machine.ts";
import type { NetdevState, PfState } from "./state.ts";

/** IFNAMSIZ without the terminating zero. */
const longestName = 15;

/** Of every PF and VF. */
export const netdevsOf = ({ state }: Machine): NetdevState[] =>
  state.pfs.flatMap((pf) => [
    ...(pf.netdev === null ? [] : [pf.netdev]),
    ...pf.vfs.flatMap((vf) => vf?.netdev ?? []),
  ]);

const netdevNames = (machine: Machine): Set<string> =>
  new Set(["lo", ...netdevsOf(machine).flatMap(({ name, altNames = [] }) => [name, ...altNames])]);

/** The lowest free ethN (net/core/dev.c dev_alloc_name()). */
function kernelName(machine: Machine): string {
  const names = netdevNames(machine);
  let number = 0;
  while (names.has(`eth${number}`)) number++;
  return `eth${number}`;
}

/** systemd 255 and later: the PF's name and `v` with the VF's index, where that fits. */
export function nameForVf(machine: Machine, pf: PfState, vfIndex: number): string {
  const name = pf.netdev === null ? null : `${pf.netdev.name}v${vfIndex}`;
  const isUsable = name !== null && name.length <= longestName;
  return machine.state.core.naming === "systemd" && isUsable ? name : kernelName(machine);
}

/** A locally administered unicast address, different each time (eth_random_addr()). */
export function randomMac({ state }: Machine): string {
  const { core } = state;
  const bytes: number[] = [];
  for (let index = 0; index < 6; index++) {
    // Numerical Recipes' linear congruential generator; the high bits are the random ones.
    core.macSeed = (Math.imul(core.macSeed, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.push(core.macSeed >>> 24);
  }
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

type NewNetdev = { readonly name: string; readonly mac: string; readonly isUp: boolean };

export function freshNetdev({ state }: Machine, { name, mac, isUp }: NewNetdev): NetdevState {
  const ifindex = state.core.nextIfindex++;
  const linkUpAtMs = state.core.clockMs;
  return { name, ifindex, mac, permanentMac: mac, mtu: 1500, isUp, linkUpAtMs };
}

/** How long drivers take to see what the link register says: on igb the register is up 500 ms after
 * a reset (QEMU hw/net/igb_core.c), and the carrier 550 ms after it, as measured in the lab. */
const noticeMs = 50;

/** What the driver knows. */
export const hasLink = (machine: Machine, pf: PfState): boolean =>
  pf.netdev !== null && pf.netdev.isUp && isCarrierDue(machine, pf, pf.netdev.linkUpAtMs);

/** What the card's own register says. A PF that is down has it too, as seen on QEMU's igb. */
export const isLinkRegisterUp = (machine: Machine, pf: PfState): boolean =>
  pf.netdev !== null && isCarrierDue(machine, pf, pf.netdev.linkUpAtMs - noticeMs);

const isCarrierDue = ({ state }: Machine, pf: PfState, atMs: number): boolean =>
  pf.port?.hasCable === true && state.core.clockMs >= atMs;
