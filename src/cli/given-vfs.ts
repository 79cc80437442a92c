// Which functions a guest was given that its own configuration does not name: libvirt chooses an
// interface's VF from a pool at the start, and when it tells of the guest's end it has given the VF
// back and names none. One file a guest, of the running system, gone with the guest.

import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { formatBdf, parseBdf, type Address } from "../model/bdf.ts";
import { writeFileWhole } from "./write-file.ts";

const givenFormat = "sriovctl-given/1";

/** `libvirt:web1`; no name leaves the folder. */
const fileOf = (folder: string, guest: string): string =>
  join(folder, `${encodeURIComponent(guest)}.json`);

/** Throws what Node throws. */
export function keepGiven(folder: string, guest: string, addresses: readonly Address[]): void {
  const document = { format: givenFormat, guest, addresses };
  writeFileWhole(fileOf(folder, guest), `${JSON.stringify(document)}\n`, 0o600);
}

/** Empty where there is no such file, or none that this program wrote. */
export function readGiven(folder: string, guest: string): Address[] {
  try {
    const document: unknown = JSON.parse(readFileSync(fileOf(folder, guest), "utf8"));
    if (typeof document !== "object" || document === null) return [];
    const { format, addresses } = document as Readonly<Record<string, unknown>>;
    if (format !== givenFormat || !Array.isArray(addresses)) return [];
    return addresses.flatMap((address: unknown) => {
      const bdf = typeof address === "string" ? parseBdf(address) : null;
      return bdf === null ? [] : [formatBdf(bdf)];
    });
  } catch {
    return [];
  }
}

export const dropGiven = (folder: string, guest: string): void =>
  rmSync(fileOf(folder, guest), { force: true });
