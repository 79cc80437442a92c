// How many VFs a PF can have on this host, and what ends the count first: the driver, the firmware,
// the capability, bus numbers, ARI, memory. Each limit is there only where it is known.

import { parseBdf } from "../model/bdf.ts";
import type { Pf } from "../model/inventory.ts";
import { findCapability } from "../pci/function-config.ts";
import type { VfLimit } from "../pci/vf-capacity.ts";
import { vfCapacity } from "../pci/vf-capacity.ts";
import { unassignedVfMemory } from "./vf-memory.ts";
import type { View } from "./view.ts";

type LimitKind = "driver" | "firmware" | "capability" | "bus-numbers" | "ari" | "memory";

type CapacityLimit = {
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

export function pfCapacity(view: View, pf: Pf): PfCapacity {
  const limits = [
    ...memoryLimit(view, pf),
    ...placeLimit(view, pf),
    ...firmwareLimit(view, pf),
    ...countLimit(pf.capabilityTotalVfs, "capability", "TotalVFs of the SR-IOV capability"),
    ...countLimit(pf.totalVfs, "driver", `sriov_totalvfs, as ${pf.driver ?? "no driver"} allows`),
  ].toSorted((left, right) => left.numVfs - right.numVfs);
  return { numVfs: limits[0]?.numVfs ?? null, limits };
}

function countLimit(numVfs: number | null, kind: LimitKind, words: string): CapacityLimit[] {
  return numVfs === null ? [] : [{ kind, numVfs, words, evidence: [`${words}: ${numVfs}`] }];
}

function firmwareLimit({ nicOf }: View, pf: Pf): CapacityLimit[] {
  const now = nicOf(pf)?.firmwareVfs?.now ?? null;
  return countLimit(now, "firmware", "VFs that the card's firmware gives");
}

function memoryLimit(view: View, pf: Pf): CapacityLimit[] {
  const missing = pf.numVfs > 0 ? [] : unassignedVfMemory(view, pf.address);
  if (missing.length === 0) return [];
  const evidence = missing.map((bar) => bar.evidence);
  return [{ kind: "memory", numVfs: 0, words: "VF BARs have no memory", evidence }];
}

const hexBus = (bus: number): string => bus.toString(16).padStart(2, "0");

type PlaceLimit = Exclude<VfLimit["kind"], "total-vfs" | "placement-zero">;

const placeKinds = {
  "bus-window": "bus-numbers",
  "routing-ids": "bus-numbers",
  "needs-ari": "ari",
} as const satisfies Record<PlaceLimit, LimitKind>;

/** Routing IDs with First VF Offset and VF Stride as they are now: that is what the kernel checks,
 * although hardware may change them with NumVFs. */
function placeLimit(view: View, pf: Pf): CapacityLimit[] {
  const { firstVfOffset, vfStride, capabilityTotalVfs, totalVfs } = pf;
  const bdf = parseBdf(pf.address);
  const most = capabilityTotalVfs ?? totalVfs;
  if (bdf === null || firstVfOffset === null || vfStride === null || most === null) return [];
  const above = view.inventory.bridges.find(({ address }) => address === pf.path[0]);
  const { numVfs, limit } = vfCapacity({
    pfRoutingId: bdf.routingId,
    totalVfs: most,
    placementOf: () => ({ firstVfOffset, vfStride }),
    subordinateBus: above?.subordinateBus ?? null,
    reachOnOwnBus: isAriOff(view, pf) ? "device-0" : "all",
  });
  if (limit.kind === "total-vfs" || limit.kind === "placement-zero") return [];
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

/** Only where the port's register says so: integrated endpoints have no port above. */
function isAriOff({ configAt }: View, pf: Pf): boolean {
  const [port] = pf.path;
  const config = port === undefined ? null : configAt(port);
  const device2 = config === null ? null : (findCapability(config, "pcie")?.device2 ?? null);
  return device2?.control.ariForwarding === false;
}
