// The kernel's numbers under the kernel's own names, so that a test can compare each with the
// headers of the machine (include/uapi/linux/*.h) and a reader can grep for them there.

/** linux/netlink.h */
export const netlinkNumber = {
  NETLINK_ROUTE: 0,
  NETLINK_KOBJECT_UEVENT: 15,
  NETLINK_GENERIC: 16,
  NETLINK_CAP_ACK: 10,
  NETLINK_EXT_ACK: 11,
  NETLINK_GET_STRICT_CHK: 12,
  NLM_F_REQUEST: 0x01,
  NLM_F_MULTI: 0x02,
  NLM_F_ACK: 0x04,
  NLM_F_DUMP_INTR: 0x10,
  NLM_F_DUMP_FILTERED: 0x20,
  NLM_F_ROOT: 0x100,
  NLM_F_MATCH: 0x200,
  NLM_F_EXCL: 0x200,
  NLM_F_CREATE: 0x400,
  NLM_F_APPEND: 0x800,
  NLM_F_CAPPED: 0x100,
  NLM_F_ACK_TLVS: 0x200,
  NLMSG_NOOP: 1,
  NLMSG_ERROR: 2,
  NLMSG_DONE: 3,
  NLMSG_OVERRUN: 4,
  NLMSGERR_ATTR_MSG: 1,
  NLMSGERR_ATTR_OFFS: 2,
} as const;

/** NLA_F_NESTED and NLA_F_NET_BYTEORDER are the two bits above the type. */
export const attributeTypeMask = 0x3fff;
/** Asked for by the younger requests only. */
export const nestedFlag = 0x8000;

/** linux/rtnetlink.h */
export const rtnetlinkNumber = {
  RTM_NEWLINK: 16,
  RTM_DELLINK: 17,
  RTM_GETLINK: 18,
  RTM_SETLINK: 19,
  RTM_NEWADDR: 20,
  RTM_GETADDR: 22,
  RTM_NEWROUTE: 24,
  RTM_GETROUTE: 26,
  RTM_NEWLINKPROP: 108,
  RTM_DELLINKPROP: 109,
  RTEXT_FILTER_VF: 1,
  RTEXT_FILTER_SKIP_STATS: 8,
  RTA_DST: 1,
  RTA_OIF: 4,
  RTA_GATEWAY: 5,
  RTA_PRIORITY: 6,
  RTA_MULTIPATH: 9,
  RTA_TABLE: 15,
  RTA_VIA: 18,
  RTN_UNICAST: 1,
  RT_SCOPE_LINK: 253,
  RTPROT_KERNEL: 2,
  RT_TABLE_LOCAL: 255,
} as const;

/** linux/if_addr.h */
export const addressNumber = { IFA_ADDRESS: 1, IFA_LOCAL: 2 } as const;

/** linux/if.h */
export const interfaceFlag = { IFF_UP: 0x1, IFF_RUNNING: 0x40, IFF_LOWER_UP: 0x10000 } as const;

/** linux/if_link.h: attributes of a link. */
export const linkAttribute = {
  IFLA_ADDRESS: 1,
  IFLA_IFNAME: 3,
  IFLA_MTU: 4,
  IFLA_LINK: 5,
  IFLA_MASTER: 10,
  IFLA_OPERSTATE: 16,
  IFLA_LINKINFO: 18,
  IFLA_NUM_VF: 21,
  IFLA_VFINFO_LIST: 22,
  IFLA_EXT_MASK: 29,
  IFLA_CARRIER: 33,
  IFLA_PHYS_PORT_ID: 34,
  IFLA_PHYS_SWITCH_ID: 36,
  IFLA_LINK_NETNSID: 37,
  IFLA_PHYS_PORT_NAME: 38,
  IFLA_PROP_LIST: 52,
  IFLA_ALT_IFNAME: 53,
  IFLA_PERM_ADDRESS: 54,
  IFLA_PARENT_DEV_NAME: 56,
  IFLA_PARENT_DEV_BUS_NAME: 57,
} as const;

/** linux/if_link.h: numbers of a link that say nothing of whose it is. */
export const harmlessLinkAttribute = {
  IFLA_MTU: 4,
  IFLA_LINK: 5,
  IFLA_MASTER: 10,
  IFLA_TXQLEN: 13,
  IFLA_OPERSTATE: 16,
  IFLA_LINKMODE: 17,
  IFLA_NUM_VF: 21,
  IFLA_GROUP: 27,
  IFLA_PROMISCUITY: 30,
  IFLA_NUM_TX_QUEUES: 31,
  IFLA_NUM_RX_QUEUES: 32,
  IFLA_CARRIER: 33,
  IFLA_CARRIER_CHANGES: 35,
  IFLA_LINK_NETNSID: 37,
  IFLA_PROTO_DOWN: 39,
  IFLA_MIN_MTU: 50,
  IFLA_MAX_MTU: 51,
} as const;

export const linkInfoAttribute = { IFLA_INFO_KIND: 1 } as const;

/** linux/if_link.h: what a VF_INFO holds. */
export const vfAttribute = {
  IFLA_VF_INFO: 1,
  IFLA_VF_MAC: 1,
  IFLA_VF_VLAN: 2,
  IFLA_VF_TX_RATE: 3,
  IFLA_VF_SPOOFCHK: 4,
  IFLA_VF_LINK_STATE: 5,
  IFLA_VF_RATE: 6,
  IFLA_VF_RSS_QUERY_EN: 7,
  IFLA_VF_STATS: 8,
  IFLA_VF_TRUST: 9,
  IFLA_VF_IB_NODE_GUID: 10,
  IFLA_VF_IB_PORT_GUID: 11,
  IFLA_VF_VLAN_LIST: 12,
  IFLA_VF_BROADCAST: 13,
  IFLA_VF_VLAN_INFO: 1,
  IFLA_VF_LINK_STATE_AUTO: 0,
  IFLA_VF_LINK_STATE_ENABLE: 1,
  IFLA_VF_LINK_STATE_DISABLE: 2,
} as const;

/** linux/genetlink.h */
export const genericNumber = {
  CTRL_CMD_GETFAMILY: 3,
  CTRL_ATTR_FAMILY_ID: 1,
  CTRL_ATTR_FAMILY_NAME: 2,
} as const;

/** GENL_ID_CTRL: NLMSG_MIN_TYPE, the one family whose number is fixed. */
export const controllerFamilyId = 0x10;

/** linux/devlink.h */
export const devlinkNumber = {
  DEVLINK_CMD_ESWITCH_GET: 29,
  DEVLINK_CMD_ESWITCH_SET: 30,
  DEVLINK_ATTR_BUS_NAME: 1,
  DEVLINK_ATTR_DEV_NAME: 2,
  DEVLINK_ATTR_ESWITCH_MODE: 25,
  DEVLINK_ESWITCH_MODE_LEGACY: 0,
  DEVLINK_ESWITCH_MODE_SWITCHDEV: 1,
} as const;

/** linux/if_ether.h */
export const etherType = { ETH_P_8021Q: 0x8100, ETH_P_8021AD: 0x88a8 } as const;

/** linux/if_arp.h: ifi_type. */
export const hardwareType = { ARPHRD_ETHER: 1, ARPHRD_INFINIBAND: 32 } as const;
