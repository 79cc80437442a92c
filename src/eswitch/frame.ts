// A frame as the switch sees it: addresses, the tags that its sender put on, type and length; and
// who put it into the switch.

import { isMulticastMac } from "../model/mac.ts";
import type { VlanProtocol } from "../model/vf-attribute.ts";

/** An 802.1Q or 802.1ad tag. */
export type Tag = { readonly id: number; readonly qos: number; readonly protocol: VlanProtocol };

export type Frame = {
  readonly destination: string;
  /** null: the sender's own, whatever that is. */
  readonly source: string | null;
  /** What the sender itself puts on; null: untagged. */
  readonly tag: Tag | null;
  readonly etherType: number;
  /** From the destination address to the end of the payload, without tag and checksum. */
  readonly sizeBytes: number;
};

/** Where a frame enters the switch or leaves it. A guest of a bridge uses the PF's port. */
export type Port =
  | { readonly kind: "vf"; readonly vfIndex: number }
  | { readonly kind: "pf" }
  | { readonly kind: "uplink" };

export const broadcastMac = "ff:ff:ff:ff:ff:ff";

export type FrameClass = "unicast" | "broadcast" | "multicast";

export function classOf(destination: string): FrameClass {
  if (destination === broadcastMac) return "broadcast";
  return isMulticastMac(destination) ? "multicast" : "unicast";
}

export const isSamePort = (one: Port, other: Port): boolean =>
  one.kind === other.kind &&
  (one.kind !== "vf" || other.kind !== "vf" || one.vfIndex === other.vfIndex);
