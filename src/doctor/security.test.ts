// Cases of the audit points.

import { checkRules, evidenceOf, functionOf, nicOf, pfConfig } from "../../test/evidence-of.ts";
import { freshIgbPolicy, pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import type { NicFacts } from "../model/host-facts.ts";
import type { Pf, Vf } from "../model/inventory.ts";
import type { VfPolicy } from "../model/vf-attribute.ts";
import { hostSecurityRules } from "./security-host.ts";
import { pfSecurityRules } from "./security-pf.ts";
import { vfSecurityRules } from "./security-vf.ts";

const address = "0000:03:00.0";
const vf0 = `${address}/vf0`;
const fine = evidenceOf([pfOf(address, 2)]);

const withNode = (path: string, mode: number) =>
  evidenceOf([pfOf(address, 1)], { facts: { vfioNodes: [{ path, mode, owner: "0:0" }] } });

checkRules(hostSecurityRules, {
  "unsafe-interrupts": {
    fires: {
      "the parameter is on": {
        evidence: evidenceOf([pfOf(address)], { iommu: { allowsUnsafeInterrupts: true } }),
        targets: ["host"],
      },
    },
    silent: {
      "off": fine,
      "not known": evidenceOf([pfOf(address)], { iommu: { allowsUnsafeInterrupts: null } }),
    },
  },
  "no-iommu-mode": {
    fires: {
      "the parameter is on": {
        evidence: evidenceOf([pfOf(address)], { iommu: { isNoIommuMode: true } }),
        targets: ["host"],
      },
    },
    silent: { off: fine },
  },
  "vfio-node-open-to-all": {
    fires: {
      "the node of a VF's group": {
        evidence: withNode("/dev/vfio/20", 0o666),
        targets: [`${address}/vf0`],
      },
      "of a group without an IOMMU": {
        evidence: withNode("/dev/vfio/noiommu-20", 0o662),
        targets: [`${address}/vf0`],
      },
    },
    silent: {
      "root's": withNode("/dev/vfio/20", 0o600),
      "a group's": withNode("/dev/vfio/20", 0o660),
      "of another device": withNode("/dev/vfio/7", 0o666),
    },
  },
  "uio-driver": {
    fires: {
      "a VF on igb_uio": {
        evidence: evidenceOf([
          pfOf(address, 1, { virtualFunctions: [vfOf(address, 0, { driver: "igb_uio" })] }),
        ]),
        targets: [`${address}/vf0`],
      },
      "loaded only": {
        evidence: evidenceOf([pfOf(address)], { inventory: { loadedDrivers: ["igb_uio"] } }),
        targets: ["host"],
        severity: "warning",
      },
    },
    silent: { "vfio-pci": evidenceOf([pfOf(address, 0, { driver: "vfio-pci" })]) },
  },
  "identity-domain": {
    fires: {
      "iommu=pt": {
        evidence: evidenceOf([pfOf(address, 0, { iommuGroupType: "identity" })], {
          kernel: { commandLine: ["iommu=pt"] },
        }),
        targets: [address],
      },
    },
    silent: {
      "DMA-FQ": evidenceOf([pfOf(address, 0, { iommuGroupType: "DMA-FQ" })]),
      "not known": fine,
    },
  },
});

const policy = (part: Partial<VfPolicy>): VfPolicy => ({ ...freshIgbPolicy, ...part });
const safe = policy({
  mac: "52:54:00:00:00:01",
  vlan: { id: 100, qos: 0, protocol: "802.1q" },
  txRateMaxMbps: 1000,
});
const guestVf = (part: Partial<VfPolicy>): Partial<Vf> => ({
  driver: "vfio-pci",
  owners: [vmOwner("web1")],
  policy: { ...safe, ...part },
});
const withVf = (vf: Partial<Vf>, pf: Partial<Pf> = {}, nic: Partial<NicFacts> = {}) =>
  evidenceOf([pfOf(address, 1, { virtualFunctions: [vfOf(address, 0, vf)], ...pf })], {
    facts: { nics: [nicOf(address, nic)] },
  });
const guest = withVf(guestVf({}));
const noVlan = { vlan: { id: 0, qos: 0, protocol: "802.1q" } } as const;
const promiscuous = { privateFlags: { "vf-true-promisc-support": true } };

function withAts() {
  const config = pfConfig();
  // ATS (0x000f) in place of the first extended capability's follower: at 0x200, enabled.
  const header = 0x200;
  config.set([0x0f, 0x00, 0x01, 0x00, 0x20, 0x00, 0x00, 0x80], header);
  const sriovNext = 0x102;
  config[sriovNext] = 0x01;
  config[sriovNext + 1] = header >> 4;
  return evidenceOf([pfOf(address, 1, { virtualFunctions: [vfOf(address, 0, guestVf({}))] })], {
    facts: { functions: [functionOf(address, { config })] },
  });
}

checkRules(pfSecurityRules, {
  "true-promiscuous-vfs": {
    fires: {
      "with a trusted VF": {
        evidence: withVf(guestVf({ trust: true }), {}, promiscuous),
        targets: [address],
      },
      "with none": { evidence: withVf({}, {}, promiscuous), targets: [address], severity: "info" },
    },
    silent: {
      "off": withVf({}, {}, { privateFlags: { "vf-true-promisc-support": false } }),
      "no such flag": fine,
    },
  },
  "pause-frames-from-guests": {
    fires: {
      "a guest without a VLAN": {
        evidence: withVf(guestVf(noVlan), {}, { pause: { rx: true, tx: false } }),
        targets: [address],
      },
    },
    silent: {
      "a guest on a VLAN": withVf(guestVf({}), {}, { pause: { rx: true, tx: true } }),
      "flow control off": withVf(guestVf(noVlan)),
    },
  },
  "lldp-in-firmware": {
    fires: {
      i40e: {
        evidence: withVf(guestVf({}), {}, { privateFlags: { "disable-fw-lldp": false } }),
        targets: [address],
      },
      ice: {
        evidence: withVf(guestVf({}), {}, { privateFlags: { "fw-lldp-agent": true } }),
        targets: [address],
      },
    },
    silent: {
      "off": withVf(guestVf({}), {}, { privateFlags: { "disable-fw-lldp": true } }),
      "no guests": fine,
    },
  },
  "ats-for-guests": {
    fires: { enabled: { evidence: withAts(), targets: [address] } },
    silent: { "no such capability": guest },
  },
  "switchdev-policy": {
    fires: {
      "a guest's VF with a VLAN": {
        evidence: withVf(guestVf({}), { eswitchMode: "switchdev" }),
        targets: [address],
      },
      "without settings": {
        evidence: withVf(guestVf({ ...noVlan, spoofCheck: false }), { eswitchMode: "switchdev" }),
        targets: [address],
        severity: "info",
      },
    },
    silent: { "legacy": guest, "no guests": withVf({}, { eswitchMode: "switchdev" }) },
  },
});

const spare = (part: Partial<VfPolicy>): Partial<Vf> => ({
  driver: "vfio-pci",
  policy: { ...safe, ...part },
});

checkRules(vfSecurityRules, {
  "spoof-check-off": {
    fires: {
      "a guest's": { evidence: withVf(guestVf({ spoofCheck: false })), targets: [vf0] },
      "one that waits for a guest": {
        evidence: withVf(spare({ spoofCheck: false })),
        targets: [vf0],
        severity: "warning",
      },
    },
    silent: {
      "on": guest,
      "the host's own": withVf({ driver: "igbvf", policy: { ...safe, spoofCheck: false } }),
      "not reported": withVf(guestVf({ spoofCheck: null })),
      "switchdev": withVf(guestVf({ spoofCheck: false }), { eswitchMode: "switchdev" }),
    },
  },
  "no-mac-set": {
    fires: { zero: { evidence: withVf(guestVf({ mac: "00:00:00:00:00:00" })), targets: [vf0] } },
    silent: { "set": guest, "not reported": withVf(guestVf({ mac: null })) },
  },
  "trust-on": {
    fires: { "a guest's": { evidence: withVf(guestVf({ trust: true })), targets: [vf0] } },
    silent: { off: guest },
  },
  "no-vlan-set": {
    fires: { "a guest's": { evidence: withVf(guestVf(noVlan)), targets: [vf0] } },
    silent: { "set": guest, "nobody has it": withVf(spare(noVlan)) },
  },
  "double-tagging": {
    fires: {
      "802.1ad": {
        evidence: withVf(guestVf({ vlan: { id: 5, qos: 0, protocol: "802.1ad" } })),
        targets: [vf0],
      },
    },
    silent: { "802.1q": guest },
  },
  "no-rate-limit": {
    fires: { "a guest's": { evidence: withVf(guestVf({ txRateMaxMbps: 0 })), targets: [vf0] } },
    silent: { "limited": guest, "not reported": withVf(guestVf({ txRateMaxMbps: null })) },
  },
  "rss-query-on": {
    fires: { on: { evidence: withVf(guestVf({ rssQuery: true })), targets: [vf0] } },
    silent: { off: withVf(guestVf({ rssQuery: false })) },
  },
  "idle-link-forced-on": {
    fires: {
      "nobody has it": { evidence: withVf(spare({ linkState: "enable" })), targets: [vf0] },
    },
    silent: {
      "auto": withVf(spare({ linkState: "auto" })),
      "a guest has it": withVf(guestVf({ linkState: "enable" })),
    },
  },
  "past-the-firewall": {
    fires: { "a guest's": { evidence: guest, targets: [vf0] } },
    silent: { "no guests": fine },
  },
});
