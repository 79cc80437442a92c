// Network cards that are made for SR-IOV and show none here: the inventory, which is about PFs, does
// not have them, and somebody who has such a card wants to know why.

import { compareAddresses, parseBdf } from "../../../model/bdf.ts";
import type { CardWithoutSriov } from "../../../model/host-facts.ts";
import type { Inventory } from "../../../model/inventory.ts";
import { isMadeForSriov } from "../../../pci/sriov-devices.ts";
import { driverByLink } from "../drivers.ts";
import { functionFile } from "../paths.ts";
import type { FactSources } from "./fact-reader.ts";

/** A host has fewer; what says otherwise is no host. */
const cardsMax = 256;

export function readCardsWithoutSriov(
  { paths, reader }: FactSources,
  { physicalFunctions, bridges }: Inventory,
): CardWithoutSriov[] {
  const known = new Set(bridges.map(({ address }) => address));
  for (const pf of physicalFunctions) {
    known.add(pf.address);
    for (const { address } of pf.virtualFunctions) known.add(address);
  }
  const cards: CardWithoutSriov[] = [];
  const addresses = reader
    .namesIfThere(paths.pciFunctions)
    .filter((name) => parseBdf(name) !== null && !known.has(name))
    .sort(compareAddresses);
  for (const address of addresses) {
    const number = (name: string): number =>
      Number(reader.textIfThere(functionFile(paths, address, name)) ?? Number.NaN);
    // A network controller.
    if (number("class") >>> 16 !== 0x02) continue;
    const [vendorId, deviceId] = [number("vendor"), number("device")];
    if (!isMadeForSriov(vendorId, deviceId)) continue;
    const [netdev = null] = reader.namesIfThere(functionFile(paths, address, "net"));
    const driver = driverByLink(`${paths.pciFunctions}/${address}`, reader);
    cards.push({ address, vendorId, deviceId, driver, netdev });
    if (cards.length === cardsMax) break;
  }
  return cards;
}
