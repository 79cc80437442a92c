// Binding rules: which driver has a VF, and who took it on the host.

import type { Vf } from "../model/inventory.ts";
import type { Reservation } from "../model/reservation.ts";
import { rangesOf } from "../model/vf-range.ts";
import { run, say } from "./remedy.ts";
import type { Rule, Sighting } from "./rule.ts";
import type { View } from "./view.ts";
import { isForGuests, targetOf } from "./view.ts";

function overrideWithoutDriver({ vfs, inventory }: View): Sighting[] {
  return vfs.flatMap(({ pf, vf }): Sighting[] => {
    const { driver, driverOverride, address } = vf;
    if (driver !== null || driverOverride === null) return [];
    const isLoaded = inventory.loadedDrivers.includes(driverOverride);
    const says = isLoaded
      ? `VFs are meant for ${driverOverride} and have no driver: nobody probed them, or the probe failed`
      : `VFs are meant for ${driverOverride}, which is not loaded: an override loads no module`;
    const evidence = [`${address}/driver_override: ${driverOverride}, no driver`];
    const fix = [
      ...(isLoaded ? [] : [run(`sudo modprobe ${driverOverride}`)]),
      run(`echo ${address} | sudo tee /sys/bus/pci/drivers_probe`),
    ];
    return [{ targets: [targetOf({ pf, vf })], says, evidence, fix }];
  });
}

const managedUsers = new Set(["netdev", "route"]);

const managersOf = ({ reservations = [] }: Vf): readonly Reservation[] =>
  reservations.filter(({ role }) => role === "manages");

/** A VF beside those of guests that the host uses, or that an interface manager sets up. */
function takenByHost({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const { virtualFunctions } = pf;
    const taken = virtualFunctions.filter(
      (vf) =>
        vf.netdevs.length > 0 &&
        (vf.owners.some(({ kind }) => managedUsers.has(kind)) || managersOf(vf).length > 0),
    );
    if (taken.length === 0 || !virtualFunctions.some(isForGuests)) return [];
    const managers = [...new Set(taken.flatMap(managersOf).map(({ name }) => name))];
    const says =
      managers.length === 0
        ? "The host itself uses VFs beside those of guests: an interface manager may have taken them (DHCP)"
        : `${managers.join(" and ")} set up VFs beside those of guests as interfaces of the host`;
    const evidence = taken.flatMap((vf) => [
      ...managersOf(vf).flatMap((manager) => manager.evidence),
      ...vf.owners.map((owner) => owner.evidence),
    ]);
    return [{ targets: taken.map((vf) => targetOf({ pf, vf })), says, evidence }];
  });
}

function idleOnHost({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const idle = pf.virtualFunctions.filter(
      ({ netdevs, owners }) => netdevs.length > 0 && owners.length === 0,
    );
    if (idle.length === 0) return [];
    const up = idle.filter(({ netdevs }) => netdevs.some(({ isUp }) => isUp === true));
    const says =
      up.length > 0
        ? "VFs that nobody uses are interfaces of the host, and up: what arrives reaches the host"
        : "VFs that nobody uses are interfaces of the host";
    const indexes = rangesOf(idle.map(({ vfIndex }) => vfIndex));
    const evidence = [
      `${pf.address} VF ${indexes}: ${idle[0]?.netdevs[0]?.name ?? ""}${idle.length > 1 ? " ..." : ""}`,
    ];
    const shown = up.length > 0 ? up : idle;
    return [
      {
        targets: shown.map((vf) => targetOf({ pf, vf })),
        says,
        evidence,
        severity: up.length > 0 ? "warning" : "info",
      },
    ];
  });
}

function unprobed({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    if (pf.driversAutoprobe !== false) return [];
    const bare = pf.virtualFunctions.filter(
      ({ driver, driverOverride }) => driver === null && driverOverride === null,
    );
    if (bare.length === 0) return [];
    return [
      {
        targets: bare.map((vf) => targetOf({ pf, vf })),
        says: "VFs have no driver, and while autoprobe is off none can be bound without an override",
        evidence: [`${pf.address}/sriov_drivers_autoprobe: 0`],
      },
    ];
  });
}

export const bindingRules: readonly Rule[] = [
  {
    id: "vf-override-without-driver",
    group: "binding",
    title: "A VF did not get the driver it is meant for",
    severity: "warning",
    needs: [],
    test: overrideWithoutDriver,
    cause: "driver_override says which driver may have a function; it binds and loads nothing.",
    fix: () => [run("sudo modprobe vfio-pci")],
    needsReboot: false,
    reference: "drivers/pci/pci-driver.c pci_match_device()",
    answers: ["V02"],
  },
  {
    id: "vf-not-probed",
    group: "binding",
    title: "VFs have no driver because autoprobe is off",
    severity: "info",
    needs: [],
    test: unprobed,
    cause: "sriov_drivers_autoprobe 0 also makes a manual bind fail with ENODEV.",
    fix: () => [
      say(
        "That is right for VFs that wait for guests; driver: vfio-pci in the spec sets the override",
      ),
    ],
    needsReboot: false,
    reference: "drivers/pci/pci-driver.c pci_device_can_probe()",
    answers: ["V02"],
  },
  {
    id: "vf-taken-by-host",
    group: "binding",
    title: "The host took a VF",
    severity: "warning",
    needs: [],
    test: takenByHost,
    cause:
      "With autoprobe on, every new VF becomes an interface, and NetworkManager or networkd may configure it before its guest gets it.",
    fix: () => [
      say(
        "Say driver: none or vfio-pci for VFs of guests in the spec, so that they never become interfaces",
      ),
      say("sriovctl enable also tells the interface managers to leave VFs alone"),
    ],
    needsReboot: false,
    reference: "docs/coexistence.md",
    answers: ["V03"],
  },
  {
    id: "vf-idle-on-host",
    group: "security",
    title: "VFs that nobody uses are on the host's network",
    severity: "warning",
    needs: [],
    test: idleOnHost,
    cause: "Such a VF is a way into the host from the network it is on.",
    fix: () => [say("unassigned: none in the spec takes the driver from VFs that nobody claims")],
    needsReboot: false,
    reference: "docs/spec.md, unassigned",
    answers: ["S21", "V03"],
  },
];
