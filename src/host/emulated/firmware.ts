// What the firmware of an emulated card stores: how many VFs it gives, now and from its next start on,
// as NUM_OF_VFS of a ConnectX. The setting outlives the machine's boots, and only a boot makes it true.

import type { Address } from "../../model/bdf.ts";
import { SriovError } from "../../model/errors.ts";
import type { FirmwareVfs } from "../../model/inventory.ts";
import { cardOf } from "./cards.ts";
import type { Machine } from "./machine.ts";
import { findPf } from "./machine.ts";
import { profileOf } from "./machine-list.ts";
import type { PfState } from "./state.ts";

const mellanox = 0x15b3;

/** null: the card has no such setting. */
export function firmwareVfsOf({ card, firmware }: PfState): FirmwareVfs | null {
  const { vendorId, totalVfs } = cardOf(card);
  if (vendorId !== mellanox) return null;
  const now = firmware?.now ?? totalVfs;
  return { now, nextBoot: firmware?.nextBoot ?? now };
}

/** What a boot finds stored, by PF. */
export const storedFirmware = ({ state }: Machine): ReadonlyMap<Address, number> =>
  new Map(
    state.pfs.flatMap(({ address, firmware }) =>
      firmware === undefined ? [] : [[address, firmware.nextBoot] as const],
    ),
  );

/** The cards have started with it. */
export function startFirmware(machine: Machine, stored: ReadonlyMap<Address, number>): void {
  for (const [address, numVfs] of stored) {
    const pf = findPf(machine, address);
    if (pf !== null) pf.firmware = { now: numVfs, nextBoot: numVfs };
  }
}

/** Throws SriovError where the card has no such setting, or not that many VFs. */
export function checkFirmware(machine: Machine, wanted: ReadonlyMap<Address, number>): void {
  const { functions } = profileOf(machine.state.core.name);
  for (const [address, numVfs] of wanted) {
    const pf = findPf(machine, address);
    const refuse = (why: string): SriovError => {
      const message = `Cannot store ${numVfs} VFs in the firmware of ${address}: ${why}`;
      return new SriovError("usage", message, { operation: "store firmware", target: address });
    };
    const now = pf === null ? null : firmwareVfsOf(pf);
    if (pf === null) throw refuse("there is no such PF");
    if (now === null) throw refuse("its card has no such setting, wanted a ConnectX");
    const least = functions.find((each) => each.address === address)?.numVfs ?? 0;
    const { totalVfs } = cardOf(pf.card);
    if (numVfs < least || numVfs > totalVfs) throw refuse(`wanted ${least} to ${totalVfs}`);
  }
}

export function storeFirmware(machine: Machine, wanted: ReadonlyMap<Address, number>): void {
  for (const [address, nextBoot] of wanted) {
    const pf = findPf(machine, address);
    if (pf !== null) pf.firmware = { now: firmwareVfsOf(pf)?.now ?? nextBoot, nextBoot };
  }
}
