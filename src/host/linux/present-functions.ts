// The functions that the bus lists, in address order and by routing ID. Looking a computed VF up by
// number hands out the string that is there already: no address is formatted, hashed or kept
// twice, which at a thousand VFs is a tenth of an inventory.

import { compareAddresses, parseBdf, type Address, type Bdf } from "../../model/bdf.ts";
import type { LinuxPaths } from "./paths.ts";
import type { TreeReader } from "./tree-reader.ts";

export type PresentFunctions = {
  /** In address order. */
  readonly addresses: readonly Address[];
  /** By domain, then routing ID. */
  readonly byRoutingId: ReadonlyMap<number, ReadonlyMap<number, Address>>;
};

/** Value of a lower-case hexadecimal digit, far below 0 for anything else. */
function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -0x100000;
}

/** parseBdf() for what the kernel nearly always writes, `DDDD:BB:DD.F`, without a regular
 * expression. */
function parseKernelBdf(name: string): Bdf | null {
  const isUsual = name.length === 12 && name[4] === ":" && name[7] === ":" && name[10] === ".";
  if (!isUsual) return parseBdf(name);
  const at = (index: number): number => digit(name.charCodeAt(index));
  const domain = at(0) * 4096 + at(1) * 256 + at(2) * 16 + at(3);
  const bus = at(5) * 16 + at(6);
  const device = at(8) * 16 + at(9);
  const fn = at(11);
  if (domain < 0 || bus < 0 || device < 0 || device > 0x1f || fn < 0 || fn > 7) return null;
  return { domain, routingId: (bus << 8) | (device << 3) | fn };
}

export function listFunctions(paths: LinuxPaths, reader: TreeReader): PresentFunctions {
  const names = reader.names(paths.pciFunctions);
  if (names === null) {
    reader.report("no-pci", paths.pciFunctions, "Cannot list PCI functions: nothing can be shown");
  }
  const addresses: Address[] = [];
  const byRoutingId = new Map<number, Map<number, Address>>();
  for (const name of names ?? []) {
    const bdf = parseKernelBdf(name);
    if (bdf === null) {
      reader.report("garbage", `${paths.pciFunctions}/${name}`, `${name} is no PCI address`);
      continue;
    }
    addresses.push(name);
    const inDomain = byRoutingId.get(bdf.domain);
    if (inDomain === undefined) byRoutingId.set(bdf.domain, new Map([[bdf.routingId, name]]));
    else inDomain.set(bdf.routingId, name);
  }
  return { addresses: addresses.sort(compareAddresses), byRoutingId };
}
