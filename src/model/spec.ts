// The spec after parsing: every key checked, defaults filled in, sets expanded, each node with
// the place it came from. The text format is docs in itself (`sriovctl schema`); this is the shape
// that the planner reads. Three states per attribute: absent = leave alone, "default" = the
// driver's fresh value, a value = set and checked.

import type { AssignTarget } from "./assign-target.ts";
import type { EswitchMode } from "./inventory.ts";
import type { LinkStatePolicy, Vlan } from "./vf-attribute.ts";

/** `file:line:column`, or a JSON path where there is no text. */
export type SourcePlace = string;

/** `kernel` is whatever driver the kernel picks; `none` is no driver at all. */
export type DriverChoice = "none" | "kernel" | "vfio-pci" | { readonly name: string };

/** Where the value of each key that was written stands: `places.numVfs`. Keys that came from a
 * profile point into the profile. */
export type Places = Readonly<Record<string, SourcePlace>>;

export type WantedRate = { readonly minMbps?: number; readonly maxMbps?: number };

export type PolicySpec = {
  /** `auto`: locally administered, stable, derived from the consumer or the PF and index. */
  readonly mac?: string | "auto" | "default";
  /** `none`: no port VLAN, the guest may tag. */
  readonly vlan?: Vlan | "none" | "default";
  readonly rate?: WantedRate | "default";
  readonly spoofCheck?: boolean | "default";
  readonly trust?: boolean | "default";
  readonly linkState?: LinkStatePolicy | "default";
  readonly rssQuery?: boolean | "default";
  readonly nodeGuid?: string | "default";
  readonly portGuid?: string | "default";
  readonly msix?: number | "default";
  /** Accepts what the isolation audit finds here. Changes nothing on the host. */
  readonly waive?: Waiver;
};

type Waiver = {
  readonly reason: string;
  /** Last day, `YYYY-MM-DD`. */
  readonly until: string;
};

export type PolicyKey = Exclude<keyof PolicySpec, "waive">;

/** VFs of one PF, by label: `p0/0-7`. Indexes ascending, without repeats. */
export type VfSet = {
  readonly pf: string;
  readonly vfIndexes: readonly number[];
  readonly where: SourcePlace;
};

export type PfMatch = {
  readonly permanentMac?: string;
  readonly serial?: string;
  /** `phys_port_name` or port number, together with serial. A PF without a strong key of its own,
   * or with a port alone, has its adapter's serial here. */
  readonly port?: string;
  readonly address?: string;
};

export type PfSpec = {
  readonly name: string;
  readonly match: PfMatch;
  readonly addressHint?: string;
  readonly protect: readonly string[];
  /** Absent: the count is left alone. */
  readonly numVfs?: number;
  readonly adminState?: "up" | "down";
  readonly mtu?: number;
  readonly where: SourcePlace;
  readonly places?: Places;
};

export type AdapterSpec = {
  readonly name: string | null;
  readonly match: { readonly serial?: string };
  readonly eswitchMode?: EswitchMode;
  readonly physicalFunctions: readonly PfSpec[];
  readonly where: SourcePlace;
  readonly places?: Places;
};

export type PoolSpec = {
  readonly name: string;
  readonly vfs: readonly VfSet[];
  readonly driver?: DriverChoice;
  /** Profile and inline keys, merged: inline wins. */
  readonly policy: PolicySpec;
  readonly where: SourcePlace;
  readonly places?: Places;
};

export type VfPolicySpec = {
  readonly vfs: readonly VfSet[];
  readonly driver?: DriverChoice;
  readonly policy: PolicySpec;
  readonly where: SourcePlace;
  readonly places?: Places;
};

export type AssignSpec = {
  /** `libvirt:web1/net1`, `netns:ci/eth1`, `dpdk:upf`, `pve:103/hostpci0`, `qemu:vm1/nic0`. */
  readonly to: string;
  /** `to`, taken apart. */
  readonly target?: AssignTarget;
  readonly source:
    | { readonly kind: "pool"; readonly pool: string }
    | { readonly kind: "vf"; readonly vf: VfSet };
  readonly driver?: DriverChoice;
  /** Name or ID of the user that may open the VF's vfio group; dpdk and qemu only. */
  readonly user?: string;
  readonly policy: PolicySpec;
  readonly where: SourcePlace;
  readonly places?: Places;
};

export type Spec = {
  /** File name as given, for messages. */
  readonly source: string;
  /** Driver of VFs that nobody claims; absent: whatever it is, it stays. */
  readonly unassigned?: DriverChoice;
  /** Whether VF netdevs have alternative names of PF label and index; absent: left alone. */
  readonly altNames?: boolean;
  readonly adapters: readonly AdapterSpec[];
  readonly pools: readonly PoolSpec[];
  readonly virtualFunctions: readonly VfPolicySpec[];
  readonly assign: readonly AssignSpec[];
};
