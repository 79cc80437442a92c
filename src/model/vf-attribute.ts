// What can be said about a VF through its PF. `VfPolicy` is what a driver reports, one field per
// attribute, null where it does not report it. `VfAttribute` is one setting: the payload of one
// netlink message, because the kernel stops at the first error and keeps what came before
// (net/core/rtnetlink.c do_setvfinfo()).

export type LinkStatePolicy = "auto" | "enable" | "disable";
export type VlanProtocol = "802.1q" | "802.1ad";

export type Vlan = {
  /** 0 to 4095; 0 with qos 0 means "no port VLAN": tags of the guest pass. */
  readonly id: number;
  /** 0 to 7. */
  readonly qos: number;
  readonly protocol: VlanProtocol;
};

export type VfPolicy = {
  /** `00:00:00:00:00:00` means that nobody set one. */
  readonly mac: string | null;
  readonly vlan: Vlan | null;
  /** 0 means no guarantee. */
  readonly txRateMinMbps: number | null;
  /** 0 means no limit. */
  readonly txRateMaxMbps: number | null;
  readonly spoofCheck: boolean | null;
  readonly trust: boolean | null;
  readonly linkState: LinkStatePolicy | null;
  readonly rssQuery: boolean | null;
  /** 16 hex digits in pairs, InfiniBand only. */
  readonly nodeGuid: string | null;
  readonly portGuid: string | null;
};

export const noPolicy: VfPolicy = {
  mac: null,
  vlan: null,
  txRateMinMbps: null,
  txRateMaxMbps: null,
  spoofCheck: null,
  trust: null,
  linkState: null,
  rssQuery: null,
  nodeGuid: null,
  portGuid: null,
};

export type VfAttribute =
  | { readonly name: "mac"; readonly mac: string }
  | { readonly name: "vlan"; readonly vlan: Vlan }
  | { readonly name: "rate"; readonly txRateMinMbps: number; readonly txRateMaxMbps: number }
  | { readonly name: "spoofCheck"; readonly isOn: boolean }
  | { readonly name: "trust"; readonly isOn: boolean }
  | { readonly name: "linkState"; readonly linkState: LinkStatePolicy }
  | { readonly name: "rssQuery"; readonly isOn: boolean }
  | { readonly name: "nodeGuid"; readonly guid: string }
  | { readonly name: "portGuid"; readonly guid: string };

export type VfAttributeName = VfAttribute["name"];
