// What each PF driver makes its card's switch do, as a table. Every entry names where it was read
// (Linux 6.12, drivers/net/ethernet) or measured; null is "not known for this driver" and is
// reported as such. A driver that is not listed knows nothing.

/** A fact about a driver with its authority; `value` null: not known. */
export type DriverFact<T> = { readonly value: T | null; readonly reference: string };

export type SwitchTraits = {
  readonly driver: string;
  /** Frames between VFs turn round in the card once there are VFs, unless it is told otherwise. */
  readonly isVebByDefault: DriverFact<boolean>;
  /** What becomes of a unicast frame whose MAC is here, but in another VLAN. */
  readonly macInOtherVlan: DriverFact<"to-uplink" | "lost">;
  /** The guest of a VF with a port VLAN sends a tag of its own. */
  readonly tagUnderPortVlan: DriverFact<"dropped" | "kept-inside">;
  /** The spoof check looks at VLANs too: only those that the VF's driver has asked for. */
  readonly checksVlan: DriverFact<boolean>;
  /** The spoof check compares with one MAC; otherwise with all that the VF has registered. */
  readonly checksOneMac: DriverFact<boolean>;
  /** A promiscuous PF, as below a bridge, gets what VFs send to addresses that are not here. */
  readonly promiscuousPfSeesVfs: DriverFact<boolean>;
  /** A trusted VF may be promiscuous and then gets what comes from the wire for nobody here. */
  readonly trustedVfSeesWire: DriverFact<boolean>;
  /** The same of what is sent here to nobody here. */
  readonly trustedVfSeesOthers: DriverFact<boolean>;
  /** Who may take all multicast frames without joining their groups. */
  readonly allMulticast: DriverFact<"any VF" | "trusted VFs">;
  /** An address that both a VF and the PF's filter claim. */
  readonly claimedTwice: DriverFact<"both" | "pf">;
  /** VFs have no link while the PF's interface is down. */
  readonly vfNeedsPfUp: DriverFact<boolean>;
  /** Link state `enable` gives a VF a link without a wire. */
  readonly canForceLink: DriverFact<boolean>;
  /** EtherTypes that the card drops when a VF sends them. */
  readonly refusedEthertypes: DriverFact<readonly number[]>;
  /** Unicast addresses that the PF's filter holds. */
  readonly filterCapacity: DriverFact<(pf: { deviceId: number; numVfs: number }) => number | null>;
  readonly whenFilterIsFull: DriverFact<string>;
};

const unknown = { value: null, reference: "not known for this driver" } as const;
const fact = <T>(value: T, reference: string): DriverFact<T> => ({ value, reference });
const open = (reference: string): DriverFact<never> => ({ value: null, reference });

const nothingKnown: Omit<SwitchTraits, "driver"> = {
  isVebByDefault: unknown,
  macInOtherVlan: unknown,
  tagUnderPortVlan: unknown,
  checksVlan: unknown,
  checksOneMac: unknown,
  promiscuousPfSeesVfs: unknown,
  trustedVfSeesWire: unknown,
  trustedVfSeesOthers: unknown,
  allMulticast: unknown,
  claimedTwice: unknown,
  vfNeedsPfUp: unknown,
  canForceLink: unknown,
  refusedEthertypes: unknown,
  filterCapacity: unknown,
  whenFilterIsFull: unknown,
};

const pause = 0x8808;
const lldp = 0x88cc;
/** 82576 and its variants; the others of igb that have VFs are I350 and I354. */
const is82576 = (deviceId: number): boolean =>
  [0x10c9, 0x10e6, 0x10e7, 0x10e8, 0x1518, 0x1526, 0x150a, 0x150d].includes(deviceId);
const isX550 = (deviceId: number): boolean => deviceId >= 0x1563 && deviceId <= 0x15e5;

const isX540 = (deviceId: number): boolean => [0x1528, 0x1560].includes(deviceId);
/** Most of them: some that came later have higher numbers. */
const is82599 = (deviceId: number): boolean => deviceId < 0x1528;

const igb: SwitchTraits = {
  ...nothingKnown,
  driver: "igb",
  isVebByDefault: fact(true, "igb_main.c igb_vmm_control(): loopback on when there are VFs"),
  macInOtherVlan: open("the 82576 filters by VLAN after the address has matched"),
  tagUnderPortVlan: open(
    "igb_main.c igb_set_vmvir() always inserts; a tag in the frame is not said",
  ),
  checksVlan: fact(true, "igb_main.c igb_ndo_set_vf_spoofchk(): MAC and VLAN bits together"),
  checksOneMac: fact(false, "igb_main.c igb_set_vf_mac_filter(): further addresses of a VF"),
  promiscuousPfSeesVfs: open("igb_main.c igb_set_rx_mode(): uses the UTA of the 82576"),
  trustedVfSeesWire: fact(false, "igb_main.c igb_set_vf_promisc(): multicast only"),
  trustedVfSeesOthers: fact(false, "igb_main.c igb_set_vf_promisc(): multicast only"),
  allMulticast: fact("any VF", "igb_main.c igb_set_vf_promisc() asks for no trust"),
  vfNeedsPfUp: fact(true, "igb_main.c igb_ndo_set_vf_mac(): the PF device has to be up"),
  canForceLink: fact(false, "igb has no ndo_set_vf_link_state"),
  refusedEthertypes: fact([], "igb_main.c sets no EtherType filter for VFs"),
  filterCapacity: fact(
    ({ deviceId, numVfs }) => (is82576(deviceId) ? 24 : 32) - numVfs - 1,
    "e1000_82575.c rar_entry_count, less one a VF and the PF's own (igb_available_rars())",
  ),
  whenFilterIsFull: fact(
    "igb refuses the entry with ENOMEM",
    "igb_main.c igb_ndo_fdb_add(): netdev_uc_count() against igb_available_rars()",
  ),
};

const ixgbe: SwitchTraits = {
  ...nothingKnown,
  driver: "ixgbe",
  isVebByDefault: fact(true, "ixgbe_sriov.c __ixgbe_enable_sriov(): BRIDGE_MODE_VEB"),
  macInOtherVlan: open("the 82599 filters by VLAN after the address has matched"),
  tagUnderPortVlan: open(
    "ixgbe_sriov.c ixgbe_set_vmvir() always inserts; a tag in the frame is not said",
  ),
  checksVlan: fact(true, "ixgbe_sriov.c ixgbe_ndo_set_vf_spoofchk(): set_vlan_anti_spoofing"),
  checksOneMac: fact(false, "ixgbe_sriov.c ixgbe_set_vf_macvlan(): further addresses of a VF"),
  promiscuousPfSeesVfs: fact(false, "measured on an 82599 by sriov-mac-sync, hardware-notes.md"),
  trustedVfSeesWire: open(
    "ixgbe_sriov.c ixgbe_update_vf_xcast_mode(): with trust, not on an 82599",
  ),
  trustedVfSeesOthers: open("ixgbe_sriov.c ixgbe_update_vf_xcast_mode() sets VMOLR.UPE"),
  allMulticast: fact("trusted VFs", "ixgbe_sriov.c ixgbe_update_vf_xcast_mode()"),
  claimedTwice: fact("pf", "measured on an 82599 by sriov-mac-sync, hardware-notes.md"),
  vfNeedsPfUp: fact(true, "ixgbe_sriov.c: bring the PF device up before using the VF device"),
  canForceLink: fact(false, "ixgbe_sriov.c ixgbe_ndo_set_vf_link_state(): enable is not supported"),
  refusedEthertypes: open(
    "X550 refuses pause and LLDP with the spoof check on, older ones nothing",
  ),
  filterCapacity: fact(
    ({ numVfs }) => 128 - numVfs - 1,
    "num_rar_entries of ixgbe_82599.c, _x540.c and _x550.c, less one a VF and the PF's own",
  ),
  whenFilterIsFull: fact(
    "the PF becomes promiscuous without a word",
    "ixgbe_main.c ixgbe_set_rx_mode(): FCTRL_UPE when ixgbe_add_mac_filter() finds no room",
  ),
};

const i40e: SwitchTraits = {
  ...nothingKnown,
  driver: "i40e",
  isVebByDefault: fact(
    true,
    "i40e_main.c i40e_pci_sriov_configure(): VEB mode before the first VF",
  ),
  macInOtherVlan: fact(
    "to-uplink",
    "i40e_main.c i40e_add_filter(): filters are pairs of MAC and VLAN",
  ),
  tagUnderPortVlan: open("i40e_main.c i40e_vsi_add_pvid() inserts; a tag in the frame is not said"),
  checksVlan: fact(true, "i40e_virtchnl_pf.c i40e_ndo_set_vf_spoofchk(): VLAN_CHK and MAC_CHK"),
  checksOneMac: fact(
    false,
    "i40e_virtchnl_pf.c i40e_vc_add_mac_addr_msg(): filters of the VF's VSI",
  ),
  promiscuousPfSeesVfs: fact(false, "i40e_main.c i40e_set_promiscuous(): will not get VF traffic"),
  trustedVfSeesWire: fact(
    true,
    "i40e_virtchnl_pf.c i40e_vc_config_promiscuous_mode_msg(): privileged VFs",
  ),
  trustedVfSeesOthers: open("the firmware's business: i40e_aq_set_vsi_unicast_promiscuous()"),
  allMulticast: fact(
    "trusted VFs",
    "i40e_virtchnl_pf.c i40e_vc_config_promiscuous_mode_msg(): privileged VFs",
  ),
  claimedTwice: fact("both", "measured on an X710 by sriov-mac-sync, hardware-notes.md"),
  canForceLink: fact(true, "i40e_virtchnl_pf.c i40e_ndo_set_vf_link_state()"),
  refusedEthertypes: fact(
    [pause],
    "i40e_common.c i40e_add_filter_to_drop_tx_flow_control_frames()",
  ),
  filterCapacity: open("the firmware's table; i40e has no constant for it"),
  whenFilterIsFull: fact(
    "the PF becomes promiscuous and the kernel log says so",
    "i40e_main.c i40e_aqc_add_filters(): promiscuous mode forced on",
  ),
};

const ice: SwitchTraits = {
  ...nothingKnown,
  driver: "ice",
  isVebByDefault: fact(true, "ice_common.c ice_init_hw(): evb_veb"),
  macInOtherVlan: fact(
    "lost",
    "ice_switch.c looks MACs up alone; the VSI prunes by VLAN afterwards",
  ),
  tagUnderPortVlan: fact("dropped", "ice_vsi_vlan_lib.c: port VLAN accepts untagged only"),
  checksVlan: fact(true, "ice_vf_lib.c ice_vsi_ena_spoofchk(): ena_tx_filtering"),
  checksOneMac: fact(false, "ice_virtchnl.c ice_vc_add_mac_addr(): filters of the VF's VSI"),
  promiscuousPfSeesVfs: fact(false, "ice_lib.c ice_set_dflt_vsi(): receive direction only"),
  trustedVfSeesWire: fact(true, "ice_virtchnl.c ice_vc_cfg_promiscuous_mode_msg(): privileged VFs"),
  trustedVfSeesOthers: open(
    "ice_virtchnl.c ice_vc_cfg_promiscuous_mode_msg(): depends on vf-true-promisc-support",
  ),
  allMulticast: fact(
    "trusted VFs",
    "ice_virtchnl.c ice_vc_cfg_promiscuous_mode_msg(): privileged VFs",
  ),
  canForceLink: fact(true, "ice_sriov.c ice_set_vf_link_state()"),
  refusedEthertypes: fact([pause, lldp], "ice_lib.c ice_vsi_setup(): dropped when VSIs send them"),
  filterCapacity: open("the firmware's table; ice has no constant for it"),
  whenFilterIsFull: fact(
    "further addresses are dropped after one warning in the kernel log",
    "ice_main.c ice_vsi_sync_fltr(): ICE_FLTR_OVERFLOW_PROMISC is set and never read",
  ),
};

const mlx5: SwitchTraits = {
  ...nothingKnown,
  driver: "mlx5_core",
  isVebByDefault: fact(true, "esw/legacy.c: no VEPA rule unless one is set"),
  macInOtherVlan: fact(
    "lost",
    "esw/legacy.c looks MACs up alone; esw/acl/egress_lgcy.c then drops",
  ),
  tagUnderPortVlan: open("esw/acl/ingress_lgcy.c: dropped or tagged twice, as the firmware can"),
  checksVlan: fact(false, "esw/acl/ingress_lgcy.c: the spoof check matches the source MAC only"),
  checksOneMac: fact(true, "esw/acl/ingress_lgcy.c: the vport's MAC and no other"),
  promiscuousPfSeesVfs: fact(
    false,
    "eswitch.c esw_fdb_set_vport_promisc_rule(): matches frames of the uplink only",
  ),
  trustedVfSeesWire: fact(true, "eswitch.c esw_update_vport_rx_mode(): trusted vports"),
  trustedVfSeesOthers: fact(
    false,
    "eswitch.c esw_fdb_set_vport_promisc_rule(): matches frames of the uplink only",
  ),
  allMulticast: fact("trusted VFs", "eswitch.c esw_update_vport_rx_mode(): trusted vports"),
  canForceLink: fact(true, "eswitch.c mlx5_eswitch_set_vport_state()"),
  refusedEthertypes: open("the firmware's business"),
  filterCapacity: open(
    "log_max_current_uc_list of the firmware; devlink max_macs tells, often 128",
  ),
  whenFilterIsFull: fact(
    "further addresses are dropped, with a line in the kernel log",
    "en_fs.c mlx5e_vport_context_update_addr_list()",
  ),
};

const byDriver: Readonly<Record<string, SwitchTraits>> = {
  igb: igb,
  ixgbe: ixgbe,
  i40e: i40e,
  ice: ice,
  mlx5_core: mlx5,
};

/** What is known of the switch behind this driver. */
export function switchTraitsOf(driver: string | null, deviceId: number): SwitchTraits {
  if (driver === null) return { ...nothingKnown, driver: "no driver" };
  const traits = Object.hasOwn(byDriver, driver) ? byDriver[driver] : undefined;
  if (traits === undefined) return { ...nothingKnown, driver };
  if (driver !== "ixgbe") return traits;
  const reference = "ixgbe_x550.c ixgbe_set_ethertype_anti_spoofing_X550(), with the spoof check";
  const { trustedVfSeesWire, trustedVfSeesOthers } = traits;
  const isKnown = isX540(deviceId) || isX550(deviceId);
  const never = is82599(deviceId) ? false : null;
  return {
    ...traits,
    refusedEthertypes: fact(isX550(deviceId) ? [pause, lldp] : [], reference),
    trustedVfSeesWire: { ...trustedVfSeesWire, value: isKnown ? true : never },
    trustedVfSeesOthers: { ...trustedVfSeesOthers, value: never },
  };
}
