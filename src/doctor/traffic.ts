// Rules on traffic between VFs, PF and what stands on the PF. The card's switch knows the MACs that
// were registered with it, and sends what it does not know out of the port.

import type { Netdev, Owner, PciLink, Pf } from "../model/inventory.ts";
import { say, run } from "./remedy.ts";
import type { Rule, Sighting } from "./rule.ts";
import type { View } from "./view.ts";
import { isForGuests, pfName, targetOf } from "./view.ts";

const uppersOf = ({ owners }: Pf): readonly Owner[] =>
  owners.filter(({ kind }) => kind === "upper");

/** Names say what the inventory does not: bond0, and vlan, macvtap, macvlan interfaces. */
const isBond = ({ name }: Owner): boolean => /^(?:bond|team|lag)/.test(name);
const isBridge = ({ name }: Owner): boolean =>
  !isBond({ name } as Owner) && !/\.\d+$|^(?:mac|ipvl|vlan)/.test(name);

const isLegacy = ({ eswitchMode }: Pf): boolean => eswitchMode !== "switchdev";

const isUnicast = (mac: string): boolean => (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0;

/** Unicast MACs in a PF's own filter, besides its own. */
function foreignMacs({ nicOf }: View, pf: Pf): readonly string[] {
  const own = new Set([pf.permanentMac, ...pf.netdevs.map(({ mac }: Netdev) => mac)]);
  const all = nicOf(pf)?.selfFdb ?? [];
  return [...new Set(all.map((mac) => mac.toLowerCase()))].filter(
    (mac) => isUnicast(mac) && !own.has(mac),
  );
}

function bridgeOnPf(view: View): Sighting[] {
  return view.pfs.flatMap((pf): Sighting[] => {
    const bridges = uppersOf(pf).filter(isBridge);
    const guests = pf.virtualFunctions.filter(isForGuests);
    const isKnown = (view.nicOf(pf)?.selfFdb ?? null) !== null;
    if (bridges.length === 0 || guests.length === 0 || !isLegacy(pf) || !isKnown) return [];
    if (foreignMacs(view, pf).length > 0) return [];
    const bridge = bridges[0]?.name ?? "";
    const netdev = pf.netdevs[0]?.name ?? "PF";
    return [
      {
        targets: [pf.address],
        says: `Guests on VFs of PF ${pfName(pf)} cannot reach guests behind ${bridge} on it: the card does not know their MACs`,
        evidence: [
          ...bridges.map(({ evidence }) => evidence),
          `bridge fdb show dev ${netdev}: no MAC of others`,
        ],
        fix: [
          run(`sudo bridge fdb add MAC_OF_THE_GUEST dev ${netdev} self permanent`),
          say("for each guest behind the bridge, and never for a guest on a VF"),
          say(`Or put ${bridge} on a VF of its own with trust on, or use switchdev mode`),
        ],
      },
    ];
  });
}

function vfMacInFilter(view: View): Sighting[] {
  return view.pfs.flatMap((pf): Sighting[] => {
    const registered = new Set(foreignMacs(view, pf));
    const wrong = pf.virtualFunctions.filter(({ policy }) => registered.has(policy?.mac ?? ""));
    if (wrong.length === 0) return [];
    const netdev = pf.netdevs[0]?.name ?? "PF";
    return [
      {
        targets: wrong.map((vf) => targetOf({ pf, vf })),
        says: `MACs of VFs are in the filter of PF ${pfName(pf)}: these VFs do not get their frames`,
        evidence: wrong.map(
          ({ policy, vfIndex }) =>
            `bridge fdb show dev ${netdev}: ${policy?.mac ?? ""} self, the MAC of VF ${vfIndex}`,
        ),
        fix: wrong.map(({ policy }) =>
          run(`sudo bridge fdb del ${policy?.mac ?? ""} dev ${netdev} self`),
        ),
      },
    ];
  });
}

/** Unicast filter entries, as the drivers set them up. */
const filterSizes: Readonly<Record<string, number>> = { bnxt_en: 4, ixgbe: 128, mlx5_core: 128 };

function filterNearlyFull(view: View): Sighting[] {
  return view.pfs.flatMap((pf): Sighting[] => {
    const size = filterSizes[pf.driver ?? ""];
    const { length } = foreignMacs(view, pf);
    if (size === undefined || length < size * 0.8) return [];
    const says = `The MAC filter of PF ${pfName(pf)} is nearly full: ${length} of ${size}`;
    const evidence = [`bridge fdb show dev ${pf.netdevs[0]?.name ?? ""}: ${length} MACs of others`];
    return [{ targets: [pf.address], says, evidence }];
  });
}

function bridgePortDark({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const bridges = uppersOf(pf).filter(isBridge);
    const netdev = pf.netdevs[0];
    const guests = pf.virtualFunctions.filter(isForGuests);
    if (bridges.length === 0 || guests.length === 0 || netdev?.hasLink !== false) return [];
    const says = `PF ${pfName(pf)} is a port of ${bridges[0]?.name ?? ""} without a link: the bridge turns such a port off, so its VFs reach nobody there`;
    return [{ targets: [pf.address], says, evidence: [`${netdev.name} has no carrier`] }];
  });
}

function bondOnPf({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const bonds = uppersOf(pf).filter(isBond);
    const guests = pf.virtualFunctions.filter(isForGuests);
    if (bonds.length === 0 || guests.length === 0 || !isLegacy(pf)) return [];
    const says = `VFs of PF ${pfName(pf)} do not follow ${bonds[0]?.name ?? ""}: they stay on this port when it fails`;
    const evidence = bonds.map((bond) => bond.evidence);
    return [{ targets: guests.map((vf) => targetOf({ pf, vf })), says, evidence }];
  });
}

/** `16.0 GT/s PCIe`, x8: what is left of it for packets, before their own headers. Up to 5 GT/s ten bits
 * carry eight, from 8 GT/s on 130 carry 128 (PCIe Base 6.0, 4.2). */
function linkMbps({ speed, width }: Pick<PciLink, "speed" | "width">): number | null {
  const gigatransfers = Number(/^([0-9.]{1,6}) GT\/s/.exec(speed ?? "")?.[1]);
  if (!(gigatransfers > 0) || width === null || width <= 0) return null;
  return gigatransfers * 1000 * width * (gigatransfers < 8 ? 0.8 : 128 / 130);
}

const linkText = (speed: string | null, width: number | null): string =>
  `${speed?.replace(/ PCIe$/, "") ?? "?"} x${width ?? "?"}`;

function linkBelowPort({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const portMbps = pf.netdevs[0]?.linkSpeedMbps ?? null;
    const mbps = linkMbps(pf.link);
    const { speed, width, maxSpeed, maxWidth } = pf.link;
    const mostMbps = linkMbps({ speed: maxSpeed, width: maxWidth });
    if (portMbps === null || mbps === null || mostMbps === null || mbps >= portMbps) return [];
    // What is part of the chipset shows a link that nothing goes through: not even its most would do.
    if (mostMbps < portMbps) return [];
    const gbps = (each: number): string => `${Math.round(each / 100) / 10} Gbit/s`;
    const says = `PF ${pfName(pf)} has a PCIe link of ${gbps(mbps)} and a port of ${gbps(portMbps)}: host and VFs together never fill the port`;
    const evidence = [
      `PCIe link: ${linkText(speed, width)}, the card can ${linkText(maxSpeed, maxWidth)}`,
      `${pf.netdevs[0]?.name ?? ""}: ${portMbps} Mbit/s`,
    ];
    return [{ targets: [pf.address], says, evidence }];
  });
}

/** Measured on Linux 6.12: with statistics, 222 VFs overflow the 16-bit length of the list. */
const shownVfs = 221;

function listTooLong({ pfs }: View): Sighting[] {
  return pfs
    .filter(({ numVfs, classCode }) => numVfs > shownVfs && classCode >>> 16 === 0x02)
    .map((pf) => ({
      targets: [pf.address],
      says: `PF ${pfName(pf)} has more VFs than ip link can show: libvirt and other programs see a part or none`,
      evidence: [`${pf.numVfs} VFs, of which a list with statistics holds ${shownVfs}`],
    }));
}

export const trafficRules: readonly Rule[] = [
  {
    id: "bridge-on-pf",
    group: "traffic",
    title: "VFs cannot reach what is behind a bridge on their PF",
    severity: "warning",
    needs: ["own-filter"],
    test: bridgeOnPf,
    cause:
      "The card's switch delivers to VFs and to the MACs that its PF registered. Frames from a VF to a guest behind the bridge leave through the port instead, and do not come back. ARP works, as it is broadcast.",
    fix: () => [say("Register the MACs of guests behind the bridge with the PF")],
    needsReboot: false,
    reference: "bridge(8), fdb self; IEEE 802.1Qbg VEB",
    answers: ["T01"],
  },
  {
    id: "vf-mac-in-pf-filter",
    group: "traffic",
    title: "A VF's MAC is registered with its PF",
    severity: "error",
    needs: ["own-filter", "policy"],
    test: vfMacInFilter,
    cause: "The card then gives the VF's frames to the PF, or to both.",
    fix: () => [say("Take the MAC of the VF out of the PF's filter")],
    needsReboot: false,
    reference: "bridge(8), fdb self",
    answers: ["T02", "S27"],
  },
  {
    id: "pf-filter-nearly-full",
    group: "traffic",
    title: "A PF's MAC filter is nearly full",
    severity: "warning",
    needs: ["own-filter"],
    test: filterNearlyFull,
    cause:
      "Beyond its size the card drops frames without a word, or the PF takes all frames (promiscuous).",
    fix: () => [say("Fewer guests behind the bridge on this PF, or switchdev mode")],
    needsReboot: false,
    reference: "devlink port function, max_uc_macs; drivers' uc filter sizes",
    answers: ["T03", "S9"],
  },
  {
    id: "bridge-port-dark",
    group: "traffic",
    title: "A bridge port with VFs has no link",
    severity: "warning",
    needs: [],
    test: bridgePortDark,
    cause: "A bridge forwards nothing through a port without carrier.",
    fix: () => [say("Plug in the cable, or put the bridge on a VF with linkState: enable")],
    needsReboot: false,
    reference: "net/bridge/br_if.c br_port_carrier_check()",
    answers: ["T04"],
    consequenceOf: ["pf-down"],
  },
  {
    id: "bond-on-pf",
    group: "traffic",
    title: "VFs do not follow the bond on their PF",
    severity: "info",
    needs: [],
    test: bondOnPf,
    cause: "A VF belongs to its port. LACP of the PF is not its own.",
    fix: () => [
      say("Give the guest a VF of each port and bond them there, or use VF LAG (switchdev)"),
    ],
    needsReboot: false,
    reference: "Documentation/networking/bonding.rst",
    answers: ["T07"],
  },
  {
    id: "pcie-link-below-port",
    group: "traffic",
    title: "A PCIe link is slower than the port",
    severity: "warning",
    needs: [],
    test: linkBelowPort,
    cause:
      "All functions of a card share its link. It has fewer lanes or a lower speed than the card can, by the slot, a riser, or contacts that are not clean.",
    fix: () => [
      say("Move the card to a slot with as many lanes as it has, or seat it anew"),
      say("In the firmware's setup, look for a limit of the slot's speed or a split of its lanes"),
    ],
    needsReboot: true,
    reference: "drivers/pci/pci.c pcie_print_link_status()",
    answers: [],
  },
  {
    id: "vf-list-too-long",
    group: "traffic",
    title: "Other programs cannot list all VFs",
    severity: "info",
    needs: [],
    test: listTooLong,
    cause:
      "The kernel puts all VFs of a PF into one attribute of at most 64 KiB and does not notice when it is more. sriovctl asks without statistics, and puts a list together that wrapped.",
    fix: () => [say("Use fewer VFs a PF where libvirt, ip or an agent must see them")],
    needsReboot: false,
    reference: "net/core/rtnetlink.c rtnl_fill_vf(); measured on Linux 6.12",
    answers: ["T08"],
  },
];
