// Evidence for the doctor's tests: a healthy host of which everything is known, changed by what a
// case is about; and the check that runs a rule's cases.

import assert from "node:assert/strict";
import { test } from "node:test";
import { conflictsOn } from "../src/coexist/conflicts.ts";
import type { Rule, Severity } from "../src/doctor/rule.ts";
import type { Evidence, Wanted } from "../src/doctor/view.ts";
import { viewOf } from "../src/doctor/view.ts";
import { missing } from "../src/doctor/needs.ts";
import type { HostFacts, NicFacts, PciFunctionFacts } from "../src/model/host-facts.ts";
import type { Bridge, Inventory, Pf } from "../src/model/inventory.ts";
import { encodeFunction } from "../src/pci/encode-function.ts";
import type {
  ExtendedCapabilityDescription,
  FunctionDescription,
} from "../src/pci/function-description.ts";
import { inventoryOf } from "./inventory-of.ts";

const quietLog = ["Linux version 6.12.95", "DMAR-IR: Enabled IRQ remapping in x2apic mode"];

export const healthyFacts: HostFacts = {
  distribution: ["debian"],
  kernel: { commandLine: ["ro"], architecture: "x86_64", lockdown: "none", isSecureBoot: false },
  iommu: {
    instances: ["dmar0"],
    acpiTables: ["DMAR"],
    allowsUnsafeInterrupts: false,
    isNoIommuMode: false,
  },
  iommuGroups: [],
  functions: [],
  nics: [],
  kernelLog: { lines: quietLog, isWhole: true },
  moduleParameters: { "vfio_pci.enable_sriov": "N" },
  software: { libvirt: null, qemu: null, iproute2: null, systemd: null, mstflint: null },
  memory: null,
  guests: [],
  numaNodes: [0],
  vfioNodes: [],
  cardsWithoutSriov: [],
  gaps: [],
};

type AcsState = "on" | "off" | "absent";

const acsFlags = {
  sourceValidation: true,
  requestRedirect: true,
  completionRedirect: true,
  upstreamForwarding: true,
} as const;

const acsOf = (state: AcsState): ExtendedCapabilityDescription[] =>
  state === "absent"
    ? []
    : [{ kind: "acs", supported: acsFlags, ...(state === "on" && { enabled: acsFlags }) }];

const pcieOf = (portType: 0 | 4 | 5 | 6, ariForwarding = false) =>
  ({ kind: "pcie", portType, ariForwarding }) as const;

const bytesOf = (description: FunctionDescription): Uint8Array =>
  Uint8Array.from(encodeFunction(description).bytes);

type PortPart = { readonly kind?: 4 | 5 | 6; readonly acs?: AcsState; readonly ari?: boolean };

/** Config space of a port; ARI Forwarding Enable is as `ari` says. */
export function portConfig({ kind = 4, acs = "on", ari = true }: PortPart = {}): Uint8Array {
  const bytes = bytesOf({
    vendorId: 0x8086,
    deviceId: 0x347a,
    revision: 1,
    classCode: 0x060400,
    header: {
      kind: "bridge",
      bars: [],
      primaryBus: 0,
      secondaryBus: 1,
      subordinateBus: 1,
      memoryWindow: null,
      prefetchableWindow: null,
    },
    capabilities: [{ ...pcieOf(kind, true), offset: 0x40 }],
    extendedCapabilities: acsOf(acs),
  });
  const deviceControl2 = 0x40 + 0x28;
  bytes[deviceControl2] = (bytes[deviceControl2] ?? 0) | (ari ? 0x20 : 0);
  return bytes;
}

type PfPart = { readonly ids?: readonly [number, number]; readonly firstVfOffset?: number };

/** Config space of a PF with 8 VFs and two VF BARs. */
export const pfConfig = ({ ids = [0x8086, 0x1592], firstVfOffset = 0x80 }: PfPart = {}) =>
  bytesOf({
    vendorId: ids[0],
    deviceId: ids[1],
    revision: 1,
    classCode: 0x020000,
    header: {
      kind: "endpoint",
      bars: [],
      subsystemVendorId: 0,
      subsystemDeviceId: 0,
      interruptPin: 0,
    },
    capabilities: [pcieOf(0)],
    extendedCapabilities: [
      {
        kind: "sriov",
        totalVfs: 8,
        firstVfOffset,
        vfStride: 2,
        vfDeviceId: 0x1889,
        vfBars: [{ index: 0, kind: "memory", sizeBytes: 0x4000, width: 64, prefetchable: true }],
      },
    ],
  });

export const functionOf = (
  address: string,
  part: Partial<PciFunctionFacts> = {},
): PciFunctionFacts => ({
  address,
  vendorId: 0x8086,
  deviceId: 0x1592,
  classCode: 0x020000,
  driver: null,
  iommuGroup: null,
  config: pfConfig(),
  resources: [],
  ...part,
});

export const nicOf = (pf: string, part: Partial<NicFacts> = {}): NicFacts => ({
  pf,
  netdev: "ens1",
  driverVersion: "6.12",
  firmwareVersion: null,
  privateFlags: {},
  pause: { rx: false, tx: false },
  selfFdb: [],
  firmwareVfs: { now: null, nextBoot: null },
  ...part,
});

export const bridgeOf = (address: string, part: Partial<Bridge> = {}): Bridge => ({
  address,
  vendorId: 0x8086,
  deviceId: 0x347a,
  classCode: 0x060400,
  driver: "pcieport",
  secondaryBus: 1,
  subordinateBus: 2,
  iommuGroup: 1,
  ...part,
});

type EvidencePart = {
  readonly facts?: Partial<HostFacts>;
  readonly kernel?: Partial<HostFacts["kernel"]>;
  readonly iommu?: Partial<HostFacts["iommu"]>;
  readonly inventory?: Partial<Inventory>;
  readonly wanted?: Wanted;
  /** Lines of the kernel's log, after its beginning. */
  readonly log?: readonly string[];
};

/** A healthy host with these PFs, changed by `part`. */
export function evidenceOf(pfs: readonly Pf[], part: EvidencePart = {}): Evidence {
  const { facts = {}, kernel = {}, iommu = {}, inventory = {}, wanted = null, log = [] } = part;
  const whole = inventoryOf(pfs, { claims: [], reservedElsewhere: [], ...inventory });
  return {
    inventory: whole,
    conflicts: pfs.flatMap((pf) => conflictsOn(pf, whole.claims ?? [])),
    facts: {
      ...healthyFacts,
      functions: pfs.map(({ address }) => functionOf(address)),
      nics: pfs.map(({ address }) => nicOf(address)),
      kernelLog: { lines: [...quietLog, ...log], isWhole: true },
      ...facts,
      kernel: { ...healthyFacts.kernel, ...kernel },
      iommu: { ...healthyFacts.iommu, ...iommu },
    },
    wanted,
  };
}

type Fires = {
  readonly evidence: Evidence;
  readonly targets: readonly string[];
  readonly severity?: Severity;
  readonly says?: RegExp;
};

export type RuleCases = {
  readonly fires: Readonly<Record<string, Fires>>;
  readonly silent: Readonly<Record<string, Evidence>>;
};

/** Each rule fires in each of its cases, and says nothing in the others. */
export function checkRules(
  rules: readonly Rule[],
  cases: Readonly<Record<string, RuleCases>>,
): void {
  test("every rule has a case that fires and one that must not", () => {
    for (const { id } of rules) {
      assert.ok(Object.keys(cases[id]?.fires ?? {}).length > 0, `${id} has no case that fires`);
      assert.ok(Object.keys(cases[id]?.silent ?? {}).length > 0, `${id} has no silent case`);
    }
    assert.deepEqual(
      Object.keys(cases).filter((id) => !rules.some((rule) => rule.id === id)),
      [],
      "cases of no rule",
    );
  });
  for (const rule of rules) {
    const { fires = {}, silent = {} } = cases[rule.id] ?? {};
    for (const [name, { evidence, targets, severity, says }] of Object.entries(fires)) {
      test(`${rule.id} fires: ${name}`, () => {
        const view = viewOf(evidence);
        for (const need of rule.needs) assert.notEqual(missing(need, view)?.pfs, null, need);
        const sightings = rule.test(view);
        assert.deepEqual(new Set(sightings.flatMap((found) => found.targets)), new Set(targets));
        const [first] = sightings;
        assert.equal(first?.severity ?? rule.severity, severity ?? rule.severity);
        assert.match(first?.says ?? "", says ?? /./);
        assert.ok((first?.evidence.length ?? 0) > 0, "it shows no evidence");
      });
    }
    for (const [name, evidence] of Object.entries(silent)) {
      test(`${rule.id} is silent: ${name}`, () => {
        assert.deepEqual(rule.test(viewOf(evidence)), []);
      });
    }
  }
}
