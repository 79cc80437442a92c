// One VF for one consumer, as data: what an adapter is asked to plug in, what a plan prints and a
// journal keeps, and enough to take the plug back or make it again.

import type { AssignTarget } from "./assign-target.ts";
import type { Address } from "./bdf.ts";
import type { Vlan } from "./vf-attribute.ts";

/** Where a plug takes effect: in what runs now, in the configuration of the next start, or both. */
export const plugScopes = ["live", "persistent", "both"] as const;

type PlugScope = (typeof plugScopes)[number];

export type Plug = {
  /** `device` is the alias, device ID, `hostpciN` or interface name that the VF gets there. */
  readonly consumer: AssignTarget;
  readonly pf: Address;
  readonly vfIndex: number;
  /** The VF's own BDF. */
  readonly vf: Address;
  /** MAC that the consumer's NIC has; null: the VF's own. The PF has been told before the plug. */
  readonly mac: string | null;
  /** Port VLAN; null: none. The PF has been told before the plug. */
  readonly vlan: Vlan | null;
  readonly scope: PlugScope;
  /** libvirt: `interface` lets libvirt program MAC and VLAN (XML says both), `hostdev` is the device alone. */
  readonly form: "interface" | "hostdev" | null;
  /** Connection URI (libvirt), QMP socket (qemu); null: the default. */
  readonly endpoint: string | null;
  /** Device ID or alias of the virtio NIC that stands in for the VF; null: none. */
  readonly failover: string | null;
  /** UUID that the PF's user-space driver wants from users of its VFs; null: none. */
  readonly vfToken: string | null;
  /** IP addresses with prefix that the interface gets (netns and containers). */
  readonly ipAddresses: readonly string[];
  /** User that may open the vfio group (dpdk, qemu); null: nobody is given it. */
  readonly user: string | null;
};
