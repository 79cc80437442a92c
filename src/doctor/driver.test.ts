// Cases of the driver rules.

import { checkRules, evidenceOf } from "../../test/evidence-of.ts";
import { freshNetdevsimPolicy, netdevOf, pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import type { Netdev, Pf } from "../model/inventory.ts";
import { driverRules } from "./driver.ts";

const address = "0000:03:00.0";
const fine = evidenceOf([pfOf(address, 2)]);
const pf = (numVfs: number, part: Partial<Pf>) => evidenceOf([pfOf(address, numVfs, part)]);
const port = (numVfs: number, netdev: Partial<Netdev>, part: Partial<Pf> = {}) =>
  pf(numVfs, { netdevs: [netdevOf({ name: "ens3", ...netdev })], ...part });

const following = { virtualFunctions: [vfOf(address, 0, { policy: freshNetdevsimPolicy })] };

checkRules(driverRules, {
  "pf-without-driver": {
    fires: {
      "without VFs": { evidence: pf(0, { driver: null }), targets: [address], severity: "warning" },
      "with VFs that nobody can remove": { evidence: pf(2, { driver: null }), targets: [address] },
    },
    silent: {
      "it has one": fine,
      "a guest has it": pf(0, { driver: null, owners: [vmOwner("web1")] }),
    },
  },
  "pf-on-userspace-driver": {
    fires: {
      "no VFs can be made": {
        evidence: pf(0, { driver: "vfio-pci" }),
        targets: [address],
        says: /ENOENT/,
      },
      "with VFs": {
        evidence: pf(2, { driver: "vfio-pci" }),
        targets: [address],
        says: /controls their traffic/,
      },
    },
    silent: {
      "its own driver": fine,
      "the option is on and no VFs are there": evidenceOf(
        [pfOf(address, 0, { driver: "vfio-pci" })],
        {
          facts: { moduleParameters: { "vfio_pci.enable_sriov": "Y" } },
        },
      ),
    },
  },
  "pf-down": {
    fires: {
      "with VFs": { evidence: port(2, { isUp: false }), targets: [address], severity: "warning" },
      "with a guest's VF": {
        evidence: port(
          1,
          { isUp: false },
          { virtualFunctions: [vfOf(address, 0, { owners: [vmOwner("web1")] })] },
        ),
        targets: [address],
      },
    },
    silent: {
      "up": fine,
      "down without VFs": port(0, { isUp: false }),
      "not known": port(2, { isUp: null }),
    },
  },
  "pf-without-carrier": {
    fires: {
      "VFs follow it": {
        evidence: port(1, { hasLink: false }, following),
        targets: [`${address}/vf0`],
        severity: "info",
      },
    },
    silent: {
      "a link": port(1, {}, following),
      "its VFs do not follow it": port(1, { hasLink: false }),
      "it is down": port(1, { isUp: false, hasLink: false }, following),
    },
  },
  "vf-count-change-hangs": {
    fires: {
      "a write is in flight": { evidence: pf(2, { isChanging: true }), targets: [address] },
    },
    silent: { "none is": fine },
  },
  "vfs-have-gaps": {
    fires: {
      "VF 1 is gone": {
        evidence: pf(2, { virtualFunctions: [vfOf(address, 0), vfOf(address, 2)] }),
        targets: [address],
      },
    },
    silent: { "all there": fine, "none": evidenceOf([pfOf(address)]) },
  },
});
