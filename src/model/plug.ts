// One VF for one consumer, as data: what an adapter is asked to plug in, what a plan prints and a
// journal keeps, and enough to take the plug back or make it again.

import { formatAssignTarget, parseAssignTarget, type AssignTarget } from "./assign-target.ts";
import { parseBdf, type Address } from "./bdf.ts";
import type { Vlan } from "./vf-attribute.ts";

/** Where a plug takes effect: in what runs now, in the configuration of the next start, or both. */
const plugScopes = ["live", "persistent", "both"] as const;

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

/** A complete device instead of one of its VFs. */
export const isWhole = ({ pf, vf }: Plug): boolean => pf === vf;

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): boolean => typeof value === "string";
const isTextOrNull = (value: unknown): boolean => value === null || isText(value);
const isAddress = (value: unknown): boolean =>
  typeof value === "string" && parseBdf(value) !== null;
const isUpTo = (value: unknown, most: number): boolean =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most;

function isVlan(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { id, qos, protocol } = value;
  return isUpTo(id, 4095) && isUpTo(qos, 7) && (protocol === "802.1q" || protocol === "802.1ad");
}

function isConsumer(value: unknown): boolean {
  if (!isObject(value) || !isTextOrNull(value["device"])) return false;
  const parsed = parseAssignTarget(formatAssignTarget(value as AssignTarget));
  return parsed !== null && parsed.kind === value["kind"] && parsed.name === value["name"];
}

const fieldChecks: { readonly [Key in keyof Plug]: (value: unknown) => boolean } = {
  consumer: isConsumer,
  pf: isAddress,
  vfIndex: (value) => isUpTo(value, 65_535),
  vf: isAddress,
  mac: isTextOrNull,
  vlan: (value) => value === null || isVlan(value),
  scope: (value) => plugScopes.some((scope) => scope === value),
  form: (value) => value === null || value === "interface" || value === "hostdev",
  endpoint: isTextOrNull,
  failover: isTextOrNull,
  vfToken: isTextOrNull,
  ipAddresses: (value) => Array.isArray(value) && value.every(isText),
  user: isTextOrNull,
};

/** Whether a value from a file is a plug; nothing else about it is believed. */
export const isPlug = (value: unknown): value is Plug =>
  isObject(value) && Object.entries(fieldChecks).every(([key, check]) => check(value[key]));
