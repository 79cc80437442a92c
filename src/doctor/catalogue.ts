// The catalogue that the rules answer: 58 faults that people meet (P platform, N network card, V
// VFIO and guests, T traffic) and 28 points of a security audit (S). What no rule answers has a
// reason here; docs/doctor.md shows both, and a test keeps this whole.

export type Point = {
  readonly id: string;
  readonly title: string;
  /** Why no rule answers it. */
  readonly unanswered?: string;
  /** What of it no rule answers, and why. */
  readonly leftOut?: string;
};

const refusedByPlan =
  "sriovctl plan refuses it before anything is written, by what the driver is known to support";

const point = (id: string, title: string, unanswered?: string): Point =>
  unanswered === undefined ? { id, title } : { id, title, unanswered };

export const catalogue: readonly Point[] = [
  point("P01", "IOMMU off"),
  point("P02", "Firmware offers the IOMMU, the kernel does not use it"),
  point("P03", "No interrupt remapping"),
  point("P04", "Not enough MMIO resources for SR-IOV"),
  point("P05", "VFs out of the range of bus numbers"),
  point("P06", "ARI missing with many VFs"),
  point("P07", "VF BARs not allocated"),
  point("P08", "Device ineligible because of RMRR"),
  point("P09", "Firmware wants a 1:1 mapping"),
  point("P10", "VF shares its IOMMU group"),
  point("P11", "pcie_acs_override on the command line"),
  point("P12", "Kernel lockdown keeps tools from writing config space"),
  point("P13", "NUMA node of a PF not known, or another than its guest's"),
  point("N01", "No sriov_totalvfs, or 0 by the card's firmware"),
  point("N02", "Fewer VFs allowed than wanted"),
  point("N03", "Count above sriov_totalvfs (ERANGE)"),
  point("N04", "PF without a driver (ENOENT)"),
  point("N05", "Driver without SR-IOV (ENOENT)"),
  point("N06", "VFs already enabled (EBUSY)"),
  point("N07", "Fewer VFs enabled than asked"),
  point("N08", "No MSI-X vectors left for VFs (ENOSPC)"),
  point("N09", "ixgbe cannot enable VFs (ENOMEM)"),
  point("N10", "Removing VFs hangs while a guest has one"),
  point("N11", "Driver will not free assigned VFs"),
  point("N12", "Switchdev mode fails"),
  point("N13", "Driver has no eswitch", refusedByPlan),
  point("N14", "PF not online"),
  point("N15", "VF driver finds the PF in reset"),
  point("N16", "PF without carrier, VFs follow it"),
  point("N17", "Link state not supported by the driver", refusedByPlan),
  point("N18", "Minimum rate not supported by the driver", refusedByPlan),
  point("N19", "MTU of a VF above its PF's"),
  point("N20", "MAC filters of a VF exhausted"),
  point("N21", "Guest overrides the MAC that was set"),
  point("N22", "VF driver must be loaded again after a change of MAC"),
  point("N23", "Malicious driver detection, spoofed frames"),
  point("N24", "VF still in reset"),
  point("N25", "VF driver cannot talk to the PF"),
  point("V01", "IOMMU group not viable"),
  point("V02", "VF left without a driver"),
  point("V03", "An interface manager grabbed a VF"),
  point("V04", "VF token missing or wrong"),
  point("V05", "Failed to set iommu for container"),
  point("V06", "VFIO_MAP_DMA: locked memory"),
  point("V07", "Pool without a free VF"),
  point(
    "V08",
    "VLAN trunk on an SR-IOV interface",
    "libvirt refuses such XML when it is defined, before the host has to do with it",
  ),
  point("V09", "VF given to two guests"),
  point("V10", "Function not ready after its reset"),
  point("V11", "VFIO migration not supported"),
  point(
    "V12",
    "No failover interface in the guest",
    "only the guest knows what its virtio driver agreed to; nothing on the host tells it",
  ),
  point("T01", "Guests behind a bridge on the PF not reached"),
  point("T02", "VF's MAC in its PF's filter"),
  point("T03", "More MACs behind a bridge than the filter holds"),
  point("T04", "Bridge port without carrier"),
  point(
    "T05",
    "X710 strips VLAN tags",
    "the card shows the offload as on in every state, right or wrong: only traffic tells",
  ),
  point("T06", "Frames of a guest's bridge or VRRP dropped"),
  point("T07", "VFs do not follow a bond of their PFs"),
  point("T08", "VF list too long for netlink"),
  point("S1", "Spoof check"),
  point("S2", "MAC set by the host"),
  point("S3", "Trust"),
  point("S4", "True promiscuous mode"),
  point("S5", "VLAN set by the host"),
  point("S6", "Pause frames"),
  point("S7", "Double tagging"),
  point("S8", "Rate limit"),
  point("S9", "MAC filter budget"),
  {
    id: "S10",
    title: "Link-layer control frames",
    leftOut: "whether a guest sends LLDP, STP or storms of broadcast only its traffic tells",
  },
  point("S11", "RSS query"),
  point("S12", "ACS on all ports above"),
  point("S13", "No ACS override"),
  point("S14", "IOMMU and interrupt remapping on"),
  point("S15", "No no-IOMMU mode, no uio"),
  point("S16", "Identity domains"),
  point("S17", "PF on a userspace driver"),
  point("S18", "PF in a guest while others use its VFs"),
  point(
    "S19",
    "VF reset between two guests",
    "a VF does not say whose it was; sriovctl's guest hook resets it each time (docs/hooks.md)",
  ),
  point("S20", "Link state of unused VFs"),
  point("S21", "Unused VFs on the host's network"),
  point("S22", "VFs pass by the host's firewall"),
  point("S23", "Permissions of /dev/vfio and locked memory"),
  {
    id: "S24",
    title: "Signs of abuse; versions with known faults",
    leftOut:
      "which versions have faults is not kept here: a list would be old before the program is; doctor -v shows the versions",
  },
  point("S25", "ATS for untrusted VFs"),
  point("S26", "Settings that switchdev mode does not enforce"),
  point("S27", "VF's MAC never in its PF's filter"),
  point(
    "S28",
    "The manager's own surface",
    "sriovctl is a command: there is no daemon, socket or password to examine",
  ),
];
