// Unraid's boot-time VF counts (`VFS=0000:04:00.1|8086:1521|3 ...` in sriov.cfg) and what it gives
// each VF (`VFSETTINGS=VF|ID|VFIO|MAC ...` in sriovvfs.cfg).

import { formatBdf, parseBdf } from "../model/bdf.ts";
import type { Claim, ClaimSetting, PfSelector } from "../model/claim.ts";
import { baseName, type ClaimReading, type ConfigFile, parseCount } from "./config-file.ts";

export const unraidFiles = ["/boot/config/sriov.cfg", "/boot/config/sriovvfs.cfg"];

const entriesOf = (text: string, prefix: string): string[][] =>
  text
    .trim()
    .replace(new RegExp(`^${prefix}=`), "")
    .split(/\s+/)
    .map((entry) => entry.split("|"));

function claim(address: string, key: "addresses" | "vfAddresses", made: ClaimSetting): Claim[] {
  const bdf = parseBdf(address);
  if (bdf === null) return [];
  const selector: PfSelector = { [key]: [formatBdf(bdf)], unjudged: [] };
  return [{ manager: "unraid", selector, firstOf: null, settings: [made] }];
}

function claimsOf({ path, text }: ConfigFile): Claim[] {
  const where = `${path}:1`;
  if (baseName(path) === "sriov.cfg") {
    return entriesOf(text, "VFS").flatMap(([address = "", , count = ""]) => {
      const numVfs = parseCount(count, 65_535);
      return numVfs === null ? [] : claim(address, "addresses", { kind: "num-vfs", numVfs, where });
    });
  }
  return entriesOf(text, "VFSETTINGS").flatMap(([address = "", , vfio, mac]) => {
    const words = `VF ${address}: mac ${mac}${vfio === "1" ? ", vfio-pci" : ""}`.slice(0, 100);
    return claim(address, "vfAddresses", { kind: "other", words, where });
  });
}

export function readUnraid(files: readonly ConfigFile[]): ClaimReading {
  return { claims: files.flatMap(claimsOf), problems: [] };
}
