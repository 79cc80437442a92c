// Driver rules: the PF's driver and the state of its port, as far as VFs depend on them.

import type { Pf } from "../model/inventory.ts";
import { run, say, type Step } from "./remedy.ts";
import type { Rule, Sighting } from "./rule.ts";
import type { View } from "./view.ts";
import { guestsOf, isForGuests, isVfioDriver, pfName, targetOf } from "./view.ts";

function withoutDriver({ pfs, wanted }: View): Sighting[] {
  return pfs
    .filter(({ driver, owners }) => driver === null && owners.length === 0)
    .map((pf): Sighting => {
      const isWanted = wanted?.physicalFunctions.some(({ address }) => address === pf.address);
      const override =
        pf.driverOverride === null ? [] : [`${pf.address}/driver_override: ${pf.driverOverride}`];
      return {
        targets: [pf.address],
        says: "A PF has no driver: its VFs can be neither made nor removed",
        evidence: [`${pf.address} has no driver link`, ...override],
        severity: isWanted === true || pf.numVfs > 0 ? "error" : "warning",
        fix: [
          ...(pf.driverOverride === null
            ? []
            : [run(`echo | sudo tee /sys/bus/pci/devices/${pf.address}/driver_override`)]),
          run(`echo ${pf.address} | sudo tee /sys/bus/pci/drivers_probe`),
          say("If it stays without one, load the card's module with modprobe and look into dmesg"),
        ],
      };
    });
}

function backToItsDriver({ address, driver }: Pf): Step[] {
  const device = `/sys/bus/pci/devices/${address}`;
  return [
    say("If no program needs it, give the PF back to its driver:"),
    run(`echo | sudo tee ${device}/driver_override`),
    run(`echo ${address} | sudo tee /sys/bus/pci/drivers/${driver ?? ""}/unbind`),
    run(`echo ${address} | sudo tee /sys/bus/pci/drivers_probe`),
    say(
      "If one does: keep the VF token secret, and give VFs only to guests that trust the program",
    ),
  ];
}

const hasOption = ({ facts }: View): boolean =>
  facts.moduleParameters["vfio_pci.enable_sriov"] === "Y";

function onUserspaceDriver(view: View): Sighting[] {
  return view.pfs.flatMap((pf): Sighting[] => {
    const { driver, numVfs } = pf;
    if (driver === null || !(isVfioDriver(driver) || /^(?:uio_|igb_uio)/.test(driver))) return [];
    const isHeldByGuest = guestsOf(pf).length > 0;
    const option = view.facts.moduleParameters["vfio_pci.enable_sriov"];
    const evidence = [
      `${pf.address}/driver: ${driver}`,
      ...(option === undefined ? [] : [`vfio_pci.enable_sriov: ${option}`]),
    ];
    if (numVfs > 0) {
      const says = `PF ${pfName(pf)} is on ${driver} and has ${numVfs} VFs: the program that has the PF controls their traffic`;
      return [{ targets: [pf.address], says, evidence, fix: backToItsDriver(pf) }];
    }
    if (hasOption(view)) return [];
    const says = `PF ${pfName(pf)} is on ${driver}: VFs cannot be made, whoever writes sriov_numvfs gets ENOENT`;
    const severity = isHeldByGuest ? "info" : "warning";
    return [{ targets: [pf.address], says, evidence, severity, fix: backToItsDriver(pf) }];
  });
}

const netdevOf = ({ netdevs }: Pf) => netdevs[0] ?? null;

function pfDown({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const netdev = netdevOf(pf);
    if (netdev?.isUp !== false || pf.numVfs === 0) return [];
    const isUsed = pf.virtualFunctions.some(isForGuests);
    return [
      {
        targets: [pf.address],
        says: `PF ${pfName(pf)} is down: its ${pf.numVfs} VFs have no link, and libvirt refuses to set them up`,
        evidence: [`${netdev.name} is not up`],
        severity: isUsed ? "error" : "warning",
        fix: [
          run(`sudo ip link set ${netdev.name} addrgenmode none`),
          run(`sudo ip link set ${netdev.name} up`),
          say("To keep it over a boot: adminState: up in the spec"),
        ],
      },
    ];
  });
}

function noCarrier({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const netdev = netdevOf(pf);
    if (netdev === null || netdev.isUp !== true || netdev.hasLink !== false) return [];
    const dark = pf.virtualFunctions.filter((vf) => vf.policy?.linkState === "auto");
    if (dark.length === 0) return [];
    return [
      {
        targets: dark.map((vf) => targetOf({ pf, vf })),
        says: `PF ${pfName(pf)} has no link, and neither have the VFs that follow it`,
        evidence: [`${netdev.name} is up and has no carrier`, "link state of the VFs: auto"],
        severity: dark.some(isForGuests) ? "warning" : "info",
        fix: [
          say("Plug in the cable, or look at the other end of it"),
          say("For traffic between VFs alone (not igb and ixgbe): linkState: enable in the spec"),
        ],
      },
    ];
  });
}

function changing({ pfs }: View): Sighting[] {
  return pfs
    .filter(({ isChanging }) => isChanging)
    .map((pf) => ({
      targets: [pf.address],
      says: `The VF count of PF ${pfName(pf)} is being changed: until that ends, every other change of VFs may wait for it`,
      evidence: ["a write to sriov_numvfs has not come back"],
    }));
}

function notGiven({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    if (pf.isChanging || pf.driver === null) return [];
    const indexes = pf.virtualFunctions.map(({ vfIndex }) => vfIndex);
    const highest = Math.max(-1, ...indexes);
    if (highest + 1 === indexes.length) return [];
    const says = `PF ${pfName(pf)} has gaps among its VFs: the highest is ${highest}, ${indexes.length} are there`;
    return [{ targets: [pf.address], says, evidence: [`virtfn links: ${indexes.length}`] }];
  });
}

export const driverRules: readonly Rule[] = [
  {
    id: "pf-without-driver",
    group: "driver",
    title: "A PF has no driver",
    severity: "error",
    needs: ["drivers"],
    test: withoutDriver,
    cause: "VFs are made by the PF's driver: without one, writing sriov_numvfs gives ENOENT.",
    fix: () => [say("Bind the PF to its driver")],
    needsReboot: false,
    reference: "drivers/pci/iov.c sriov_numvfs_store(): no driver bound to device",
    answers: ["N04"],
  },
  {
    id: "pf-on-userspace-driver",
    group: "driver",
    title: "A PF is in the hands of a program",
    severity: "warning",
    needs: [],
    test: onUserspaceDriver,
    cause:
      "A PF on vfio-pci or uio belongs to a program or a guest. VFs can be made there only with vfio_pci.enable_sriov, and whoever has the PF can read and redirect what its VFs send.",
    fix: () => [
      say("Give the PF back to its driver, or its VFs only to guests that trust the program"),
    ],
    needsReboot: false,
    reference: "drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_sriov_configure()",
    answers: ["N05", "S17"],
  },
  {
    id: "pf-down",
    group: "driver",
    title: "A PF with VFs is down",
    severity: "error",
    needs: [],
    test: pfDown,
    cause:
      "VFs send through their PF's port. libvirt says: Unable to configure VF because the PF is not online. VF drivers say: PF still in reset state.",
    fix: () => [say("Bring the PF up; it needs no address")],
    needsReboot: false,
    reference: "libvirt src/util/virnetdev.c; drivers/net/ethernet/intel/igbvf/netdev.c",
    answers: ["N14", "N15"],
  },
  {
    id: "pf-without-carrier",
    group: "driver",
    title: "A PF has no link, and its VFs follow it",
    severity: "warning",
    needs: ["policy"],
    test: noCarrier,
    cause: "Link state auto gives a VF the state of its PF's port.",
    fix: () => [say("Plug in the cable")],
    needsReboot: false,
    reference: "ip-link(8), vf NUM state",
    answers: ["N16"],
    consequenceOf: ["pf-down"],
  },
  {
    id: "vf-count-change-hangs",
    group: "driver",
    title: "A change of a VF count has not ended",
    severity: "warning",
    needs: [],
    test: changing,
    cause:
      "Removing VFs waits for ever for a guest that has one, and the kernel lets nobody else change VFs meanwhile. It cannot be cancelled.",
    fix: () => [
      say("Let the guest go that still has a VF (sriovctl list shows who); the change then ends"),
      run("dmesg | grep -iE 'relaying device request|blocked until'"),
    ],
    needsReboot: false,
    reference: "drivers/vfio/vfio_main.c vfio_unregister_group_dev()",
    answers: ["N10"],
  },
  {
    id: "vfs-have-gaps",
    group: "driver",
    title: "Some VFs are missing in between",
    severity: "warning",
    needs: [],
    test: notGiven,
    cause: "A VF was removed by itself, or did not come up when the others did.",
    fix: () => [
      say("Make the VFs again when nobody uses them: sriovctl apply with numVfs 0, then N"),
    ],
    needsReboot: false,
    reference: "drivers/pci/iov.c sriov_add_vfs()",
    answers: ["N07"],
  },
];
