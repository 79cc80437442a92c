// Cases of the device rules.

import { checkRules, evidenceOf, functionOf, nicOf, pfConfig } from "../../test/evidence-of.ts";
import { pfOf } from "../../test/inventory-of.ts";
import { deviceRules } from "./device.ts";

const address = "0000:03:00.0";
const idle = pfOf(address);
const fine = evidenceOf([idle]);

const wanting = (numVfs: number | null) =>
  evidenceOf([idle], {
    wanted: { physicalFunctions: [{ address, name: "p0", numVfs }], waivers: [] },
  });

const firmware = (now: number | null, nextBoot: number | null, numVfs = 0) =>
  evidenceOf([pfOf(address, numVfs, { vendorId: 0x15b3, driver: "mlx5_core" })], {
    facts: { nics: [nicOf(address, { firmwareVfs: { now, nextBoot } })] },
  });

const withoutFile = (firstVfOffset: number, config = pfConfig({ firstVfOffset })) =>
  evidenceOf([pfOf(address, 0, { totalVfs: null })], {
    facts: { functions: [functionOf(address, { config })] },
  });

const plainCard = {
  address: "0000:81:00.0",
  vendorId: 0x15b3,
  deviceId: 0x101d,
  driver: "mlx5_core",
  netdev: "ens3np0",
};

checkRules(deviceRules, {
  "sriov-turned-off": {
    fires: {
      "a card without the capability, and no PF": {
        evidence: evidenceOf([], { facts: { cardsWithoutSriov: [plainCard] } }),
        targets: ["0000:81:00.0"],
        says: /^Made for SR-IOV and shows none: 0000:81:00\.0 \(ens3np0\)$/,
      },
      "beside a PF": {
        evidence: evidenceOf([idle], { facts: { cardsWithoutSriov: [plainCard] } }),
        targets: ["0000:81:00.0"],
        severity: "info",
      },
      "in a guest": {
        evidence: evidenceOf([], {
          facts: { cardsWithoutSriov: [plainCard] },
          log: ["Hypervisor detected: KVM"],
        }),
        targets: ["0000:81:00.0"],
        severity: "info",
        says: /this is a guest/,
      },
    },
    silent: {
      "all cards have it": evidenceOf([idle]),
    },
  },
  "sriov-unusable": {
    fires: { "a First VF Offset of 0": { evidence: withoutFile(0), targets: [address] } },
    silent: {
      "the kernel offers it": fine,
      "config space is cut": withoutFile(0, pfConfig().subarray(0, 64)),
    },
  },
  "no-vfs-allowed": {
    fires: {
      "sriov_totalvfs is 0": {
        evidence: evidenceOf([pfOf(address, 0, { totalVfs: 0 })]),
        targets: [address],
      },
    },
    silent: {
      "some are allowed": fine,
      "not known": evidenceOf([pfOf(address, 0, { totalVfs: null })]),
    },
  },
  "fewer-vfs-than-wanted": {
    fires: { "8 of 7": { evidence: wanting(8), targets: [address], says: /p0 wants 8 VFs/ } },
    silent: { "7 of 7": wanting(7), "no count in the spec": wanting(null), "no spec": fine },
  },
  "firmware-waits-for-boot": {
    fires: {
      "more at the next boot": { evidence: firmware(0, 16), targets: [address], severity: "info" },
      "fewer than there are now": { evidence: firmware(8, 2, 4), targets: [address] },
    },
    silent: { "no change": firmware(8, 8), "not known": firmware(null, null) },
  },
});
