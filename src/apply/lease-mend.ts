// Leases that the host does not bear out any more, and what mends them. Finding them changes nothing;
// mending does what the finding offers, if the lease still is what it was found as.

import type { Candidate } from "../lease/candidates.ts";
import { isPluggedIn, targetOf, type Lease } from "../lease/lease.ts";
import type { Plug } from "../model/plug.ts";
import type { Consumers } from "../vmm/consumer.ts";
import { reconcile, type Finding } from "../lease/reconcile.ts";
import type { Host } from "../host/host.ts";
import { formatAssignTarget } from "../model/assign-target.ts";
import { cleanReleased, refused, type Released } from "./lease-release.ts";
import { momentOf, type Leasing } from "./leasing.ts";
import { isAlive } from "./lock.ts";
import { mayHave } from "./plugging.ts";

type Found = { readonly leases: readonly Lease[]; readonly candidates: readonly Candidate[] };

/** What of the leases cannot be so any more. */
export function findingsOf(
  { identity: { bootId } }: Host,
  nowMs: number,
  { leases, candidates }: Found,
): Finding[] {
  return reconcile(leases, { candidates, bootId, nowMs, isAlive });
}

/** What such a VM has, its manager keeps and tells, whether the VM runs or not. */
const isOfManager = ({ consumer: { kind } }: Plug): boolean => kind === "libvirt" || kind === "pve";

/** Leases of VMs that have their VF no more, running or in their definition: it was taken out by
 * somebody else, or the VM is defined no more. */
async function lostPlugs({ leases, candidates }: Found, consumers: Consumers): Promise<Finding[]> {
  const unused = candidates.filter(({ owners }) => owners.length === 0);
  const addresses = new Set(unused.map(({ vf }) => vf.address));
  const findings: Finding[] = [];
  for (const lease of leases) {
    if (!isPluggedIn(lease) || !isOfManager(lease.plug)) continue;
    const { plug, vf } = lease;
    if (!addresses.has(vf.address) || (await mayHave(plug, consumers))) continue;
    const holder = formatAssignTarget(plug.consumer);
    const message = `${targetOf(vf)} is attached to ${holder}, which has it no more`;
    findings.push({ kind: "holder-gone", lease, message, remedy: "clean" });
  }
  return findings;
}

/** A VF in somebody's configuration is theirs, though nothing uses it. */
async function heeding(finding: Finding, consumers: Consumers): Promise<Finding> {
  const { kind, lease, message, remedy } = finding;
  if (!isPluggedIn(lease)) return finding;
  if (remedy === "detach" && !(await mayHave(lease.plug, consumers))) {
    return { ...finding, remedy: "clean" };
  }
  if (kind === "vanished" && (await mayHave(lease.plug, consumers))) {
    const holder = formatAssignTarget(lease.plug.consumer);
    return { ...finding, message: `${message}, which ${holder} may have still`, remedy: null };
  }
  return finding;
}

/** The findings as consumers bear them out, and what only consumers know. Asking takes a while. */
export async function askConsumers(
  findings: readonly Finding[],
  { leases, candidates }: Found,
  consumers: Consumers,
): Promise<Finding[]> {
  const heeded: Finding[] = [];
  for (const finding of findings) heeded.push(await heeding(finding, consumers));
  const ailing = new Set(findings.map(({ lease }) => targetOf(lease.vf)));
  const others = leases.filter(({ vf }) => !ailing.has(targetOf(vf)));
  return [...heeded, ...(await lostPlugs({ leases: others, candidates }, consumers))];
}

export type Mended = { readonly finding: Finding; readonly released: Released | null };

/** Does what a finding offers, if the lease still is what it was found as. */
export async function mend(
  leasing: Leasing,
  finding: Finding,
  candidates: readonly Candidate[],
): Promise<Mended> {
  const { lease: found, remedy } = finding;
  const { worker } = leasing;
  const moment = momentOf(leasing, finding.kind);
  const place = placeOf(candidates, found);
  const stepped = leasing.store.transact((table) => {
    const lease = table.of(found.vf);
    if (lease === null || lease.generation !== found.generation || lease.state !== found.state) {
      throw refused("mend", targetOf(found.vf), "its lease has changed meanwhile");
    }
    if (remedy === "forget") return table.step(found.vf, { kind: "vanished" }, moment);
    if (remedy === "move" && place !== null) {
      const { pf, address } = place.vf;
      return table.step(found.vf, { kind: "moved", pf, address }, moment);
    }
    return remedy === "clean" ? table.step(found.vf, { kind: "revoke", worker }, moment) : lease;
  });
  if (remedy === "clean") leasing.away.clear(found.vf.address);
  const released = remedy === "clean" ? await cleanReleased(leasing, stepped) : null;
  return { finding, released };
}

const placeOf = (candidates: readonly Candidate[], { vf }: Lease): Candidate | null =>
  candidates.find((one) => one.vf.pfKey === vf.pfKey && one.vf.vfIndex === vf.vfIndex) ?? null;
