// The planner on small hosts: one row is a host, a spec and the changes that follow.
// Long because the rows are one table.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  inventoryOf,
  netdevOf,
  pfOf,
  vfOf,
  vmOwner,
  freshIgbPolicy,
} from "../../test/inventory-of.ts";
import type { Pf } from "../model/inventory.ts";
import type {
  AdapterSpec,
  AssignSpec,
  PfSpec,
  PolicySpec,
  Spec,
  VfPolicySpec,
} from "../model/spec.ts";
import { formatPlan } from "./plan-text.ts";
import { plan } from "./plan.ts";

const address = "0000:01:00.0";

type Part = Partial<Omit<PfSpec, "name">> & Partial<Pick<AdapterSpec, "eswitchMode">>;

function specOf(part: Part, entries: readonly VfPolicySpec[] = [], rest: Partial<Spec> = {}): Spec {
  const { eswitchMode, ...pf } = part;
  const p0: PfSpec = { name: "p0", match: { address }, protect: [], where: "s.yaml:3:5", ...pf };
  const adapter: AdapterSpec = {
    name: "nic0",
    match: {},
    physicalFunctions: [p0],
    where: "s.yaml:2:3",
    ...(eswitchMode === undefined ? {} : { eswitchMode }),
  };
  return {
    source: "s.yaml",
    adapters: [adapter],
    pools: [],
    virtualFunctions: entries,
    assign: [],
    ...rest,
  };
}

function entry(
  vfIndexes: readonly number[],
  policy: PolicySpec,
  part: Partial<VfPolicySpec> = {},
): VfPolicySpec {
  const where = "s.yaml:9:5";
  return { vfs: [{ pf: "p0", vfIndexes, where }], policy, where, ...part };
}

const newMac = "52:54:00:00:00:07";

function toNamespace(policy: PolicySpec): AssignSpec {
  const where = "s.yaml:12:5";
  const vf = { pf: "p0", vfIndexes: [0], where };
  return { to: "netns:ci/eth0", source: { kind: "vf", vf }, driver: "kernel", policy, where };
}

type Row = {
  readonly name: string;
  readonly pf: Pf;
  readonly spec: Spec;
  readonly consent?: readonly string[];
  readonly actions?: readonly string[];
  readonly problems?: readonly string[];
};

const busy = (part: Partial<Pf> = {}): Pf =>
  pfOf(address, 2, {
    virtualFunctions: [
      vfOf(address, 0, { owners: [vmOwner("web1")], driver: "vfio-pci" }),
      vfOf(address, 1),
    ],
    ...part,
  });

const rows: readonly Row[] = [
  { name: "does nothing where nothing differs", pf: pfOf(address, 4), spec: specOf({ numVfs: 4 }) },
  {
    name: "leaves a count alone that the spec does not give",
    pf: pfOf(address, 4),
    spec: specOf({}),
  },
  {
    name: "creates VFs",
    pf: pfOf(address),
    spec: specOf({ numVfs: 4 }),
    actions: ["+ create 4 VFs"],
  },
  {
    name: "resizes through 0",
    pf: pfOf(address, 2),
    spec: specOf({ numVfs: 4 }),
    actions: [
      "- remove all VFs",
      "~ set autoprobe off",
      "+ create 4 VFs",
      "~ set autoprobe on",
      "~ VF 2-3: let the kernel probe it",
    ],
  },
  {
    name: "carries over what the spec leaves alone",
    pf: pfOf(address, 2, {
      virtualFunctions: [
        vfOf(address, 0, { policy: { ...freshIgbPolicy, trust: true } }),
        vfOf(address, 1, { policy: { ...freshIgbPolicy, mac: "52:54:00:00:00:01" } }),
      ],
    }),
    spec: specOf({ numVfs: 3 }),
    actions: [
      "- remove all VFs",
      "~ set autoprobe off",
      "+ create 3 VFs",
      "~ VF 0: set trust on",
      "~ VF 1: set mac 52:54:00:00:00:01",
      "~ set autoprobe on",
      "~ VF 2: let the kernel probe it",
    ],
  },
  {
    name: "shows no network manager a VF that goes to vfio-pci, be it one of many",
    pf: pfOf(address),
    spec: specOf({ numVfs: 4 }, [entry([3], { trust: true }, { driver: "vfio-pci" })], {
      unassigned: "kernel",
    }),
    actions: [
      "+ load module vfio-pci",
      "~ set autoprobe off",
      "+ create 4 VFs",
      "~ VF 3: set trust on",
      "~ VF 3: bind to vfio-pci",
      "~ set autoprobe on",
      "~ VF 0-2: bind to the kernel's driver",
    ],
  },
  {
    name: "shows no network manager a VF that nobody claims",
    pf: pfOf(address),
    spec: specOf({ numVfs: 4 }, [entry([0], {}, { driver: "kernel" })], { unassigned: "none" }),
    actions: [
      "~ set autoprobe off",
      "+ create 4 VFs",
      "~ set autoprobe on",
      "~ VF 0: bind to the kernel's driver",
    ],
  },
  {
    name: "gives a VF its MAC before a driver sees it, also where all are for kernel drivers",
    pf: pfOf(address),
    spec: specOf({ numVfs: 2 }, [entry([0, 1], { mac: "auto" }, { driver: "kernel" })]),
    actions: [
      "~ set autoprobe off",
      "+ create 2 VFs",
      "~ VF 0-1: set macs 52:09:d1:0c:4d:ef ... 52:09:d1:0c:4a:5c",
      "~ set autoprobe on",
      "~ VF 0-1: bind to the kernel's driver",
    ],
  },
  {
    name: "sets what differs and nothing else",
    pf: pfOf(address, 2),
    spec: specOf({}, [
      entry([1], { vlan: { id: 120, qos: 3, protocol: "802.1q" }, spoofCheck: true }),
    ]),
    actions: ["~ VF 1: set vlan 120 qos 3"],
  },
  {
    name: "turns autoprobe on for a kernel driver, and off again",
    pf: pfOf(address, 1, { driversAutoprobe: false }),
    spec: specOf({}, [entry([0], {}, { driver: "kernel" })]),
    actions: ["~ set autoprobe on", "~ VF 0: bind to the kernel's driver", "~ set autoprobe off"],
  },
  {
    name: "takes a VF for a namespace off its driver where that keeps the MAC it was loaded with",
    pf: pfOf(address, 1, { virtualFunctions: [vfOf(address, 0, { driver: "igbvf" })] }),
    spec: specOf({}, [], { assign: [toNamespace({ mac: newMac, trust: true })] }),
    actions: [
      "~ VF 0: bind to no driver",
      `~ VF 0: set mac ${newMac}`,
      "~ VF 0: set trust on",
      "~ VF 0: bind to the kernel's driver",
    ],
  },
  {
    name: "leaves a VF for a namespace on its driver where nothing asks for more",
    pf: pfOf(address, 1, { virtualFunctions: [vfOf(address, 0, { driver: "igbvf" })] }),
    spec: specOf({}, [], { assign: [toNamespace({ trust: true })] }),
    actions: ["~ VF 0: set trust on"],
  },
  {
    name: "leaves a VF for a namespace on a driver that takes a new MAC at once",
    pf: pfOf(address, 1, {
      driver: "i40e",
      virtualFunctions: [vfOf(address, 0, { driver: "iavf" })],
    }),
    spec: specOf({}, [], { assign: [toNamespace({ mac: newMac })] }),
    actions: [`~ VF 0: set mac ${newMac}`],
  },
  {
    name: "refuses to cut off a VM",
    pf: busy(),
    spec: specOf({ numVfs: 4 }, [], { unassigned: "none" }),
    problems: [
      "would-disrupt: Removing the VFs of p0 disrupts vm:web1 on 0000:01:00.0/vf0: QEMU web1 has it open",
    ],
  },
  {
    name: "asks for a protected PF's word too",
    pf: busy(),
    spec: specOf({ numVfs: 0, protect: ["management"] }),
    consent: ["vm:web1"],
    problems: [
      "would-disrupt: Removing the VFs of p0 resets the PF: it is protected as management",
    ],
  },
  {
    name: "goes ahead with consent that names everybody",
    pf: busy(),
    spec: specOf({ numVfs: 0, protect: ["management"] }),
    consent: ["vm:web1", "protect:management"],
    actions: ["- remove all VFs"],
  },
  {
    name: "changes a used VF's rate without consent, its VLAN not",
    pf: busy({ netdevs: [netdevOf({ name: "eth0" })] }),
    spec: specOf({}, [
      entry([0], { rate: { maxMbps: 500 }, vlan: { id: 9, qos: 0, protocol: "802.1q" } }),
    ]),
    problems: [
      "would-disrupt: Changing the policy of p0 disrupts vm:web1 on 0000:01:00.0/vf0: QEMU web1 has it open",
    ],
  },
  {
    name: "names every impossible wish at once",
    pf: pfOf(address, 2),
    spec: specOf({}, [entry([0], { linkState: "enable", rate: { minMbps: 100 } }), entry([5], {})]),
    problems: [
      "vf-missing: Cannot give VF 5 of p0 to the policy at s.yaml:9:5: it has 2 VFs",
      "attribute-unsupported: Cannot configure VF 0 of p0: driver igb does not support linkState",
      "attribute-unsupported: Cannot configure VF 0 of p0: driver igb has no minimum rate",
    ],
  },
  {
    name: "refuses what the driver accepts and then ignores",
    pf: pfOf(address, 1, { driver: "ixgbe" }),
    spec: specOf({}, [entry([0], { linkState: "enable" })]),
    problems: [
      "attribute-unsupported: Cannot configure VF 0 of p0: driver ixgbe takes linkState enable and does nothing",
    ],
  },
  {
    name: "knows the driver's limit and the hardware's",
    pf: pfOf(address),
    spec: specOf({ numVfs: 8 }),
    problems: ["too-many-vfs: Cannot set 8 VFs on p0 (0000:01:00.0): sriov_totalvfs is 7"],
  },
  {
    name: "does not take a PF whose keys disagree",
    pf: pfOf(address),
    spec: specOf({ match: { address, permanentMac: "b4:96:91:00:00:99" } }),
    problems: [
      "pf-keys-disagree: Cannot match p0: 0000:01:00.0 has address 0000:01:00.0 but not permanentMac b4:96:91:00:00:99",
    ],
  },
  {
    name: "refuses legacy attributes in switchdev mode",
    pf: pfOf(address, 2, { driver: "ice", eswitchMode: "switchdev" }),
    spec: specOf({}, [entry([0], { trust: true })]),
    problems: [
      "attribute-in-switchdev: Cannot configure VF 0 of p0: trust is not enforced in switchdev mode",
    ],
  },
  {
    name: "changes the eswitch mode at no VFs",
    pf: pfOf(address, 2, { driver: "ice", eswitchMode: "legacy" }),
    spec: specOf({ eswitchMode: "switchdev" }),
    actions: [
      "- remove all VFs",
      "~ set eswitch mode switchdev",
      "~ set autoprobe off",
      "+ create 2 VFs",
      "~ set autoprobe on",
    ],
  },
];

const signOf = (line: string): string => line.trim().replace(/ {2}\(.*$/, "");

for (const { name, pf, spec, consent = [], actions = [], problems = [] } of rows) {
  test(`plan() ${name}`, () => {
    const made = plan({ spec, inventory: inventoryOf([pf]), consent });
    assert.deepEqual(
      made.problems.map(({ code, message }) => `${code}: ${message}`),
      problems,
    );
    if (problems.length > 0) return;
    const lines = formatPlan(made)
      .split("\n")
      .filter((line) => /^ {2}[-+~]/.test(line));
    assert.deepEqual(lines.map(signOf), actions);
  });
}

test("plan() gives every action an inverse that restores the VFs that were there", () => {
  const policy = { ...freshIgbPolicy, mac: "52:54:00:00:00:01" };
  const virtualFunctions = [
    vfOf(address, 0, { policy, driver: "vfio-pci", driverOverride: "vfio-pci" }),
  ];
  const pf = pfOf(address, 1, { virtualFunctions });
  const { actions } = plan({
    spec: specOf({ numVfs: 2 }),
    inventory: inventoryOf([pf]),
    consent: [],
  });
  assert.deepEqual(
    actions.find(({ change }) => change.kind === "remove-vfs")?.inverse.map(({ kind }) => kind),
    ["set-autoprobe", "create-vfs", "set-vf", "bind-driver", "set-autoprobe"],
  );
});
