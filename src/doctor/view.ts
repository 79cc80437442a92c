// The evidence, as rules look at it: facts found by address, config space decoded once, and
// small questions that many rules ask. A null answer is "not known", never "no".

import type { Address } from "../model/bdf.ts";
import { vfTarget } from "../model/bdf.ts";
import type { Conflict } from "../model/conflict.ts";
import type { HostFacts, NicFacts, PciFunctionFacts } from "../model/host-facts.ts";
import type { Inventory, Owner, Pf, Vf } from "../model/inventory.ts";
import { decodeFunction } from "../pci/decode-function.ts";
import type { FunctionConfig } from "../pci/function-config.ts";
import { systemOf, type System } from "./remedy.ts";

type Waiver = {
  /** `BDF/vfN`. */
  readonly target: string;
  readonly reason: string;
  /** Last day, `YYYY-MM-DD`. */
  readonly until: string;
};

/** What the spec says of a PF of this host. */
type WantedPf = {
  readonly address: Address;
  /** Its label. */
  readonly name: string;
  /** null: the count is left alone. */
  readonly numVfs: number | null;
};

/** The spec, matched with the inventory by whoever calls the doctor. */
export type Wanted = {
  readonly physicalFunctions: readonly WantedPf[];
  readonly waivers: readonly Waiver[];
};

export type Evidence = {
  readonly inventory: Inventory;
  readonly facts: HostFacts;
  /** null: without a spec. */
  readonly wanted: Wanted | null;
  /** Where two want the same; null: what others reserve is not known. */
  readonly conflicts: readonly Conflict[] | null;
};

export type PfVf = { readonly pf: Pf; readonly vf: Vf };

type Place = { readonly pf: Pf; readonly vf: Vf | null };

export type View = Evidence & {
  readonly system: System;
  readonly pfs: readonly Pf[];
  readonly vfs: readonly PfVf[];
  readonly functionAt: (address: Address) => PciFunctionFacts | null;
  /** The PF or VF at an address. */
  readonly placeAt: (address: Address) => Place | null;
  /** null: not read, or not all of it could be read. */
  readonly configAt: (address: Address) => FunctionConfig | null;
  readonly nicOf: (pf: Pf) => NicFacts | null;
  /** Members of an IOMMU group: as the kernel lists them, or as far as the inventory knows. */
  readonly membersOf: (group: number) => readonly Address[];
  /** Lines of the kernel's log that fit; none where there is no log. */
  readonly logged: (pattern: RegExp) => readonly string[];
};

export function viewOf(evidence: Evidence): View {
  const { inventory, facts } = evidence;
  const pfs = inventory.physicalFunctions;
  const functions = new Map(facts.functions.map((entry) => [entry.address, entry]));
  const nics = new Map(facts.nics.map((nic) => [nic.pf, nic]));
  const configs = new Map<Address, FunctionConfig | null>();
  const logs = new Map<RegExp, readonly string[]>();
  const members = groupMembers(evidence);
  const places = new Map<Address, Place>();
  for (const pf of pfs) {
    for (const vf of pf.virtualFunctions) places.set(vf.address, { pf, vf });
    places.set(pf.address, { pf, vf: null });
  }
  return {
    ...evidence,
    system: systemOf(facts, inventory.host.kernelRelease),
    pfs,
    vfs: pfs.flatMap((pf) => pf.virtualFunctions.map((vf) => ({ pf, vf }))),
    functionAt: (address) => functions.get(address) ?? null,
    placeAt: (address) => places.get(address) ?? null,
    configAt: (address) => {
      const known = configs.get(address);
      if (known !== undefined) return known;
      const decoded = wholeConfig(functions.get(address)?.config ?? null);
      configs.set(address, decoded);
      return decoded;
    },
    nicOf: (pf) => nics.get(pf.address) ?? null,
    membersOf: (group) => members.get(group) ?? [],
    logged: (pattern) => {
      const known = logs.get(pattern);
      if (known !== undefined) return known;
      const lines = facts.kernelLog?.lines.filter((line) => pattern.test(line)) ?? [];
      logs.set(pattern, lines);
      return lines;
    },
  };
}

/** What is cut off is not known to be absent, so a partly read function answers nothing. */
function wholeConfig(bytes: Uint8Array | null): FunctionConfig | null {
  if (bytes === null) return null;
  const config = decodeFunction(bytes);
  const isCut = config.problems.some(({ code }) => code === "truncated");
  return isCut || config.header === null ? null : config;
}

/** As the kernel lists them; a group that it does not list has the members that the inventory knows. */
function groupMembers({ inventory, facts }: Evidence): ReadonlyMap<number, readonly Address[]> {
  const { bridges, physicalFunctions } = inventory;
  const known = new Map<number, Address[]>();
  for (const { address, iommuGroup } of [
    ...bridges,
    ...physicalFunctions.flatMap((pf) => [pf, ...pf.virtualFunctions]),
  ]) {
    if (iommuGroup === null) continue;
    const list = known.get(iommuGroup);
    if (list === undefined) known.set(iommuGroup, [address]);
    else list.push(address);
  }
  const listed = (facts.iommuGroups ?? []).map(({ number, members }) => [number, members] as const);
  return new Map<number, readonly Address[]>([...known, ...listed]);
}

export const targetOf = ({ pf, vf }: PfVf): string => vfTarget(pf.address, vf.vfIndex);

/** `0000:3b:00.0 (ens1f0)`: as a PF is called in sentences. */
export function pfName({ address, netdevs }: Pf): string {
  const [netdev] = netdevs;
  return netdev === undefined ? address : `${address} (${netdev.name})`;
}

export const guestsOf = ({ owners }: Pf | Vf): readonly Owner[] =>
  owners.filter(({ kind }) => kind === "vm");

/** A guest or another program has it through VFIO, or can get it. */
export const isForGuests = (vf: Vf): boolean =>
  guestsOf(vf).length > 0 || (vf.driver !== null && isVfioDriver(vf.driver));

/** VFs are in use here, and by the host and containers alone: what keeps guests from VFs is then no
 * fault, as nobody wants that. */
export const servesNoGuests = ({ vfs, inventory }: View): boolean =>
  vfs.some(({ vf }) => vf.owners.length > 0) &&
  !inventory.loadedDrivers.some(isVfioDriver) &&
  !vfs.some(({ vf: { owners, reservations = [] } }) =>
    [...owners, ...reservations].some(({ kind }) => kind === "vm"),
  );

/** vfio-pci and its variants: `mlx5_vfio_pci`, `nvgrace_gpu_vfio_pci`. */
export const isVfioDriver = (driver: string): boolean => /^vfio-pci$|[-_]vfio[-_]pci$/.test(driver);

export const isNetwork = ({ classCode }: Pf): boolean => classCode >>> 16 === 0x02;
