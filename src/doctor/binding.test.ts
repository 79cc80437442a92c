// Cases of the rules on which driver a VF has, and on who took it on the host.

import { checkRules, evidenceOf } from "../../test/evidence-of.ts";
import { netdevOf, pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import type { Vf } from "../model/inventory.ts";
import { bindingRules } from "./binding.ts";

const address = "0000:03:00.0";
const vf0 = `${address}/vf0`;
const fine = evidenceOf([pfOf(address, 2)]);

const vfs = (...parts: readonly Partial<Vf>[]) =>
  parts.map((part, vfIndex) => vfOf(address, vfIndex, part));
const withVfs = (...parts: readonly Partial<Vf>[]) =>
  evidenceOf([pfOf(address, parts.length, { virtualFunctions: vfs(...parts) })]);
const guest: Partial<Vf> = { driver: "vfio-pci", owners: [vmOwner("web1")] };

const managed: Partial<Vf> = {
  netdevs: [netdevOf({ name: "ens3v1" })],
  reservations: [
    {
      kind: "manager",
      name: "networkd",
      manager: "networkd",
      role: "manages",
      evidence: ["/run/systemd/netif/links/7: ADMIN_STATE=configured"],
    },
  ],
};

checkRules(bindingRules, {
  "vf-override-without-driver": {
    fires: {
      "not loaded": {
        evidence: withVfs({ driverOverride: "vfio-pci" }),
        targets: [vf0],
        says: /not loaded/,
      },
      "loaded and not probed": {
        evidence: evidenceOf(
          [pfOf(address, 1, { virtualFunctions: vfs({ driverOverride: "vfio-pci" }) })],
          { inventory: { loadedDrivers: ["vfio-pci"] } },
        ),
        targets: [vf0],
        says: /probe failed/,
      },
    },
    silent: {
      "bound": withVfs({ driverOverride: "vfio-pci", driver: "vfio-pci" }),
      "no override": fine,
    },
  },
  "vf-not-probed": {
    fires: {
      "autoprobe off": {
        evidence: evidenceOf([pfOf(address, 1, { driversAutoprobe: false })]),
        targets: [vf0],
      },
    },
    silent: { "autoprobe on": fine },
  },
  "vf-taken-by-host": {
    fires: {
      "a VF has an address beside a guest's": {
        evidence: withVfs(guest, {
          netdevs: [netdevOf({ name: "ens3v1" })],
          owners: [
            {
              kind: "netdev",
              name: "ens3v1",
              pid: null,
              evidence: "ens3v1 is up and has address 10.0.0.7",
            },
          ],
        }),
        targets: [`${address}/vf1`],
      },
      "networkd sets one up": {
        evidence: withVfs(guest, managed),
        targets: [`${address}/vf1`],
        says: /^networkd set up/,
      },
    },
    silent: {
      "guests only": withVfs(guest),
      "no guests": fine,
      "no guest beside": withVfs(managed, {}),
    },
  },
  "vf-idle-on-host": {
    fires: {
      up: {
        evidence: withVfs({ netdevs: [netdevOf({ name: "ens3v0" })] }),
        targets: [vf0],
      },
      down: {
        evidence: withVfs({ netdevs: [netdevOf({ name: "ens3v0", isUp: false })] }),
        targets: [vf0],
        severity: "info",
      },
    },
    silent: { "no netdev": fine, "a guest has it": withVfs(guest) },
  },
});
