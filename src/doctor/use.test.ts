// Cases of the rules on policy, guests and traffic.

import { checkRules, evidenceOf, nicOf } from "../../test/evidence-of.ts";
import { freshIgbPolicy, netdevOf, pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import type { Claim, ManagerName } from "../model/claim.ts";
import type { NicFacts } from "../model/host-facts.ts";
import type { Owner, Pf, Vf } from "../model/inventory.ts";
import { policyRules } from "./policy.ts";
import { trafficRules } from "./traffic.ts";
import { vmRules } from "./vm.ts";

const address = "0000:03:00.0";
const vf0 = `${address}/vf0`;
const fine = evidenceOf([pfOf(address, 2)]);

const vfs = (...parts: readonly Partial<Vf>[]) =>
  parts.map((part, vfIndex) => vfOf(address, vfIndex, part));
const withVfs = (...parts: readonly Partial<Vf>[]) =>
  evidenceOf([pfOf(address, parts.length, { virtualFunctions: vfs(...parts) })]);
const mac = (value: string): Partial<Vf> => ({ policy: { ...freshIgbPolicy, mac: value } });
const guest: Partial<Vf> = { driver: "vfio-pci", owners: [vmOwner("web1")] };

const claim = (manager: ManagerName, settings: Claim["settings"]): Claim => ({
  manager,
  selector: { names: ["ens3"], unjudged: [] },
  firstOf: null,
  settings,
});
const numVfs = (count: number) => [{ kind: "num-vfs", numVfs: count, where: "/etc/x:1" }] as const;
const claimed = (...claims: readonly Claim[]) =>
  evidenceOf([pfOf(address)], { inventory: { claims } });

const otherPort = "0000:03:00.1";
const onTwoPorts = (...guests: readonly [string, string]) =>
  evidenceOf(
    [address, otherPort].map((port, at) =>
      pfOf(port, 1, {
        virtualFunctions: [
          vfOf(port, 0, { ...mac("02:00:00:00:00:01"), owners: [vmOwner(guests[at] ?? "")] }),
        ],
      }),
    ),
  );

checkRules(policyRules, {
  "vf-mtu-above-pf": {
    fires: {
      "9000 above 1500": {
        evidence: withVfs({ netdevs: [netdevOf({ name: "ens3v0", mtu: 9000 })] }),
        targets: [vf0],
      },
    },
    silent: { "the same": withVfs({ netdevs: [netdevOf({ name: "ens3v0" })] }), "no netdev": fine },
  },
  "two-managers-of-vfs": {
    fires: {
      "two counts": {
        evidence: claimed(claim("networkd", numVfs(4)), claim("udev", numVfs(8))),
        targets: [address],
      },
      "the same count": {
        evidence: claimed(claim("networkd", numVfs(4)), claim("udev", numVfs(4))),
        targets: [address],
        severity: "warning",
      },
    },
    silent: {
      "one manager": claimed(claim("networkd", numVfs(4))),
      "of another PF": claimed(claim("networkd", numVfs(4)), {
        ...claim("udev", numVfs(8)),
        selector: { names: ["eno1"], unjudged: [] },
      }),
    },
  },
  "max-vfs-option": {
    fires: {
      "in modprobe.d": {
        evidence: claimed(
          claim("modprobe", [
            { kind: "other", words: "igb max_vfs=7", where: "/etc/modprobe.d/igb.conf:1" },
          ]),
        ),
        targets: [address],
      },
    },
    silent: { none: claimed() },
  },
  "same-mac-twice": {
    fires: {
      "two VFs": {
        evidence: withVfs(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:01")),
        targets: [vf0, `${address}/vf1`],
      },
      "two guests on two ports": {
        evidence: onTwoPorts("web1", "web2"),
        targets: [vf0, `${otherPort}/vf0`],
      },
    },
    silent: {
      "none set": fine,
      "a guest that bonds two ports": onTwoPorts("web1", "web1"),
      "different": withVfs(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02")),
    },
  },
});

const withLocked = (lockedMebibytes: number, limitMebibytes: number | null) => {
  const owners = [{ ...vmOwner("web1"), pid: 812 }];
  const pf = pfOf(address, 1, { virtualFunctions: vfs({ ...guest, owners }) });
  const process = {
    pid: 812,
    name: "web1",
    lockedBytes: lockedMebibytes * 2 ** 20,
    lockLimitBytes: limitMebibytes === null ? ("unlimited" as const) : limitMebibytes * 2 ** 20,
  };
  return evidenceOf([pf], { facts: { guests: [process] } });
};

const runningOn = (numaNode: number | null, nodes: readonly number[] | null) => {
  const owners = [{ ...vmOwner("web1"), pid: 812 }];
  const pf = pfOf(address, 1, { numaNode, virtualFunctions: vfs({ ...guest, owners }) });
  const process = { pid: 812, name: "web1", lockedBytes: null, lockLimitBytes: null, nodes };
  return evidenceOf([pf], { facts: { guests: [process], numaNodes: [0, 1] } });
};

checkRules(vmRules, {
  "vf-in-two-hands": {
    fires: {
      "two VMs": {
        evidence: withVfs({ owners: [vmOwner("web1"), vmOwner("web2")] }),
        targets: [vf0],
        says: /web1, web2/,
      },
    },
    silent: { "twice the same": withVfs({ owners: [vmOwner("web1"), vmOwner("web1")] }) },
  },
  "no-vf-left": {
    fires: { "all in use": { evidence: withVfs(guest, guest), targets: [address] } },
    silent: { "one is free": withVfs(guest, {}), "no VFs": evidenceOf([pfOf(address)]) },
  },
  "guest-cannot-migrate": {
    fires: { "vfio-pci": { evidence: withVfs(guest), targets: [vf0] } },
    silent: {
      "a driver that can": withVfs({ ...guest, driver: "mlx5_vfio_pci" }),
      "no guest": fine,
    },
  },
  "guest-far-from-card": {
    fires: {
      "pinned to the other node": {
        evidence: runningOn(0, [1]),
        targets: [vf0],
        says: /another NUMA node than PF/,
      },
    },
    silent: {
      "pinned to the card's": runningOn(0, [0]),
      "free to run anywhere": runningOn(0, [0, 1]),
      "firmware tells no node": runningOn(-1, [1]),
    },
  },
  "locked-memory-nearly-full": {
    fires: { "16 MiB left": { evidence: withLocked(4080, 4096), targets: [vf0], says: /web1/ } },
    silent: {
      "1 GiB left": withLocked(4096, 5120),
      "no limit": withLocked(4096, null),
      "nothing locked": withLocked(0, 8),
    },
  },
  "pf-in-guest-with-vfs": {
    fires: {
      "others use its VFs": {
        evidence: evidenceOf([
          pfOf(address, 1, { owners: [vmOwner("fw")], virtualFunctions: vfs(guest) }),
        ]),
        targets: [address],
      },
    },
    silent: { "its VFs are unused": evidenceOf([pfOf(address, 1, { owners: [vmOwner("fw")] })]) },
  },
  "pf-in-guest": {
    fires: {
      "a VM has it": {
        evidence: evidenceOf([pfOf(address, 0, { owners: [vmOwner("fw")] })]),
        targets: [address],
      },
    },
    silent: { "the host's": fine },
  },
});

const upper = (name: string): Owner => ({
  kind: "upper",
  name,
  pid: null,
  evidence: `${name} is on top of ens3`,
});
const inBridge = (nic: Partial<NicFacts>, pf: Partial<Pf> = {}) =>
  evidenceOf([pfOf(address, 1, { owners: [upper("br0")], virtualFunctions: vfs(guest), ...pf })], {
    facts: { nics: [nicOf(address, nic)] },
  });
const macs = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => `52:54:00:00:00:${at.toString(16).padStart(2, "0")}`);

const linked = (
  speed: string,
  width: number,
  linkSpeedMbps: number | null,
  [maxSpeed, maxWidth]: readonly [string, number] = ["16.0 GT/s PCIe", 16],
) =>
  evidenceOf([
    pfOf(address, 0, {
      netdevs: [netdevOf({ name: "ens1", linkSpeedMbps })],
      link: { speed, width, maxSpeed, maxWidth },
    }),
  ]);

checkRules(trafficRules, {
  "bridge-on-pf": {
    fires: {
      "nobody registered MACs": {
        evidence: inBridge({ selfFdb: ["33:33:00:00:00:01"] }),
        targets: [address],
      },
    },
    silent: {
      "MACs are registered": inBridge({ selfFdb: macs(1) }),
      "not known": inBridge({ selfFdb: null }),
      "switchdev": inBridge({}, { eswitchMode: "switchdev" }),
      "a bond": inBridge({}, { owners: [upper("bond0")] }),
      "no guests": inBridge({}, { virtualFunctions: vfs({}) }),
    },
  },
  "vf-mac-in-pf-filter": {
    fires: {
      registered: {
        evidence: inBridge(
          { selfFdb: ["02:00:00:00:00:01"] },
          { virtualFunctions: vfs(mac("02:00:00:00:00:01")) },
        ),
        targets: [vf0],
      },
    },
    silent: { "others' MACs": inBridge({ selfFdb: macs(3) }) },
  },
  "pf-filter-nearly-full": {
    fires: {
      "4 of 4": {
        evidence: inBridge({ selfFdb: macs(4) }, { driver: "bnxt_en" }),
        targets: [address],
      },
    },
    silent: {
      "3 of 4": inBridge({ selfFdb: macs(3) }, { driver: "bnxt_en" }),
      "a driver whose size is not known": inBridge({ selfFdb: macs(200) }, { driver: "fm10k" }),
    },
  },
  "bridge-port-dark": {
    fires: {
      "no carrier": {
        evidence: inBridge({}, { netdevs: [netdevOf({ name: "ens3", hasLink: false })] }),
        targets: [address],
      },
    },
    silent: { "a link": inBridge({}), "no bridge": fine },
  },
  "bond-on-pf": {
    fires: { "a bond": { evidence: inBridge({}, { owners: [upper("bond0")] }), targets: [vf0] } },
    silent: { "a bridge": inBridge({}) },
  },
  "pcie-link-below-port": {
    fires: {
      "100 Gbit/s behind four lanes": {
        evidence: linked("8.0 GT/s PCIe", 4, 100_000),
        targets: [address],
        says: /a PCIe link of 31\.5 Gbit\/s and a port of 100 Gbit\/s/,
      },
    },
    silent: {
      "enough": linked("16.0 GT/s PCIe", 8, 100_000),
      "slow, and the port is too": linked("2.5 GT/s PCIe", 1, 1000),
      "no link": linked("8.0 GT/s PCIe", 1, null),
      // An X722 of the corpus, which is part of the chipset.
      "all that the function shows": linked("2.5 GT/s", 1, 10_000, ["8 GT/s", 1]),
      "not told": linked("Unknown", 0, 100_000),
    },
  },
  "vf-list-too-long": {
    fires: { "222 VFs": { evidence: evidenceOf([pfOf(address, 222)]), targets: [address] } },
    silent: {
      "221 VFs": evidenceOf([pfOf(address, 221)]),
      "an NVMe drive": evidenceOf([pfOf(address, 222, { classCode: 0x010802 })]),
    },
  },
});
