// With which certainty a port takes a frame of a VLAN: what a VF's filter and link let through, and
// what the host's end of the PF does.

import {
  maybe,
  no,
  unknown,
  vlanIdOf,
  vlanPort,
  vlanTrunk,
  yes,
  type CompiledSwitch,
} from "./compiled-switch.ts";

export function vfTakes(
  { link, vlanKind, vlanTag }: CompiledSwitch,
  port: number,
  id: number,
): number {
  const kind = vlanKind[port];
  if (kind === vlanPort) return vlanIdOf(vlanTag[port] ?? 0) === id ? (link[port] ?? 0) : no;
  const accepts = kind === vlanTrunk ? (id === 0 ? yes : maybe) : unknown;
  return Math.min(link[port] ?? 0, accepts);
}

export const hostTakes = ({ link, pf }: CompiledSwitch, id: number): number =>
  Math.min(link[pf] ?? 0, id === 0 ? yes : maybe);
