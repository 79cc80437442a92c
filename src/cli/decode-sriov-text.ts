// What `decode` says to people about an SR-IOV capability: how many VFs are on, and where VFs are,
// as ranges, because a PF may have thousands. While VFs are off, the places are those they would
// have by the offset and stride of the moment.

import type { Bdf } from "../model/bdf.ts";
import { formatBdf } from "../model/bdf.ts";
import type { Sriov } from "../pci/capability/sriov.ts";
import { busesOfVfs, vfAddress, vfBus } from "../pci/routing-id.ts";
import { sizeText } from "./decode-capability-text.ts";

type VfRange = {
  readonly firstIndex: number;
  readonly lastIndex: number;
};

/** VFs 0 to `numVfs` - 1, cut where they carry into the next bus; what is past bus 255 is left
 * out. */
export function vfRanges(bdf: Bdf, placement: Sriov, numVfs: number): VfRange[] {
  const ranges: VfRange[] = [];
  let firstIndex = 0;
  for (let vfIndex = 0; vfIndex < numVfs; vfIndex++) {
    const bus = vfBus(bdf.routingId, placement, vfIndex);
    if (bus > 0xff) break;
    const isLast = vfIndex + 1 === numVfs;
    if (!isLast && vfBus(bdf.routingId, placement, vfIndex + 1) === bus) continue;
    ranges.push({ firstIndex, lastIndex: vfIndex });
    firstIndex = vfIndex + 1;
  }
  return ranges;
}

function rangeLine(bdf: Bdf, body: Sriov, { firstIndex, lastIndex }: VfRange): string {
  const first = vfAddress(bdf, body, firstIndex);
  if (firstIndex === lastIndex) return `VF ${firstIndex}: ${first}`;
  const last = vfAddress(bdf, body, lastIndex);
  const step = body.vfStride === 1 ? "" : `, in steps of ${body.vfStride}`;
  return `VF ${firstIndex}-${lastIndex}: ${first} to ${last}${step}`;
}

/** Up to this many ranges are shown; 256 buses would fill screens. */
const rangesShown = 4;

function placeLines(bdf: Bdf | null, body: Sriov): string[] {
  const numVfs = body.vfEnable ? body.numVfs : body.totalVfs;
  if (bdf === null || numVfs === 0) return [];
  const ranges = vfRanges(bdf, body, numVfs);
  const shown = ranges.length <= rangesShown ? ranges : ranges.slice(0, rangesShown - 1);
  const lines = shown.map((range) => rangeLine(bdf, body, range));
  const last = ranges.at(-1);
  if (shown.length < ranges.length && last !== undefined) {
    lines.push(`... ${rangeLine(bdf, body, last)}`);
  }
  const { first, last: lastBus } = busesOfVfs(bdf.routingId, body, numVfs);
  const bus = (number: number): string => number.toString(16).padStart(2, "0");
  if (lastBus > 0xff) lines.push(`from VF ${(last?.lastIndex ?? -1) + 1} on: past bus ff`);
  else if (lastBus > first) lines.push(`on buses ${bus(first)} to ${bus(lastBus)}`);
  return body.vfEnable
    ? lines
    : lines.map((line, index) => (index === 0 ? `if on, ${line}` : line));
}

function pageSizes(mask: number): string {
  const sizes: string[] = [];
  for (let place = 0; place < 32; place++) {
    if (((mask >>> place) & 1) === 1) sizes.push(sizeText(2 ** (place + 12)));
  }
  return sizes.join(" ") || "none";
}

export function sriovLines(bdf: Bdf | null, body: Sriov): string[] {
  const { vfEnable, vfMse, numVfs, totalVfs, vfBars } = body;
  const state = vfEnable ? `${numVfs} of ${totalVfs} VFs on` : `VFs off, ${totalVfs} possible`;
  const flags = [
    vfEnable === vfMse ? "" : `VF memory space ${vfMse ? "on" : "off"}`,
    body.ariCapableHierarchy ? "ARI capable hierarchy" : "no ARI",
  ].filter((flag) => flag !== "");
  const vfDevice = body.vfDeviceId.toString(16).padStart(4, "0");
  return [
    `${state}, ${flags.join(", ")}`,
    ...placeLines(bdf, body),
    `first offset 0x${body.firstVfOffset.toString(16)}, stride ${body.vfStride}, device ${vfDevice}`,
    ...vfBars.map(({ index, address, width, prefetchable }) => {
      const kind = `${width}-bit${prefetchable ? " prefetchable" : ""}`;
      return `VF BAR ${index}: ${address.toString(16).padStart(8, "0")}, ${kind}`;
    }),
    `pages of ${pageSizes(body.systemPageSize)}, supported ${pageSizes(body.supportedPageSizes)}`,
  ];
}

/** For a heading: which function this is. */
export const addressText = (bdf: Bdf | null): string =>
  bdf === null ? "(address unknown)" : formatBdf(bdf);
