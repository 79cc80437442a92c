// The host, as the rest of the program sees it: reads that change nothing, and one request per
// kernel effect. A request is plain data, so the same value is journalled, keyed for faults and
// executed (in a child process where it can block). Nothing here "ensures" or retries: policy
// lives in plan/ and apply/.

import type { Address } from "../model/bdf.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { EswitchMode, HostIdentity, Inventory, Owner } from "../model/inventory.ts";
import type { VfAttribute } from "../model/vf-attribute.ts";

export type HostRequest =
  /** Write `sriov_numvfs`. Can block for ever while a VF is held. */
  | { readonly verb: "setNumVfs"; readonly pf: Address; readonly numVfs: number }
  | { readonly verb: "setDriversAutoprobe"; readonly pf: Address; readonly isOn: boolean }
  /** null clears the override. */
  | {
      readonly verb: "setDriverOverride";
      readonly address: Address;
      readonly driver: string | null;
    }
  /** Unbinds from whatever driver is bound; ENODEV when none is. Can block. */
  | { readonly verb: "unbind"; readonly address: Address }
  /** Write `drivers_probe`. Success says nothing: look at the driver afterwards. Can block. */
  | { readonly verb: "probe"; readonly address: Address }
  /** modprobe: by the module's name, or by the alias of a function (`pci:v00008086d...`). */
  | { readonly verb: "loadModule"; readonly module: string }
  /** RTM_SETLINK on the PF's netdev with one VF attribute. */
  | {
      readonly verb: "setVf";
      readonly pf: Address;
      readonly vfIndex: number;
      readonly attribute: VfAttribute;
    }
  | { readonly verb: "setEswitchMode"; readonly pf: Address; readonly mode: EswitchMode }
  | { readonly verb: "setMtu"; readonly pf: Address; readonly mtu: number }
  | { readonly verb: "setAdminState"; readonly pf: Address; readonly isUp: boolean }
  /** RTM_NEWLINKPROP, RTM_DELLINKPROP: a further name of the function's netdev. */
  | {
      readonly verb: "setAltName";
      readonly address: Address;
      readonly altName: string;
      readonly isPresent: boolean;
    }
  /** `sriov_vf_msix_count` of a VF without a driver; 0 is the driver's default. */
  | { readonly verb: "setMsixCount"; readonly address: Address; readonly msixCount: number }
  /** Write `reset`: whoever uses the function loses its state. Can block for ever while a driver is
   * bound (igbvf with its netdev down). */
  | { readonly verb: "reset"; readonly address: Address };

export type HostVerb = HostRequest["verb"];

/** `defined`: guests and pools; `everything`: also what managers say of what runs, which processes
 * tell more cheaply. */
export type ReservationDepth = "defined" | "everything";

export type InventoryOptions = {
  /** Who uses what (section "Ownership census"). Costs a walk through /proc. */
  readonly census: boolean;
  /** Netdevs, VF attributes and permanent MACs. Without it and without a census, which needs their
   * names, `netdevs` may be left empty: nobody asked. */
  readonly netdevAttributes: boolean;
  /** PFs whose driver_override, VF MSI-X counts and, where a file each has it, VF ifindexes are
   * wanted too: those of the spec. */
  readonly detailOf: readonly Address[];
  /** PFs of which it is asked, too, how many VFs their card's firmware gives now and from its next
   * start on: programs that take their time answer. */
  readonly firmwareOf?: readonly Address[];
  /** Limits the inventory to these PFs; null is all. */
  readonly only: readonly Address[] | null;
  /** What other network managers' configuration claims: reads their files. */
  readonly claims?: boolean;
  /** Whose configuration names a function without using it. */
  readonly reservations?: ReservationDepth;
};

export const fullInventory: InventoryOptions = {
  census: true,
  netdevAttributes: true,
  detailOf: [],
  only: null,
};

export type PerformOptions = {
  /** After this the request counts as stuck: it is left behind, not retried. */
  readonly deadlineMs: number;
  /** Open descriptor of the apply lock that a child process must hold too, or null. */
  readonly lockFd: number | null;
};

/** `stuck`: the deadline passed and the kernel still works on it (in process `pid`, if any). */
export type RequestOutcome =
  | { readonly status: "done" }
  | { readonly status: "stuck"; readonly pid: number | null };

export type VfArrival = {
  /** VFs with both links (`virtfnN` and `physfn`) when the wait ended. */
  readonly numVfs: number;
  /** VFs bound to a kernel network driver whose netdev had not come in time. */
  readonly withoutNetdev: readonly number[];
};

/** Something that has a NUMA node: a function of any kind, such as a GPU, or CPUs. */
export type NumaPlace =
  | { readonly kind: "function"; readonly address: Address }
  | { readonly kind: "cpus"; readonly cpus: readonly number[] };

export interface Host {
  readonly identity: HostIdentity;
  inventory(options: InventoryOptions): Promise<Inventory>;
  /** What the doctor looks at beside this inventory. A source that cannot be read is a gap. */
  facts(inventory: Inventory): Promise<HostFacts>;
  /** Owners of these functions (PFs or VFs) now; called right before each destructive request. */
  owners(addresses: readonly Address[]): Promise<ReadonlyMap<Address, readonly Owner[]>>;
  /** Ascending; empty where nothing is known of them. */
  numaNodesOf(place: NumaPlace): Promise<readonly number[]>;
  /** 64 to 4096 bytes of config space, as many as the reader may see. */
  readConfig(address: Address): Promise<Uint8Array>;
  /** Throws SriovError with the kernel's errno when the kernel refuses. */
  perform(request: HostRequest, options: PerformOptions): Promise<RequestOutcome>;
  /** Waits, by events, until the PF has `numVfs` VFs with their links and their netdevs. */
  awaitVfs(pf: Address, numVfs: number, timeoutMs: number): Promise<VfArrival>;
  /** Milliseconds on the host's monotonic clock (virtual on an emulated host). */
  now(): number;
  sleep(durationMs: number): Promise<void>;
  close(): Promise<void>;
}
