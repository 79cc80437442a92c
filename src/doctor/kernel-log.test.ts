// Cases of the rules on log lines, as data: lines as Linux prints them, and near misses. Those of
// real machines (an 82599, an iavf, an i40e, QEMU's igb) are facts from public reports.

import { checkRules, evidenceOf, type RuleCases } from "../../test/evidence-of.ts";
import { pfOf } from "../../test/inventory-of.ts";
import { kernelLogRules } from "./kernel-log.ts";

const pf = "0000:83:00.0";
const vf0 = "0000:83:10.0";
const stranger = "0000:84:00.0";

const evidence = (line: string, numVfs: number) => evidenceOf([pfOf(pf, numVfs)], { log: [line] });

type Lines = {
  /** Log lines that fire, with what they are laid to. */
  readonly fires: readonly (readonly [line: string, target: string])[];
  readonly silent: readonly string[];
  /** VFs that the PF has. */
  readonly numVfs?: number;
};

const lines: Readonly<Record<string, Lines>> = {
  "logged-no-vf-memory": {
    fires: [
      [`igb ${pf}: not enough MMIO resources for SR-IOV`, pf],
      [`ixgbe ${pf}: SR-IOV: IOV BARS not allocated`, pf],
    ],
    silent: [`igb ${stranger}: not enough MMIO resources for SR-IOV`],
  },
  "logged-bus-out-of-range": {
    fires: [
      [`ixgbe ${pf}: can't enable 1 VFs (bus 84 out of range of [bus 83])`, pf],
      [`ixgbe ${pf}: SR-IOV: bus number out of range`, pf],
    ],
    silent: [`pci_bus 0000:83: busn_res: [bus 83] end is updated to 83`],
  },
  "firmware-wants-direct-mapping": {
    fires: [
      [
        `vfio-pci ${pf}: Device is ineligible for IOMMU domain attach due to platform RMRR requirement.  Contact your platform vendor.`,
        pf,
      ],
      [
        `vfio-pci ${pf}: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.`,
        pf,
      ],
    ],
    silent: ["DMAR: RMRR base: 0x0000007f22d000 end: 0x0000007f23bfff"],
  },
  "logged-no-driver": {
    fires: [[`pci ${pf}: no driver bound to device; cannot configure SR-IOV`, pf]],
    silent: [`pci ${stranger}: no driver bound to device; cannot configure SR-IOV`],
  },
  "driver-makes-no-vfs": {
    fires: [[`e1000e ${pf}: driver does not support SR-IOV configuration via sysfs`, pf]],
    silent: [`e1000e ${pf}: Intel(R) PRO/1000 Network Driver`],
  },
  "logged-resize-refused": {
    fires: [[`igb ${pf}: 3 VFs already enabled. Disable before enabling 5 VFs`, pf]],
    silent: [`igb ${pf}: 3 VFs allocated`],
  },
  "fewer-vfs-than-asked": {
    fires: [[`bnxt_en ${pf}: 16 VFs requested; only 8 enabled`, pf]],
    silent: [`bnxt_en ${pf}: 16 VFs requested`],
  },
  "no-vectors-for-vfs": {
    fires: [
      [
        `ice ${pf}: Only 0 MSI-X interrupts available for SR-IOV. Not enough to support minimum of 2 MSI-X interrupts per VF for 4 VFs`,
        pf,
      ],
    ],
    silent: [`ice ${pf}: 512 MSI-X interrupts available`],
  },
  "driver-refused-vfs": {
    fires: [[`ixgbe ${pf}: Failed to enable PCI sriov: -12`, pf]],
    silent: [`ixgbe ${pf} enp131s0f0: SR-IOV enabled with 1 VFs`],
  },
  "vf-removal-waits": {
    fires: [
      [`vfio-pci ${vf0}: Relaying device request to user (#0)`, `${pf}/vf0`],
      [
        `vfio-pci ${vf0}: No device request channel registered, blocked until released by user`,
        `${pf}/vf0`,
      ],
    ],
    silent: [`vfio-pci ${vf0}: enabling device (0000 -> 0002)`],
    numVfs: 1,
  },
  "vfs-assigned-elsewhere": {
    fires: [
      [`i40e ${pf}: Unable to free VFs because some are assigned to VMs.`, pf],
      [`ice ${pf}: can't free VFs because some are assigned to VMs.`, pf],
      [
        `igb ${pf}: Cannot deallocate SR-IOV virtual functions while they are assigned - VFs will not be deallocated`,
        pf,
      ],
    ],
    silent: [`igb ${pf}: IOV Disabled`],
  },
  "switchdev-failed": {
    fires: [[`mlx5_core ${pf}: Failed setting eswitch to offloads`, pf]],
    silent: [`mlx5_core ${pf}: E-Switch: Enable: mode(OFFLOADS), nvfs(2)`],
  },
  "pf-in-reset-for-vf": {
    fires: [
      [`ixgbevf ${vf0}: PF still in reset state.  Is the PF interface up?`, `${pf}/vf0`],
      [`igbvf ${vf0}: PF still in reset state. Is the PF interface up?`, `${pf}/vf0`],
    ],
    silent: [`igbvf ${vf0}: Assigning random MAC address.`],
    numVfs: 1,
  },
  "vf-filter-full": {
    fires: [
      [
        `i40e ${pf}: Cannot add more MAC addresses, VF is not trusted, switch the VF to trusted to add more functionality`,
        pf,
      ],
      [
        `ixgbe ${pf}: VF 3 has requested a MACVLAN filter but there is no space for it`,
        `${pf}/vf3`,
      ],
      [`igb ${pf}: VF 1 requested MAC filter but is administratively denied`, `${pf}/vf1`],
    ],
    silent: [`igb ${pf}: VF 1 requested MAC filter`],
  },
  "vf-changes-its-mac": {
    fires: [
      [
        `ice ${pf}: VF attempting to override administratively set MAC address, bring down and up the VF interface to resume normal operation`,
        pf,
      ],
      [`igb ${pf}: VF 2 attempted to override administratively set MAC address`, `${pf}/vf2`],
    ],
    silent: [`igb ${pf}: setting MAC 02:00:00:00:00:01 on VF 2`],
  },
  "vf-driver-must-reload": {
    fires: [[`igb ${pf}: Reload the VF driver to make this change effective.`, pf]],
    silent: [`igb ${pf}: Setting VLAN 100, QOS 0x0 on VF 1`],
  },
  "vf-sends-bad-frames": {
    fires: [
      [`ixgbe ${pf} enp1s0f1: 3 Spoofed packets detected`, pf],
      [`igb ${pf}: Spoof event(s) detected on VF 4`, `${pf}/vf4`],
      [`i40e ${pf}: TX driver issue detected on VF 7`, `${pf}/vf7`],
      [
        `ice ${pf}: 1 Rx Malicious Driver Detection events detected on PF 0 VF 5 MAC 02:00:00:00:00:05. mdd-auto-reset-vfs=off`,
        `${pf}/vf5`,
      ],
      [
        `i40e ${pf}: Malicious Driver Detection event 0x02 on TX queue 5 PF number 0x00 VF number 0x0a`,
        `${pf}/vf10`,
      ],
    ],
    silent: [
      `ixgbe ${pf}: Virtual Functions already enabled for this device - Please reload all VF drivers to avoid spoofed packet errors`,
    ],
  },
  "vf-in-reset-when-set": {
    fires: [[`i40e ${pf}: VF 2 still in reset. Try again.`, `${pf}/vf2`]],
    silent: [`iavf ${vf0}: Device is still in reset (-16), retrying`],
    numVfs: 1,
  },
  "vf-driver-cannot-talk": {
    fires: [
      [`iavf ${vf0}: Failed to communicate with PF; waiting before retry`, `${pf}/vf0`],
      [`iavf ${vf0}: Never saw reset`, `${pf}/vf0`],
    ],
    silent: [`iavf ${vf0}: Multiqueue Enabled: Queue pair count = 4`],
    numVfs: 1,
  },
  "vf-token-missing": {
    fires: [[`vfio-pci ${vf0}: VF token required to access device`, `${pf}/vf0`]],
    silent: [`vfio-pci ${pf}: Captured SR-IOV VF ${vf0} driver_override`],
    numVfs: 1,
  },
  "locked-memory-limit": {
    fires: [["vfio_pin_pages_remote: RLIMIT_MEMLOCK (8388608) exceeded", "host"]],
    silent: ["process 812 has RLIMIT_MEMLOCK 8388608"],
  },
  "function-reset-fails": {
    fires: [[`vfio-pci ${vf0}: not ready 1023ms after FLR; waiting`, `${pf}/vf0`]],
    silent: [`vfio-pci ${vf0}: resetting`],
    numVfs: 1,
  },
  "vfs-left-by-driver": {
    fires: [[`pci ${pf}: driver left SR-IOV enabled after remove`, pf]],
    silent: [`pci ${stranger}: driver left SR-IOV enabled after remove`],
  },
};

const casesOf = ({ fires, silent, numVfs = 0 }: Lines): RuleCases => ({
  fires: Object.fromEntries(
    fires.map(([line, target]) => [line, { evidence: evidence(line, numVfs), targets: [target] }]),
  ),
  silent: Object.fromEntries(silent.map((line) => [line, evidence(line, numVfs)])),
});

const over = {
  evidence: evidence(`igb ${pf}: not enough MMIO resources for SR-IOV`, 4),
  targets: [pf],
  severity: "info" as const,
  says: /so it is over/,
};

const cases = Object.fromEntries(Object.entries(lines).map(([id, each]) => [id, casesOf(each)]));
const memory = cases["logged-no-vf-memory"];

checkRules(kernelLogRules, {
  ...cases,
  ...(memory && { "logged-no-vf-memory": { ...memory, fires: { ...memory.fires, over } } }),
});
