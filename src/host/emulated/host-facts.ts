// The machine as the doctor sees it: what its kernel was started with, its IOMMU groups, config
// space and windows of its ports and PFs, and the log of a boot that found them. What the machine
// does not model (firmware of cards, programs, memory) is a gap, as on a host that hides it.

import { compareAddresses, type Address } from "../../model/bdf.ts";
import type {
  FactGap,
  HostFacts,
  IommuGroupFacts,
  NicFacts,
  PciFunctionFacts,
} from "../../model/host-facts.ts";
import type { Inventory } from "../../model/inventory.ts";
import { functionsOfInterest } from "../functions-of-interest.ts";
import { cardOf } from "./cards.ts";
import { configSpaceOf } from "./config-space.ts";
import { pfDriverOf } from "./drivers.ts";
import { firmwareVfsOf } from "./firmware.ts";
import { portDeviceIds } from "./inventory.ts";
import type { Machine } from "./machine.ts";
import { addressOfVf, findPf, findPort } from "./machine.ts";
import { commandLineOf, kernelLogOf } from "./kernel-log.ts";
import { pfResources, portResources } from "./resource-windows.ts";
import type { PfState, PortState } from "./state.ts";

const GiB = 2 ** 30;
const memoryBytes = 256 * GiB;
/** Of each guest; all of it is locked while it has a VF. */
const guestBytes = 4 * GiB;

const gaps: readonly FactGap[] = [
  ["network managers", "an emulated machine has none"],
  ["programs", "an emulated machine has none"],
  ["guests' processors", "an emulated machine has none"],
  ["VFIO nodes", "an emulated machine has no files"],
  ["ethtool and devlink", "emulated cards tell nothing but their driver's version"],
].map(([source = "", why = ""]) => ({ source, why }));

const pfFacts = (machine: Machine, pf: PfState): PciFunctionFacts => ({
  address: pf.address,
  vendorId: cardOf(pf.card).vendorId,
  deviceId: cardOf(pf.card).deviceId,
  classCode: cardOf(pf.card).classCode,
  driver: pf.driver,
  iommuGroup: pf.group,
  config: configSpaceOf(machine, pf.address),
  resources: pfResources(pf),
});

const portFacts = (machine: Machine, port: PortState): PciFunctionFacts => ({
  address: port.address,
  vendorId: 0x8086,
  deviceId: portDeviceIds[port.kind],
  classCode: 0x060400,
  driver: "pcieport",
  iommuGroup: port.group,
  config: configSpaceOf(machine, port.address),
  resources: portResources(port),
});

function groupsOf(machine: Machine): IommuGroupFacts[] {
  const { core, pfs } = machine.state;
  const groups = new Map<number, Address[]>();
  const add = (group: number | null | undefined, address: () => Address): void => {
    if (group === null || group === undefined) return;
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [address()]);
    else members.push(address());
  };
  for (const { group, address } of core.ports) add(group, () => address);
  for (const pf of pfs) {
    add(pf.group, () => pf.address);
    pf.vfs.forEach((vf, vfIndex) => add(vf?.group, () => addressOfVf(machine, pf, vfIndex)));
  }
  return [...groups]
    .toSorted(([left], [right]) => left - right)
    .map(([number, members]) => ({
      number,
      type: "DMA-FQ",
      name: null,
      members: members.toSorted(compareAddresses),
    }));
}

/** As the modules start, which is how they are here. */
const vfioParameters = {
  "vfio.enable_unsafe_noiommu_mode": "N",
  "vfio_iommu_type1.allow_unsafe_interrupts": "N",
  "vfio_pci.disable_denylist": "N",
  "vfio_pci.disable_idle_d3": "N",
  "vfio_pci.enable_sriov": "N",
} as const;

function nicOf(pf: PfState, kernelRelease: string): NicFacts[] {
  const { address, netdev, driver } = pf;
  if (netdev === null || pfDriverOf(driver)?.isNetwork !== true) return [];
  return [
    {
      pf: address,
      netdev: netdev.name,
      // Drivers of the kernel's own tree have no other version.
      driverVersion: kernelRelease,
      firmwareVersion: null,
      privateFlags: null,
      pause: null,
      // Nothing on an emulated machine adds addresses.
      selfFdb: [],
      firmwareVfs: firmwareVfsOf(pf),
    },
  ];
}

export function factsOf(machine: Machine, inventory: Inventory): HostFacts {
  const { core } = machine.state;
  const pfs = machine.state.pfs.filter(({ isPresent }) => isPresent);
  const { hasIommu } = core;
  const isVfioLoaded = core.loadedDrivers.includes("vfio-pci");
  const iommuGroups = groupsOf(machine);
  const functions = functionsOfInterest(inventory, iommuGroups).flatMap((address) => {
    const [pf, port] = [findPf(machine, address), findPort(machine, address)];
    return pf !== null ? [pfFacts(machine, pf)] : port !== null ? [portFacts(machine, port)] : [];
  });
  return {
    // As the kernel of the lab that its behaviour was compared with.
    distribution: ["debian"],
    kernel: {
      commandLine: commandLineOf(hasIommu),
      architecture: "x86_64",
      lockdown: "none",
      isSecureBoot: false,
    },
    iommu: {
      instances: hasIommu ? ["dmar0"] : [],
      acpiTables: hasIommu ? ["DMAR"] : [],
      allowsUnsafeInterrupts: isVfioLoaded ? false : null,
      isNoIommuMode: isVfioLoaded ? false : null,
      interruptChip: null,
    },
    iommuGroups,
    functions,
    nics: pfs.flatMap((pf) => nicOf(pf, core.kernelRelease)),
    kernelLog: kernelLogOf(machine),
    moduleParameters: isVfioLoaded ? vfioParameters : {},
    software: { libvirt: null, qemu: null, iproute2: null, systemd: null, mstflint: null },
    memory: { hugepages: [], totalBytes: memoryBytes },
    guests: core.guests
      .filter(({ holds }) => holds.length > 0)
      .map(({ name, pid }) => ({
        pid,
        name,
        lockedBytes: guestBytes,
        lockLimitBytes: "unlimited",
      })),
    numaNodes: null,
    vfioNodes: null,
    // Its PFs are all the cards that it has.
    cardsWithoutSriov: [],
    gaps: isVfioLoaded ? gaps : [...gaps, { source: "vfio", why: "the module is not loaded" }],
  };
}
