// How many VFs a PF can have on this host, and what ends the count first: the driver, the firmware,
// the capability, bus numbers, ARI, memory, interrupt vectors. Each limit is there only where it is known, so that a
// plan refuses nothing that might work.

import { parseBdf } from "../model/bdf.ts";
import type { Bridge, Pf } from "../model/inventory.ts";
import type { VfLimit } from "./vf-capacity.ts";
import { vfCapacity } from "./vf-capacity.ts";

type LimitKind = "driver" | "firmware" | "capability" | "bus-numbers" | "ari" | "memory" | "msix";

export type CapacityLimit = {
  readonly kind: LimitKind;
  readonly numVfs: number;
  readonly words: string;
  readonly evidence: readonly string[];
};

export type PfCapacity = {
  /** null: no limit is known. */
  readonly numVfs: number | null;
  /** Tightest first. */
  readonly limits: readonly CapacityLimit[];
};

/** What the inventory does not say; null: not known. */
type CapacityFacts = {
  readonly bridges: readonly Bridge[];
  /** VF BARs without an address, in words. */
  readonly missingMemory: readonly string[];
  readonly firmwareVfs: number | null;
  /** ARI Forwarding Enable of the port above. */
  readonly forwardsAri: boolean | null;
};

/** As far as the inventory alone tells. */
export function inventoryCapacity(pf: Pf, bridges: readonly Bridge[]): PfCapacity {
  const missingMemory = pf.hasVfMemory === false ? [`${pf.address}/resource: no VF BAR`] : [];
  const firmwareVfs = pf.firmwareVfs?.now ?? null;
  return pfCapacity(pf, { bridges, missingMemory, firmwareVfs, forwardsAri: null });
}

export function pfCapacity(pf: Pf, facts: CapacityFacts): PfCapacity {
  const limits = [
    ...memoryLimit(pf, facts),
    ...placeLimit(pf, facts),
    ...vectorLimit(pf),
    ...countLimit(facts.firmwareVfs, "firmware", "its stored number of VFs"),
    ...countLimit(pf.capabilityTotalVfs, "capability", "TotalVFs of the SR-IOV capability"),
    ...countLimit(pf.totalVfs, "driver", totalVfsWords(pf)),
  ].toSorted((left, right) => left.numVfs - right.numVfs);
  return { numVfs: limits[0]?.numVfs ?? null, limits };
}

const totalVfsWords = ({ driver }: Pf): string =>
  `sriov_totalvfs${driver === null ? "" : `, as ${driver} allows`}`;

function countLimit(numVfs: number | null, kind: LimitKind, words: string): CapacityLimit[] {
  return numVfs === null ? [] : [{ kind, numVfs, words, evidence: [`${words}: ${numVfs}`] }];
}

/** Linux gives memory for TotalVFs at once, so without it there is no VF at all. VFs that are there
 * prove that there is some. */
function memoryLimit({ numVfs }: Pf, { missingMemory }: CapacityFacts): CapacityLimit[] {
  if (numVfs > 0 || missingMemory.length === 0) return [];
  const words = "its VF BARs have no memory";
  return [{ kind: "memory", numVfs: 0, words, evidence: missingMemory }];
}

/**
 * Vectors that a VF needs at the least: ice enables no VF with fewer than two
 * (drivers/net/ethernet/intel/ice/ice_sriov.c ice_set_per_vf_res(), ICE_MIN_INTR_PER_VF), and none
 * works without one.
 */
const vectorsOfVf = (driver: string | null): number => (driver === "ice" ? 2 : 1);

/**
 * Where the VFs of a card share its vectors, the kernel says how many there are for them
 * (`sriov_vf_total_msix`). Every other card gives each VF a table of its own in the VF's BAR, so
 * that vectors end nothing there.
 */
function vectorLimit({ vfTotalMsix, driver, numVfs }: Pf): CapacityLimit[] {
  const each = vectorsOfVf(driver);
  // VFs beyond a limit prove that there is none.
  if (vfTotalMsix === null || vfTotalMsix === 0 || numVfs * each > vfTotalMsix) return [];
  const words = `${vfTotalMsix} MSI-X vectors for all VFs, and a VF needs ${each}`;
  const evidence = [`sriov_vf_total_msix: ${vfTotalMsix}`];
  return [{ kind: "msix", numVfs: Math.floor(vfTotalMsix / each), words, evidence }];
}

const hexBus = (bus: number): string => bus.toString(16).padStart(2, "0");

type PlaceLimit = Exclude<VfLimit["kind"], "total-vfs" | "placement-zero">;

const placeKinds = {
  "bus-window": "bus-numbers",
  "routing-ids": "bus-numbers",
  "needs-ari": "ari",
} as const satisfies Record<PlaceLimit, LimitKind>;

/** Routing IDs with First VF Offset and VF Stride as they are now: that is what the kernel checks
 * (drivers/pci/iov.c sriov_enable()), although hardware may change them with NumVFs. */
function placeLimit(pf: Pf, { bridges, forwardsAri }: CapacityFacts): CapacityLimit[] {
  const { firstVfOffset, vfStride, capabilityTotalVfs, totalVfs, path } = pf;
  const bdf = parseBdf(pf.address);
  const most = capabilityTotalVfs ?? totalVfs;
  if (bdf === null || firstVfOffset === null || vfStride === null || most === null) return [];
  const above = bridges.find(({ address }) => address === path[0]);
  const { numVfs, limit } = vfCapacity({
    pfRoutingId: bdf.routingId,
    totalVfs: most,
    placementOf: () => ({ firstVfOffset, vfStride }),
    subordinateBus: above?.subordinateBus ?? null,
    reachOnOwnBus: forwardsAri === false ? "device-0" : "all",
  });
  if (limit.kind === "total-vfs" || limit.kind === "placement-zero") return [];
  // VFs beyond a limit prove that there is none.
  if (numVfs < pf.numVfs) return [];
  const words = placeWords(limit, above?.address ?? "");
  const offset = `First VF Offset ${firstVfOffset}, VF Stride ${vfStride}`;
  return [{ kind: placeKinds[limit.kind], numVfs, words, evidence: [offset, words] }];
}

function placeWords(limit: Extract<VfLimit, { kind: PlaceLimit }>, bridge: string): string {
  switch (limit.kind) {
    case "bus-window":
      return `the next VF is on bus ${hexBus(limit.bus)}, bridge ${bridge} has buses up to ${hexBus(limit.subordinateBus)}`;
    case "routing-ids":
      return "the next VF would be beyond bus ff";
    case "needs-ari":
      return `the next VF is function ${limit.routingId & 0xff} of its bus, and the port above does not forward ARI`;
  }
}

const limitWords: Readonly<Record<LimitKind, string>> = {
  "driver": "the driver",
  "firmware": "the card's firmware",
  "capability": "the device",
  "bus-numbers": "bus numbers",
  "ari": "ARI",
  "memory": "memory",
  "msix": "interrupt vectors",
};

/** `7, limited by the driver: sriov_totalvfs, as igb allows`; null: nothing is known. */
export function capacityText({ numVfs, limits }: PfCapacity): string | null {
  const [first] = limits;
  if (numVfs === null || first === undefined) return null;
  return `${numVfs}, limited by ${limitWords[first.kind]}: ${first.words}`;
}
