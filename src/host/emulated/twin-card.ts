// The card of a twin's PF: what the inventory and its resources say of it, where the emulated
// machines have a row of their own table.

import type { PciFunctionFacts } from "../../model/host-facts.ts";
import type { Pf } from "../../model/inventory.ts";
import { decodeFunction } from "../../pci/decode-function.ts";
import { findExtendedCapability } from "../../pci/function-config.ts";
import type { Card, VfBar } from "./card.ts";
import { resourcePlace } from "./resource-windows.ts";

type VfBarPlace = { readonly bar: VfBar; readonly base: number | null };

/** VF drivers that come with a PF's driver. */
const vfDriverNames: Readonly<Record<string, string>> = {
  igb: "igbvf",
  ixgbe: "ixgbevf",
  i40e: "iavf",
  ice: "iavf",
  mlx5_core: "mlx5_core",
  nvme: "nvme",
};

/** They are loaded when a VF comes, like vfio-pci when it is asked for. */
export const vfModules: readonly string[] = [...new Set(Object.values(vfDriverNames))];

/** The memory that VFs have; null where config space or resources were not read far enough. */
export function vfBarPlaces(facts: PciFunctionFacts | null): VfBarPlace[] | null {
  if (facts === null || facts.config === null || facts.resources === null) return null;
  const sriov = findExtendedCapability(decodeFunction(facts.config), "sriov");
  if (sriov === null) return null;
  const { resources } = facts;
  return sriov.vfBars.map(({ index, width }) => {
    const { start, end } = resources[resourcePlace.vfBars + index] ?? { start: 0n, end: 0n };
    const hasPlace = start !== 0n && end > start;
    const aperture = hasPlace ? end - start + 1n : 0n;
    const sizeBytes = Number(aperture / BigInt(Math.max(1, sriov.totalVfs)));
    const bar: VfBar = { index, sizeBytes, is64Bit: width === 64 };
    return { bar, base: hasPlace ? Number(start) : null };
  });
}

/** Rates are checked against it; a link that is down has none, so it must not refuse. */
const unknownSpeedMbps = 400_000;

export function twinCard(pf: Pf, places: readonly VfBarPlace[]): Card {
  const { firstVfOffset, vfStride, link, driver, virtualFunctions } = pf;
  const placement = { firstVfOffset: firstVfOffset ?? 1, vfStride: vfStride ?? 1 };
  const speed = pf.netdevs[0]?.linkSpeedMbps;
  // igb and ixgbe know their own limit; of the others firmware may allow less than the capability.
  const totalVfs = driver === "igb" || driver === "ixgbe" ? pf.capabilityTotalVfs : pf.totalVfs;
  return {
    vendorId: pf.vendorId,
    deviceId: pf.deviceId,
    subsystemVendorId: pf.subsystemVendorId ?? 0,
    subsystemDeviceId: pf.subsystemDeviceId ?? 0,
    classCode: pf.classCode,
    revision: 0,
    driver: driver ?? "",
    vfDriver: vfDriverNames[driver ?? ""] ?? null,
    vfDeviceId: pf.vfDeviceId ?? 0,
    totalVfs: totalVfs ?? pf.capabilityTotalVfs ?? pf.totalVfs ?? 0,
    placements: [placement],
    placementsWithoutAri: [placement],
    vfBars: places.map(({ bar }) => bar),
    barBytes: 0,
    msixCount: pf.msixCount ?? 0,
    vfMsixCount: virtualFunctions.find(({ msixCount }) => msixCount !== null)?.msixCount ?? 0,
    vfTotalMsix: pf.vfTotalMsix ?? 0,
    hasAcs: true,
    isIsolatedByQuirk: true,
    linkSpeedMbps: speed ?? unknownSpeedMbps,
    pcieSpeed: `${link.speed ?? "2.5 GT/s"} PCIe`,
    pcieWidth: link.width ?? 1,
  };
}
