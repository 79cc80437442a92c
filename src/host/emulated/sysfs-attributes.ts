// What the folder of a PCI function holds: files with their mode and exact text, and links
// (drivers/pci/pci-sysfs.c, drivers/pci/iov.c). The inventory does not go through here; this is for
// whoever wants to see the machine as a kernel shows one, above all to compare the two.

import { busOf } from "../../model/bdf.ts";
import { cardOf } from "./cards.ts";
import type { Card } from "./card.ts";
import { configSpaceOf } from "./config-space.ts";
import { portDeviceIds, vfTotalMsixOf } from "./inventory.ts";
import type { Machine, VfPlace } from "./machine.ts";
import { addressOfVf, bdfOf, findPf, findPort, findVf, placementOf } from "./machine.ts";
import { pfResources, portResources, resourceText } from "./resource-windows.ts";
import type { PfState, PortState } from "./state.ts";
import { driverTotalVfs } from "./verbs/num-vfs.ts";

export type SysfsEntry =
  /** `text` null: nobody may read it. */
  | { readonly kind: "file"; readonly mode: number; readonly text: string | null }
  | { readonly kind: "bytes"; readonly mode: number; readonly bytes: () => Uint8Array }
  /** Last part of the target; the folder that it is in follows from the name. */
  | { readonly kind: "link"; readonly to: string };

type Entries = Map<string, SysfsEntry>;

const readable = (text: string | number): SysfsEntry => ({
  kind: "file",
  mode: 0o444,
  text: `${text}\n`,
});
const writable = (text: string | number): SysfsEntry => ({
  kind: "file",
  mode: 0o644,
  text: `${text}\n`,
});
const writeOnly = (mode: number): SysfsEntry => ({ kind: "file", mode, text: null });
const link = (to: string): SysfsEntry => ({ kind: "link", to });

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
const upper = (value: number, digits: number): string => hex(value, digits).toUpperCase();

/** Entries of `/sys/bus/pci/devices/ADDRESS`, or null when there is no such function. */
export function entriesOf(machine: Machine, address: string): Entries | null {
  const pf = findPf(machine, address);
  if (pf !== null) return pfEntries(machine, pf);
  const place = findVf(machine, address);
  if (place !== null) return vfEntries(machine, place, address);
  const port = findPort(machine, address);
  return port === null ? null : portEntries(machine, port);
}

type Identity = Pick<Card, "vendorId" | "deviceId" | "classCode" | "revision"> & {
  readonly subsystemVendorId: number;
  readonly subsystemDeviceId: number;
};

function modaliasOf(identity: Identity): string {
  const { vendorId, deviceId, subsystemVendorId, subsystemDeviceId, classCode } = identity;
  const [base, sub, interfaceCode] = [classCode >> 16, (classCode >> 8) & 0xff, classCode & 0xff];
  return (
    `pci:v${upper(vendorId, 8)}d${upper(deviceId, 8)}` +
    `sv${upper(subsystemVendorId, 8)}sd${upper(subsystemDeviceId, 8)}` +
    `bc${upper(base, 2)}sc${upper(sub, 2)}i${upper(interfaceCode, 2)}`
  );
}

type Common = {
  readonly address: string;
  readonly identity: Identity;
  readonly driver: string | null;
  readonly override: string | null;
  readonly group: number | null;
  readonly numaNode: number | null;
};

/** What PFs, VFs and ports all have. */
function commonEntries(machine: Machine, common: Common): Entries {
  const { address, identity, driver, override, group, numaNode } = common;
  const alias = modaliasOf(identity);
  const lines = [
    ...(driver === null ? [] : [`DRIVER=${driver}`]),
    `PCI_CLASS=${upper(identity.classCode, 4)}`,
    `PCI_ID=${upper(identity.vendorId, 4)}:${upper(identity.deviceId, 4)}`,
    `PCI_SUBSYS_ID=${upper(identity.subsystemVendorId, 4)}:${upper(identity.subsystemDeviceId, 4)}`,
    `PCI_SLOT_NAME=${address}`,
    `MODALIAS=${alias}`,
  ];
  const entries: Entries = new Map([
    ["uevent", writable(lines.join("\n"))],
    ["modalias", readable(alias)],
    ["vendor", readable(`0x${hex(identity.vendorId, 4)}`)],
    ["device", readable(`0x${hex(identity.deviceId, 4)}`)],
    ["subsystem_vendor", readable(`0x${hex(identity.subsystemVendorId, 4)}`)],
    ["subsystem_device", readable(`0x${hex(identity.subsystemDeviceId, 4)}`)],
    ["class", readable(`0x${hex(identity.classCode, 6)}`)],
    ["revision", readable(`0x${hex(identity.revision, 2)}`)],
    ["numa_node", writable(numaNode ?? -1)],
    ["driver_override", writable(override ?? "(null)")],
    [
      "config",
      {
        kind: "bytes",
        mode: 0o644,
        bytes: () => configSpaceOf(machine, address) ?? new Uint8Array(),
      },
    ],
  ]);
  if (driver !== null) entries.set("driver", link(driver));
  if (group !== null) entries.set("iommu_group", link(String(group)));
  return entries;
}

function linkEntries(entries: Entries, { pcieSpeed, pcieWidth }: Card): void {
  for (const which of ["current", "max"]) {
    entries.set(`${which}_link_speed`, readable(pcieSpeed));
    entries.set(`${which}_link_width`, readable(pcieWidth));
  }
}

function pfEntries(machine: Machine, pf: PfState): Entries {
  const card = cardOf(pf.card);
  const { address, driver, override, group, numaNode } = pf;
  const common = { address, identity: card, driver, override, group, numaNode };
  const entries = commonEntries(machine, common);
  const { firstVfOffset, vfStride } = placementOf(machine, pf);
  linkEntries(entries, card);
  const isAriOn = findPort(machine, pf.below)?.forwardsAri === true;
  const rows: readonly (readonly [string, SysfsEntry])[] = [
    ["ari_enabled", readable(isAriOn ? 1 : 0)],
    ["sriov_totalvfs", readable(driverTotalVfs(pf))],
    ["sriov_numvfs", writable(pf.numVfsRegister)],
    ["sriov_offset", readable(firstVfOffset)],
    ["sriov_stride", readable(vfStride)],
    ["sriov_vf_device", readable(hex(card.vfDeviceId, 1))],
    ["sriov_drivers_autoprobe", writable(pf.autoprobe ? 1 : 0)],
    ["sriov_vf_total_msix", readable(vfTotalMsixOf(pf))],
    ["reset", writeOnly(0o200)],
    ["reset_method", writable("flr pm bus")],
    ["remove", writeOnly(0o220)],
    ["rescan", writeOnly(0o200)],
    ["power_state", readable(driver === null ? "unknown" : "D0")],
    ["resource", readable(resourceText(pfResources(pf)))],
  ];
  for (const [name, entry] of rows) entries.set(name, entry);
  pf.vfs.forEach((vf, vfIndex) => {
    if (vf === null || vf.isLeaving === true) return;
    entries.set(`virtfn${vfIndex}`, link(addressOfVf(machine, pf, vfIndex)));
  });
  return entries;
}

function vfEntries(machine: Machine, { pf, vf }: VfPlace, address: string): Entries {
  const card = cardOf(pf.card);
  const entries = commonEntries(machine, {
    address,
    identity: { ...card, deviceId: card.vfDeviceId },
    driver: vf.driver ?? null,
    override: vf.override ?? null,
    group: vf.group ?? null,
    numaNode: pf.numaNode,
  });
  linkEntries(entries, card);
  if (vf.isLeaving !== true) entries.set("physfn", link(pf.address));
  entries.set("irq", readable(0));
  entries.set("reset", writeOnly(0o200));
  entries.set("reset_method", writable("flr"));
  entries.set("sriov_vf_msix_count", writeOnly(0o200));
  entries.set("power_state", readable(vf.driver === undefined ? "unknown" : "D0"));
  return entries;
}

function portEntries(machine: Machine, port: PortState): Entries {
  const identity = {
    vendorId: 0x8086,
    deviceId: portDeviceIds[port.kind],
    classCode: 0x060400,
    revision: 0,
    subsystemVendorId: 0,
    subsystemDeviceId: 0,
  };
  const { address, group } = port;
  const entries = commonEntries(machine, {
    address,
    identity,
    driver: "pcieport",
    override: null,
    group,
    numaNode: null,
  });
  entries.set("secondary_bus_number", readable(port.secondaryBus));
  entries.set("subordinate_bus_number", readable(port.subordinateBus));
  entries.set("resource", readable(resourceText(portResources(port))));
  entries.set("remove", writeOnly(0o220));
  entries.set("rescan", writeOnly(0o200));
  return entries;
}

/** Folder of a function below `/sys/devices`, through the ports above it. */
export function devicePathOf(machine: Machine, address: string): string {
  const place = findVf(machine, address);
  const below = place?.pf.below ?? findPf(machine, address)?.below;
  const above = findPort(machine, below ?? findPort(machine, address)?.below ?? null);
  if (above !== null) return `${devicePathOf(machine, above.address)}/${address}`;
  const { domain } = bdfOf(address);
  const bus = busOf(bdfOf(place === null ? address : place.pf.address));
  return `pci${hex(domain, 4)}:${hex(bus, 2)}/${address}`;
}

/** All functions that answer, in no order. */
export function allAddresses(machine: Machine): string[] {
  const { core, pfs } = machine.state;
  const addresses = core.ports.map(({ address }) => address);
  for (const pf of pfs) {
    if (!pf.isPresent) continue;
    addresses.push(pf.address);
    pf.vfs.forEach((vf, vfIndex) => {
      if (vf !== null) addresses.push(addressOfVf(machine, pf, vfIndex));
    });
  }
  return addresses;
}
