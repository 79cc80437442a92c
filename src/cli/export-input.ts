// A spec on a host as exporters want it: matched to the host's PFs, automatic MACs worked out, and
// each VF with its address, netdev and group where it is there already.

import { hostname } from "node:os";
import type { ExportInput, ExportPf, ExportVf, VfValues } from "../coexist/export.ts";
import type { Host } from "../host/host.ts";
import type { Pf, Vf } from "../model/inventory.ts";
import { vfAt } from "../model/inventory.ts";
import type { PlanProblem } from "../model/plan.ts";
import type { PolicySpec, Spec } from "../model/spec.ts";
import { matchPfs } from "../plan/match.ts";
import { autoMacOf } from "../plan/vf-diff.ts";
import { type PfWanted, type VfWanted, wantedPfs } from "../plan/wanted.ts";
import { inventoryFor } from "../apply/verify.ts";

/** `default` is what a fresh VF has: nothing to write. */
const given = <Value>(value: Value | "default" | undefined): Value | null =>
  value === undefined || value === "default" ? null : value;

function valuesOf(pf: Pf, wanted: VfWanted): VfValues {
  const policy: PolicySpec = wanted.policy;
  const mac = given(policy.mac);
  const vlan = given(policy.vlan);
  return {
    mac: mac === "auto" ? autoMacOf(pf, wanted) : mac,
    vlan: vlan === "none" ? null : vlan,
    rate: given(policy.rate),
    spoofCheck: given(policy.spoofCheck),
    trust: given(policy.trust),
    linkState: given(policy.linkState),
    rssQuery: given(policy.rssQuery),
    nodeGuid: given(policy.nodeGuid),
    portGuid: given(policy.portGuid),
    msix: given(policy.msix),
  };
}

/** Subsystem vendor and device of a header of type 0 (PCI Local Bus 3.0, 6.1). */
async function readSubsystem(host: Host, vf: Vf | null): Promise<string | null> {
  if (vf === null) return null;
  try {
    const config = await host.readConfig(vf.address);
    const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
    const hex4 = (at: number): string => view.getUint16(at, true).toString(16).padStart(4, "0");
    return config.byteLength < 0x30 ? null : `${hex4(0x2c)}:${hex4(0x2e)}`;
  } catch {
    // Only one of the exporters has a word for it, and others check what is written there.
    return null;
  }
}

const poolOf = ({ pools }: Spec, label: string, vfIndex: number): string | null =>
  pools.find(({ vfs }) => vfs.some((set) => set.pf === label && set.vfIndexes.includes(vfIndex)))
    ?.name ?? null;

type Sources = { readonly host: Host; readonly spec: Spec; readonly withConfig: boolean };

async function exportVf(sources: Sources, pf: PfWanted, wanted: VfWanted): Promise<ExportVf> {
  const { vfIndex, consumer, driver } = wanted;
  const vf = vfAt(pf.pf, vfIndex);
  return {
    vfIndex,
    address: vf?.address ?? null,
    netdev: vf?.netdevs[0]?.name ?? null,
    iommuGroup: vf?.iommuGroup ?? null,
    subsystemId: sources.withConfig ? await readSubsystem(sources.host, vf) : null,
    consumer,
    pool: poolOf(sources.spec, pf.spec.name, vfIndex),
    driver,
    values: valuesOf(pf.pf, wanted),
  };
}

async function exportPf(sources: Sources, wanted: PfWanted): Promise<ExportPf> {
  const { pf, spec, adapter, numVfs, vfs } = wanted;
  const inOrder = [...vfs.values()].sort((left, right) => left.vfIndex - right.vfIndex);
  const within = inOrder.filter(({ vfIndex }) => vfIndex < numVfs);
  return {
    label: spec.name,
    pf,
    numVfs,
    eswitchMode: adapter.eswitchMode ?? null,
    mtu: spec.mtu ?? null,
    adminState: spec.adminState ?? null,
    vfs: await Promise.all(within.map((vf) => exportVf(sources, wanted, vf))),
  };
}

/** The spec on this host; problems when its PFs are not those of the host. */
export async function exportInputOf(
  host: Host,
  spec: Spec,
  withConfig: boolean,
): Promise<{ readonly input: ExportInput; readonly problems: readonly PlanProblem[] }> {
  const inventory = await inventoryFor(host, spec);
  const matching = matchPfs(spec, inventory);
  const { wanted, problems } = wantedPfs(spec, matching.matched);
  const sources = { host, spec, withConfig };
  const pfs = await Promise.all(wanted.map((each) => exportPf(sources, each)));
  const node = host.identity.name === "linux" ? (hostname().split(".")[0] ?? "") : "localhost";
  return { input: { pfs, node }, problems: [...matching.problems, ...problems] };
}
