// Audit points of PFs: what a PF lets all its VFs do.

import { findExtendedCapability } from "../pci/function-config.ts";
import { kernelArguments, run, say } from "./remedy.ts";
import type { Rule, Sighting } from "./rule.ts";
import type { View } from "./view.ts";
import { guestsOf, isForGuests, pfName } from "./view.ts";

const promiscuousFlag = "vf-true-promisc-support";

function truePromiscuous({ pfs, nicOf }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    if (nicOf(pf)?.privateFlags?.[promiscuousFlag] !== true) return [];
    const trusted = pf.virtualFunctions.filter(({ policy }) => policy?.trust === true);
    const says = `Trusted VFs of PF ${pfName(pf)} can see all traffic of the port`;
    const netdev = pf.netdevs[0]?.name ?? "PF";
    return [
      {
        targets: [pf.address],
        says,
        evidence: [
          `ethtool --show-priv-flags ${netdev}: ${promiscuousFlag}: on`,
          `VFs with trust on: ${trusted.length}`,
        ],
        severity: trusted.length > 0 ? "error" : "info",
        fix: [run(`sudo ethtool --set-priv-flags ${netdev} ${promiscuousFlag} off`)],
      },
    ];
  });
}

function pauseFrames({ pfs, nicOf }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const pause = nicOf(pf)?.pause ?? null;
    if (pause?.rx !== true && pause?.tx !== true) return [];
    const guests = pf.virtualFunctions.filter(
      (vf) => isForGuests(vf) && (vf.policy?.vlan?.id ?? 0) === 0,
    );
    if (guests.length === 0) return [];
    const netdev = pf.netdevs[0]?.name ?? "PF";
    return [
      {
        targets: [pf.address],
        says: `Guests can slow down PF ${pfName(pf)} for all others with pause frames: flow control is on, and they have VFs without a VLAN`,
        evidence: [
          `ethtool --show-pause ${netdev}: RX ${pause.rx ? "on" : "off"}, TX ${pause.tx ? "on" : "off"}`,
        ],
        fix: [
          run(`sudo ethtool --pause ${netdev} autoneg off rx off tx off`),
          say(
            "Or give these VFs a port VLAN: the card then drops what they send as control frames",
          ),
        ],
      },
    ];
  });
}

function lldpInFirmware({ pfs, nicOf }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const flags = nicOf(pf)?.privateFlags ?? null;
    const isOn = flags?.["disable-fw-lldp"] === false || flags?.["fw-lldp-agent"] === true;
    if (!isOn || !pf.virtualFunctions.some(isForGuests)) return [];
    const says = `The firmware of PF ${pfName(pf)} speaks LLDP itself: neither host nor guests see the switch's LLDP frames`;
    const evidence = Object.entries(flags ?? {})
      .filter(([name]) => /lldp/.test(name))
      .map(([name, isSet]) => `private flag ${name}: ${isSet ? "on" : "off"}`);
    return [{ targets: [pf.address], says, evidence }];
  });
}

function addressTranslation({ pfs, configAt }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const config = configAt(pf.address);
    const ats =
      config === null ? null : findExtendedCapability(config, "addressTranslationServices");
    if (ats?.enable !== true || !pf.virtualFunctions.some(isForGuests)) return [];
    const says = `PF ${pfName(pf)} translates addresses itself (ATS): the IOMMU believes what the card says`;
    return [{ targets: [pf.address], says, evidence: ["ATS capability: Enable"] }];
  });
}

function switchdevPolicy({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    if (pf.eswitchMode !== "switchdev") return [];
    const set = pf.virtualFunctions.filter(
      ({ policy }) => policy !== null && (policy.spoofCheck === true || (policy.vlan?.id ?? 0) > 0),
    );
    const says = `PF ${pfName(pf)} is in switchdev mode: VLAN, spoof check and trust of its VFs are not enforced by the card's own rules`;
    if (pf.numVfs === 0 || (guestsOf(pf).length === 0 && !pf.virtualFunctions.some(isForGuests)))
      return [];
    return [
      {
        targets: [pf.address],
        says,
        evidence: [
          `devlink dev eswitch show: mode switchdev`,
          `VFs that show such a setting: ${set.length}`,
        ],
        severity: set.length > 0 ? "warning" : "info",
      },
    ];
  });
}

export const pfSecurityRules: readonly Rule[] = [
  {
    id: "true-promiscuous-vfs",
    group: "security",
    title: "Trusted VFs can see the whole port",
    severity: "error",
    needs: ["private-flags"],
    test: truePromiscuous,
    cause:
      "The private flag makes promiscuous mode of a trusted VF mean all traffic, not only its own.",
    fix: () => [say("Turn the private flag off")],
    needsReboot: false,
    reference: "Documentation/networking/device_drivers/ethernet/intel/i40e.rst",
    answers: ["S4"],
  },
  {
    id: "pause-frames-from-guests",
    group: "security",
    title: "A guest's pause frames stop the port",
    severity: "info",
    needs: ["pause", "policy"],
    test: pauseFrames,
    cause: "Flow control obeys whoever sends 802.3x frames, and on many cards a VF may send them.",
    fix: () => [say("Turn flow control off, or give VFs a port VLAN")],
    needsReboot: false,
    reference: "Smolyar, Ben-Yehuda, Tsafrir: Securing Self-Virtualizing Ethernet Devices (2015)",
    answers: ["S6"],
  },
  {
    id: "lldp-in-firmware",
    group: "security",
    title: "The card's firmware speaks LLDP",
    severity: "info",
    needs: ["private-flags"],
    test: lldpInFirmware,
    cause: "The agent in the firmware takes LLDP frames and may change the port's DCB settings.",
    fix: () => [
      say("i40e: ethtool --set-priv-flags PF disable-fw-lldp on; ice: fw-lldp-agent off"),
    ],
    needsReboot: false,
    reference: "Documentation/networking/device_drivers/ethernet/intel/ice.rst, FW-LLDP",
    answers: ["S10"],
  },
  {
    id: "ats-for-guests",
    group: "security",
    title: "The card translates addresses itself",
    severity: "info",
    needs: ["config"],
    test: addressTranslation,
    cause: "Translated requests are not checked again, so the card's own correctness is the wall.",
    fix: (system) => [
      say("Where the card is not trusted:"),
      ...kernelArguments(system, { add: ["pci=noats"] }),
    ],
    needsReboot: true,
    reference: "PCIe Base 6.0, 10 (ATS); kernel-parameters.txt, pci=noats",
    answers: ["S25"],
  },
  {
    id: "switchdev-policy",
    group: "security",
    title: "Settings of VFs do not hold in switchdev mode",
    severity: "warning",
    needs: [],
    test: switchdevPolicy,
    cause: "In switchdev mode the rules are those of the representors: bridge, OVS or tc.",
    fix: () => [
      say(
        "Put VLAN and anti-spoofing on the representors' bridge; sriovctl plan refuses them for VFs",
      ),
    ],
    needsReboot: false,
    reference: "Documentation/networking/switchdev.rst",
    answers: ["S26"],
  },
];
