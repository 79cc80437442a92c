// Lines of the kernel's log that tell of a fault by themselves: a table from pattern to rule. Unless a
// row says otherwise, its pattern was read in the source of Linux 6.12. Long because it is a table.

import type { Step } from "./remedy.ts";
import { kernelArguments, run, say } from "./remedy.ts";
import type { Rule, RuleGroup, Severity } from "./rule.ts";

export type LogRow = {
  readonly id: string;
  readonly group: RuleGroup;
  readonly pattern: RegExp;
  readonly title: string;
  readonly severity: Severity;
  readonly cause: string;
  readonly fix: Rule["fix"];
  readonly needsReboot?: true;
  readonly reference: string;
  readonly answers: readonly string[];
  readonly consequenceOf?: readonly string[];
  /** It tells that VFs could not be made: over when the PF has some. */
  readonly isOverWithVfs?: true;
};

const firmwareMemory: readonly Step[] = [
  say("In the firmware's setup, turn on SR-IOV and Above 4G Decoding, and enlarge the MMIO space"),
];

export const logRows: readonly LogRow[] = [
  {
    id: "logged-no-vf-memory",
    group: "platform",
    pattern: /not enough MMIO resources for SR-IOV|SR-IOV: IOV BARS not allocated/,
    title: "VFs could not be made for want of memory",
    severity: "error",
    cause: "The VF BARs have no address: bridge windows were sized for the PF alone.",
    fix: (system) => [...firmwareMemory, ...kernelArguments(system, { add: ["pci=realloc"] })],
    needsReboot: true,
    reference: "drivers/pci/iov.c sriov_enable()",
    answers: ["P04", "P07"],
    consequenceOf: ["vf-memory-not-assigned"],
    isOverWithVfs: true,
  },
  {
    id: "logged-bus-out-of-range",
    group: "platform",
    pattern: /can't enable \d+ VFs \(bus [0-9a-f]+ out of range|SR-IOV: bus number out of range/,
    title: "VFs could not be made for want of bus numbers",
    severity: "error",
    cause:
      "The VFs would be on a bus beyond the window of the bridge above. Where it worked before a rescan or a hotplug, ARI was lost: the first PF of the card must be found first.",
    fix: (system) => [
      say("In the firmware's setup, turn on SR-IOV and ARI; then boot, without a rescan"),
      ...kernelArguments(system, { add: ["pci=assign-busses"] }),
    ],
    needsReboot: true,
    reference: "drivers/pci/iov.c sriov_enable(); before 3.15: SR-IOV: bus number out of range",
    answers: ["P05"],
    consequenceOf: ["bus-numbers-short"],
    isOverWithVfs: true,
  },
  {
    id: "firmware-wants-direct-mapping",
    group: "platform",
    pattern:
      /ineligible for IOMMU domain attach due to platform RMRR|Firmware has requested this device have a 1:1 IOMMU mapping/,
    title: "Firmware keeps a device from guests",
    severity: "error",
    cause:
      "Firmware reserved memory for this device (RMRR) and goes on writing there, so VFIO refuses to give it away. VFs of a NIC have no such reservation themselves.",
    fix: () => [
      say(
        "Turn off what reserves it in the firmware's setup (HPE: conrep, shared memory of the slot)",
      ),
      say("Or give a VF instead of the PF, or a card of another slot"),
    ],
    needsReboot: true,
    reference: "drivers/iommu/iommu.c __iommu_take_dma_ownership(); before 6.6 intel/iommu.c",
    answers: ["P08", "P09"],
  },
  {
    id: "logged-no-driver",
    group: "driver",
    pattern: /no driver bound to device; cannot configure SR-IOV/,
    title: "VFs were wanted of a PF without a driver",
    severity: "warning",
    cause: "The kernel asks the PF's driver to make VFs; there was none.",
    fix: () => [say("Bind the PF to its driver first; sriovctl list shows which it has")],
    reference: "drivers/pci/iov.c sriov_numvfs_store()",
    answers: ["N04"],
    consequenceOf: ["pf-without-driver"],
    isOverWithVfs: true,
  },
  {
    id: "driver-makes-no-vfs",
    group: "driver",
    pattern: /driver does not support SR-IOV configuration via sysfs/,
    title: "The PF's driver makes no VFs",
    severity: "error",
    cause:
      "This driver has no sriov_configure: a stub, a very old one, or one that was built without.",
    fix: () => [say("Load the vendor's driver, or one of a newer kernel")],
    reference: "drivers/pci/iov.c sriov_numvfs_store()",
    answers: ["N05"],
    isOverWithVfs: true,
  },
  {
    id: "logged-resize-refused",
    group: "driver",
    pattern: /\d+ VFs already enabled\. Disable before enabling \d+ VFs/,
    title: "Something tried to change the VF count without removing the VFs",
    severity: "info",
    cause: "The kernel knows no resize: 0 must be written first, and that takes all VFs away.",
    fix: () => [
      say("sriovctl plan shows whom that would hit, and goes the way through 0 with consent"),
    ],
    reference: "drivers/pci/iov.c sriov_numvfs_store(): EBUSY",
    answers: ["N06"],
  },
  {
    id: "fewer-vfs-than-asked",
    group: "driver",
    pattern: /\d+ VFs requested; only \d+ enabled/,
    title: "The driver made fewer VFs than asked",
    severity: "warning",
    cause: "Queues or interrupt vectors ran out. The write succeeds all the same.",
    fix: () => [
      say("Ask for as many as sriovctl show PF says, or take queues from the PF (ethtool -L)"),
    ],
    reference: "drivers/pci/iov.c sriov_numvfs_store()",
    answers: ["N07"],
  },
  {
    id: "no-vectors-for-vfs",
    group: "driver",
    pattern: /Only \d+ MSI-X interrupts available for SR-IOV/,
    title: "Interrupt vectors for VFs ran out",
    severity: "error",
    cause:
      "On hosts with many processors the PF and RDMA (irdma) take a vector for each before VFs get any.",
    fix: () => [
      run("echo 'blacklist irdma' | sudo tee /etc/modprobe.d/no-irdma.conf"),
      say("Or lower the PF's queues (ethtool -L PF combined N) or devlink's msix_vec_per_pf_max"),
    ],
    needsReboot: true,
    reference: "drivers/net/ethernet/intel/ice/ice_sriov.c ice_set_per_vf_res(): ENOSPC",
    answers: ["N08"],
    isOverWithVfs: true,
  },
  {
    id: "driver-refused-vfs",
    group: "driver",
    pattern: /Failed to enable PCI sriov: -\d+/,
    title: "The driver could not make VFs",
    severity: "error",
    cause:
      "ixgbe reports the kernel's errno: -12 is memory or bus numbers. Without a line on either before it, an X552 needs its module loaded with max_vfs once.",
    fix: () => [
      say("Look at the lines before it in dmesg; sriovctl show PF says what limits the count"),
      say("X552 alone: load ixgbe once with max_vfs=1, then write sriov_numvfs"),
    ],
    reference: "drivers/net/ethernet/intel/ixgbe/ixgbe_sriov.c ixgbe_pci_sriov_enable()",
    answers: ["N09"],
    consequenceOf: [
      "logged-bus-out-of-range",
      "logged-no-vf-memory",
      "bus-numbers-short",
      "vf-memory-not-assigned",
    ],
    isOverWithVfs: true,
  },
  {
    id: "vf-removal-waits",
    group: "driver",
    pattern:
      /Relaying device request to user|No device request channel registered, blocked until released by user|blocked until device is released/,
    title: "Removing a VF had to wait for its user",
    severity: "warning",
    cause:
      "A guest still had the VF open. The kernel waits without a limit, and on many kernels every other change of VFs waits too.",
    fix: () => [
      say(
        "Stop the guest or unplug the VF from it, then it goes on by itself; never retry or kill it",
      ),
      say("sriovctl plan refuses to remove a VF in use unless its user is named"),
    ],
    reference: "drivers/vfio/vfio_main.c vfio_unregister_group_dev()",
    answers: ["N10"],
  },
  {
    id: "vfs-assigned-elsewhere",
    group: "driver",
    pattern:
      /(?:Unable to|can't) free (?:\d+ )?VFs because some are assigned|VFs? (?:.*)are assigned - VFs will not be deallocated|while they are assigned - VFs will not be deallocated/,
    title: "A driver would not remove VFs that guests have",
    severity: "warning",
    cause: "The flag behind this is set by Xen (pciback) and by no other part of Linux.",
    fix: () => [say("Take the VFs from the guests first (xl pci-detach)")],
    reference: "drivers/pci/iov.c pci_vfs_assigned()",
    answers: ["N11"],
  },
  {
    id: "switchdev-failed",
    group: "driver",
    pattern: /Failed setting eswitch to offloads|CREATE_FLOW_TABLE.*bad resource state/,
    title: "The card did not go to switchdev mode",
    severity: "error",
    cause:
      "The change takes the card's switch down first. With VFs there, or on a card that cannot do it, it stays down: VFs may be dark until the card starts anew.",
    fix: () => [
      say("Make 0 VFs, set the mode, then make the VFs; sriovctl plans it in this order"),
    ],
    needsReboot: true,
    reference: "drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c esw_offloads_start()",
    answers: ["N12"],
  },
  {
    id: "pf-in-reset-for-vf",
    group: "driver",
    pattern: /PF still in reset state\.\s+Is the PF interface up\?/,
    title: "A VF driver found its PF down",
    severity: "warning",
    cause: "igbvf and ixgbevf ask the PF for a reset, and a PF that is down does not answer.",
    fix: () => [say("Bring the PF up before VF drivers load: adminState: up in the spec")],
    reference: "drivers/net/ethernet/intel/ixgbevf/ixgbevf_main.c ixgbevf_sw_init()",
    answers: ["N15"],
    consequenceOf: ["pf-down"],
  },
  {
    id: "vf-filter-full",
    group: "policy",
    pattern:
      /Cannot add more MAC addresses, (?:VF is not trusted|trusted VF exhausted)|requested (?:a )?MAC(?:VLAN)? filter but (?:there is no space|is administratively denied)/,
    title: "A VF wanted more MAC addresses than it may have",
    severity: "warning",
    cause:
      "A guest with containers, bridges, IPv6 or VRRP uses several addresses. An untrusted VF of i40e and ice has 18, VFs of ixgbe share a pool, igbvf has 3.",
    fix: () => [
      say(
        "Fewer addresses in the guest, or trust: on for this VF in the spec if its guest may have it",
      ),
    ],
    reference: "drivers/net/ethernet/intel/i40e/i40e_virtchnl_pf.c i40e_check_vf_permission()",
    answers: ["N20", "S9"],
  },
  {
    id: "vf-changes-its-mac",
    group: "policy",
    pattern: /attempt(?:ing|ed) to override administratively set (?:MAC|VLAN)/,
    title: "A guest tried to change the MAC or VLAN that was set for it",
    severity: "warning",
    cause: "The PF keeps what the host set, and drops what the guest sends with another address.",
    fix: () => [
      say("Give the guest the MAC that is set (sriovctl show PF/vfN), or trust: on in the spec"),
      say("When the host changed it while the guest ran, load the guest's VF driver again"),
    ],
    reference:
      "drivers/net/ethernet/intel/ice/ice_virtchnl.c; ixgbe_sriov.c ixgbe_set_vf_mac_addr()",
    answers: ["N21"],
  },
  {
    id: "vf-driver-must-reload",
    group: "policy",
    pattern: /Reload the VF driver to make this change effective/,
    title: "A VF's MAC was changed under its driver",
    severity: "info",
    cause: "igb and ixgbe give a VF its MAC when its driver loads.",
    fix: () => [say("Set the MAC before the VF is bound, as sriovctl does, or bind it again")],
    reference: "drivers/net/ethernet/intel/igb/igb_main.c igb_ndo_set_vf_mac()",
    answers: ["N22"],
  },
  {
    id: "vf-sends-bad-frames",
    group: "security",
    pattern:
      /Malicious Driver Detection event|TX driver issue detected on VF|\d+ Spoofed packets detected|Spoof event\(s\) detected on VF/,
    title: "A VF sent frames that the card refused",
    severity: "warning",
    cause:
      "Frames with another source MAC than the VF's (spoofed, or from a bridge or VRRP in the guest), or a driver that breaks the card's rules. The card may switch such a VF off.",
    fix: () => [
      say(
        "Look into the guest; if it must send with other MACs (bridge, VRRP), see spoofCheck and trust in docs/spec.md",
      ),
    ],
    reference: "ixgbe_main.c ixgbe_spoof_check(); ice_sriov.c; i40e_main.c i40e_handle_mdd_event()",
    answers: ["N23", "T06", "S24"],
  },
  {
    id: "vf-in-reset-when-set",
    group: "driver",
    pattern: /VF \d+ still in reset\. Try again/,
    title: "A VF was set up while it was being reset",
    severity: "info",
    cause: "i40e resets a VF for many changes and refuses the next one for up to 300 ms.",
    fix: () => [say("Nothing, if it came right later: sriovctl drift -f SPEC compares")],
    reference: "drivers/net/ethernet/intel/i40e/i40e_virtchnl_pf.c i40e_check_vf_init_timeout()",
    answers: ["N24"],
  },
  {
    id: "vf-driver-cannot-talk",
    group: "driver",
    pattern: /iavf .*(?:Never saw reset|Failed to communicate with PF|Unable to get VF config)/,
    title: "A VF driver on the host cannot talk to its PF",
    severity: "warning",
    cause:
      "Requests of the VF's driver stay unanswered: PF in reset, or driver versions that do not fit.",
    fix: () => [
      say("Bind the VF again; if that does not help, update the PF's driver and firmware together"),
    ],
    reference: "drivers/net/ethernet/intel/iavf/iavf_main.c",
    answers: ["N25"],
  },
  {
    id: "vf-token-missing",
    group: "vm",
    pattern: /VF token required to access device|Incorrect VF token provided for device/,
    title: "A VF was opened without its token",
    severity: "error",
    cause:
      "The PF is on vfio-pci, so each of its VFs opens only with the token that the PF's program set.",
    fix: () => [say("Give QEMU the same UUID: -device vfio-pci,host=...,vf-token=UUID")],
    reference: "drivers/vfio/pci/vfio_pci_core.c vfio_pci_validate_vf_token(): EACCES",
    answers: ["V04"],
  },
  {
    id: "locked-memory-limit",
    group: "vm",
    pattern: /RLIMIT_MEMLOCK \(\d+\) exceeded/,
    title: "A guest may not lock its memory",
    severity: "error",
    cause:
      "VFIO pins all of a guest's memory. QEMU says: VFIO_MAP_DMA failed: Cannot allocate memory.",
    fix: () => [
      say(
        "libvirt: <memtune><hard_limit> above the guest's memory + 1 GiB; containers: --ulimit memlock=-1",
      ),
    ],
    reference: "drivers/vfio/vfio_iommu_type1.c vfio_pin_pages_remote()",
    answers: ["V06"],
  },
  {
    id: "function-reset-fails",
    group: "vm",
    pattern: /not ready \d+ms after (?:FLR|resume|bus reset|.*reset); (?:waiting|giving up)/,
    title: "A function did not come back from its reset",
    severity: "warning",
    cause: "The card's firmware is busy or broken: a guest that gets this VF may find it dead.",
    fix: () => [
      say(
        "Give the guest another VF. Make the VFs again when nobody uses them, or power the card off and on",
      ),
    ],
    reference: "drivers/pci/pci.c pci_dev_wait()",
    answers: ["V10"],
  },
  {
    id: "vfs-left-by-driver",
    group: "driver",
    pattern: /driver left SR-IOV enabled after remove/,
    title: "A PF's driver went and left the VFs",
    severity: "warning",
    cause: "Nobody can set up or remove these VFs until a driver has the PF again.",
    fix: () => [say("Bind the PF to its driver again")],
    reference: "drivers/pci/iov.c sriov_release()",
    answers: ["N04"],
  },
];
