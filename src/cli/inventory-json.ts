// The public JSON of `list` and `show`: written by hand from the model, so that the model may
// change while what programs read does not. Numbers are JSON numbers, unknown is null, an empty
// list is "known to be none".

import type { Inventory, Netdev, Owner, Pf, Vf } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import type { Reservation } from "../model/reservation.ts";

const listFormat = "sriovctl-list/1";
const showFormat = "sriovctl-show/1";

const ownerJson = ({ kind, name, pid, evidence }: Owner) => ({ kind, name, pid, evidence });

/** Configured and not using: see docs/census.md. */
export const reservationJson = ({ kind, name, manager, role, evidence }: Reservation) => ({
  kind,
  name,
  manager,
  role,
  evidence,
});

const netdevJson = (netdev: Netdev) => ({ ...netdev });

export const problemJson = ({ code, where, message, hint }: Problem) => ({
  code,
  where,
  message,
  hint: hint ?? null,
});

function vfJson(vf: Vf) {
  const { policy } = vf;
  return {
    index: vf.vfIndex,
    address: vf.address,
    driver: vf.driver,
    netdevs: vf.netdevs.map(({ name }) => name),
    iommuGroup: vf.iommuGroup,
    mac: policy?.mac ?? null,
    vlan: policy?.vlan ?? null,
    rate: policy === null ? null : { minMbps: policy.txRateMinMbps, maxMbps: policy.txRateMaxMbps },
    spoofCheck: policy?.spoofCheck ?? null,
    trust: policy?.trust ?? null,
    linkState: policy?.linkState ?? null,
    rssQuery: policy?.rssQuery ?? null,
    nodeGuid: policy?.nodeGuid ?? null,
    portGuid: policy?.portGuid ?? null,
    owners: vf.owners.map(ownerJson),
    reservations: (vf.reservations ?? []).map(reservationJson),
  };
}

/** Name of a PF: its first network interface, null where it has none. */
const pfName = (pf: Pf): string | null => pf.netdevs[0]?.name ?? null;

function pfJson(pf: Pf) {
  return {
    address: pf.address,
    name: pfName(pf),
    adapter: pf.adapter,
    driver: pf.driver,
    vendor: pf.vendorId,
    device: pf.deviceId,
    subsystemVendor: pf.subsystemVendorId,
    subsystemDevice: pf.subsystemDeviceId,
    class: pf.classCode,
    serial: pf.serial,
    numaNode: pf.numaNode,
    iommuGroup: pf.iommuGroup,
    netdevs: pf.netdevs.map(({ name }) => name),
    permanentMac: pf.permanentMac,
    totalVfs: pf.totalVfs,
    capabilityTotalVfs: pf.capabilityTotalVfs,
    numVfs: pf.numVfs,
    isChanging: pf.isChanging,
    eswitchMode: pf.eswitchMode,
    link: pf.link,
    owners: pf.owners.map(ownerJson),
    reservations: (pf.reservations ?? []).map(reservationJson),
    virtualFunctions: pf.virtualFunctions.map(vfJson),
  };
}

export const listJson = ({ host, physicalFunctions, problems }: Inventory) => ({
  format: listFormat,
  host: host.name,
  physicalFunctions: physicalFunctions.map(pfJson),
  problems: problems.map(problemJson),
});

export function showPfJson({ host, problems }: Inventory, pf: Pf) {
  return {
    format: showFormat,
    host: host.name,
    kind: "pf" as const,
    ...pfJson(pf),
    interfaces: pf.netdevs.map(netdevJson),
    driverOverride: pf.driverOverride,
    firstVfOffset: pf.firstVfOffset,
    vfStride: pf.vfStride,
    vfDevice: pf.vfDeviceId,
    driversAutoprobe: pf.driversAutoprobe,
    msixCount: pf.msixCount,
    vfTotalMsix: pf.vfTotalMsix,
    path: pf.path,
    problems: problems.map(problemJson),
  };
}

export function showVfJson({ host, problems }: Inventory, pf: Pf, vf: Vf) {
  return {
    format: showFormat,
    host: host.name,
    kind: "vf" as const,
    physicalFunction: pf.address,
    ...vfJson(vf),
    interfaces: vf.netdevs.map(netdevJson),
    driverOverride: vf.driverOverride,
    msixCount: vf.msixCount,
    problems: problems.map(problemJson),
  };
}
