// What the host knows of a VF that libvirt cannot say before it fails: who shares its IOMMU group on a
// driver of the host, and whether its PF is up.

import { fullInventory, type Host } from "../../host/host.ts";
import { vfAt } from "../../model/inventory.ts";
import { isWhole, type Plug } from "../../model/plug.ts";
import type { GroupMember, VfFacts } from "./obstacles.ts";

const unknown: VfFacts = {
  iommuGroup: null,
  isPfUp: null,
  pfNetdev: null,
  inTheWay: [],
};

/** drivers/vfio/group.c: drivers that leave DMA to the user, or do none. */
const isHarmless = (driver: string): boolean =>
  driver === "pci-stub" || driver === "pcieport" || driver.includes("vfio");

export async function vfFactsOf(host: Host | null, plug: Plug): Promise<VfFacts> {
  if (host === null) return unknown;
  const inventory = await host.inventory({ ...fullInventory, census: false });
  const pf = inventory.physicalFunctions.find(({ address }) => address === plug.pf);
  const ofPf = pf === undefined || isWhole(plug) ? null : vfAt(pf, plug.vfIndex);
  const vf = isWhole(plug) ? pf : ofPf;
  if (pf === undefined || vf === null || vf === undefined) return unknown;
  const [netdev] = pf.netdevs;
  const group = vf.iommuGroup;
  const functions = inventory.physicalFunctions.flatMap((one) => [one, ...one.virtualFunctions]);
  const inTheWay = functions.flatMap(({ address, driver, iommuGroup }): GroupMember[] => {
    if (group === null || iommuGroup !== group || address === plug.vf) return [];
    return driver === null || isHarmless(driver) ? [] : [{ address, driver }];
  });
  return {
    iommuGroup: group,
    isPfUp: netdev?.isUp ?? null,
    pfNetdev: netdev?.name ?? null,
    inTheWay,
  };
}
