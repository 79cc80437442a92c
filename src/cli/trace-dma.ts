// `trace --dma` for people and programs: one function's view of memory, and who can be reached
// past the IOMMU because of which hop.

import type { DmaPeer, DmaReach } from "../doctor/dma-reach.ts";
import { clean, type Style } from "./style.ts";
import { alignRows } from "./table.ts";
import { wrapped } from "./wrapped.ts";

const dmaFormat = "sriovctl-trace-dma/1";

export const dmaJson = (reach: DmaReach) => ({
  format: dmaFormat,
  address: reach.address,
  iommuGroup: reach.group,
  domain: reach.domain,
  memory: reach.memory,
  peers: reach.peers.map(({ address, isBridge, driver, owners }) => ({
    address,
    isBridge,
    driver,
    owners: owners.map(({ kind, name }) => `${kind}:${name}`),
  })),
  path: reach.path,
  brokenAt: reach.broken,
  isPathKnown: reach.isPathKnown,
});

function verdict({ group, peers, broken, isPathKnown }: DmaReach, devices: readonly DmaPeer[]) {
  if (group === null) {
    return "Without an IOMMU group nothing keeps this function apart: it reaches all memory.";
  }
  if (devices.length === 0) {
    const alone = peers.length === 0 ? "It is alone in its group" : "Only bridges share its group";
    if (broken === null) return `${alone}: no other device is reached past the IOMMU.`;
    return (
      `${alone}, so nobody is reached past the IOMMU now. But ${broken} does not isolate: VFs, and ` +
      `what is plugged in beside this, would come into the group.`
    );
  }
  const count = `${devices.length} other function${devices.length === 1 ? "" : "s"}`;
  const because =
    broken !== null
      ? `because ${broken} does not isolate (see the path)`
      : isPathKnown
        ? "and the path alone does not say why: the kernel grouped them"
        : "and why cannot be told: the path could not be read as a whole (as root it can)";
  return (
    `${count} and this one can reach each other peer to peer, past the IOMMU, ${because}. ` +
    `VFIO gives the group to one guest only.`
  );
}

export function dmaText(reach: DmaReach, style: Style, columns: number): string[] {
  const { group, domain, memory, peers, path } = reach;
  const devices = peers.filter(({ isBridge }) => !isBridge);
  const rows = devices.map(({ address, driver, owners }) => [
    `  ${address}`,
    driver ?? "no driver",
    owners.map(({ kind, name }) => clean(`${kind}:${name}`)).join(" "),
  ]);
  const groupText = group === null ? "none" : `${group}${domain === null ? "" : ` (${domain})`}`;
  return [
    style("strong", reach.address),
    ...alignRows([
      [`  ${style("dim", "IOMMU group")}`, groupText],
      [`  ${style("dim", "reaches")}`, clean(memory)],
    ]),
    "",
    ...wrapped(clean(verdict(reach, devices)), columns),
    ...(rows.length === 0 ? [] : ["", ...alignRows(rows)]),
    ...(path.length === 0 ? [] : ["", ...path.map((line) => `  ${clean(line)}`)]),
  ];
}
