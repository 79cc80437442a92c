// Policies and the entries that use them: what is written together makes sense together, profiles
// and pools exist, an address that is written out goes to one VF, a consumer can take its VF.

import { needsNetdev } from "../assign-target.ts";
import { countOf, formatVfRanges } from "../vf-range.ts";
import { type Check, checkReference, type LooseSpec, type PlacedSet, setsOf } from "./reference.ts";

type LooseAssign = NonNullable<LooseSpec["assign"]>[number];
type LoosePolicy = NonNullable<NonNullable<LooseSpec["profiles"]>[string]>;
type LooseUse = LoosePolicy & { readonly profile?: string | undefined };

export function checkPolicy({ places, report }: Check, policy: LoosePolicy): void {
  const { rate, vlan } = policy;
  if (typeof rate === "object" && rate.min !== undefined && rate.max) {
    if (rate.min > rate.max) {
      const message = `min of ${rate.min} Mbit/s is above max of ${rate.max} Mbit/s: wanted at most max`;
      report({ code: "rate-order", where: places.at(rate, "min"), message });
    }
  }
  if (typeof vlan === "object" && vlan.id === 0 && !vlan.qos && !places.has(vlan, "qos")) {
    const message = "id is 0 without a qos: wanted vlan: none, or an ID from 1 to 4094";
    report({ code: "wrong-value", where: places.at(vlan, "id"), message });
  }
}

const addressKeys = ["mac", "nodeGuid", "portGuid"] as const;

/** An address that is written out belongs to one VF of a PF. */
function checkSharedAddress(
  { places, report }: Check,
  policies: readonly LoosePolicy[],
  sets: readonly PlacedSet[],
): void {
  const shared = sets.find(({ set }) => countOf(set) > 1)?.set;
  if (shared === undefined) return;
  for (const key of addressKeys) {
    const policy = policies.find((candidate) => candidate[key] !== undefined);
    const value = policy?.[key];
    if (policy === undefined || value === undefined || value === "auto" || value === "default") {
      continue;
    }
    const count = countOf(shared);
    const message = `${key} ${value} is for ${count} VFs of ${shared.pf}: wanted one VF, or auto`;
    report({ code: "shared-address", where: places.at(policy, key), message });
  }
}

export function checkUse(check: Check, use: LooseUse, sets: readonly PlacedSet[]): void {
  const { spec, places } = check;
  checkPolicy(check, use);
  const profiles = spec.profiles ?? {};
  const { profile } = use;
  const policies: LoosePolicy[] = [use];
  if (profile !== undefined) {
    checkReference(check, "profile", { name: profile, where: places.at(use, "profile") });
    const merged = Object.hasOwn(profiles, profile) ? profiles[profile] : undefined;
    if (merged !== undefined) policies.push(merged);
  }
  checkSharedAddress(check, policies, sets);
}

function checkAssign(check: Check, entry: LooseAssign): void {
  const { places, report } = check;
  const target = entry.to?.target;
  const hasPool = places.has(entry, "pool");
  const hasVf = places.has(entry, "vf");
  if (hasPool === hasVf) {
    const found = hasPool ? "both a pool and a vf" : "neither a pool nor a vf";
    const where = hasPool ? places.at(entry, "vf") : places.of(entry);
    const message = `The assignment has ${found}: wanted one of them`;
    report({ code: "assign-source", where, message });
  }
  if (entry.pool !== undefined) {
    checkReference(check, "pool", { name: entry.pool, where: places.at(entry, "pool") });
  }
  if (entry.vf !== undefined && countOf(entry.vf) !== 1) {
    const message = `vf is ${formatVfRanges(entry.vf)}, ${countOf(entry.vf)} VFs: wanted one`;
    report({ code: "assign-source", where: places.at(entry, "vf"), message });
  }
  if (target === undefined) return;
  const { driver, user } = entry;
  if (needsNetdev(target.kind) && (driver === "none" || driver === "vfio-pci")) {
    const message = `driver is ${driver}, but ${target.kind} takes a network interface: wanted kernel`;
    report({ code: "assign-driver", where: places.at(entry, "driver"), message });
  }
  if (user !== undefined && target.kind !== "dpdk" && target.kind !== "qemu") {
    const message = `user is given for ${target.kind}: wanted for dpdk and qemu only`;
    report({ code: "assign-user", where: places.at(entry, "user"), message });
  }
}

export function checkAssignments(check: Check): void {
  const { spec, places, report } = check;
  const named = (spec.assign ?? []).map((entry) => ({ entry, name: entry.to?.text }));
  const placeByName = new Map<string, string>();
  for (const { entry, name } of named) {
    if (name === undefined) continue;
    const first = placeByName.get(name);
    const where = places.at(entry, "to");
    if (first === undefined) placeByName.set(name, where);
    else {
      const message = `Consumer ${name} is assigned twice: first at ${first}`;
      report({ code: "duplicate-name", where, message });
    }
  }
  for (const entry of spec.assign ?? []) checkAssign(check, entry);
  const takersByPool = Map.groupBy(spec.assign ?? [], ({ pool }) => pool);
  for (const pool of spec.pools ?? []) {
    const takers = takersByPool.get(pool.name) ?? [];
    const size = setsOf(pool, places).reduce((sum, { set }) => sum + countOf(set), 0);
    const surplus = takers[size];
    if (pool.name === undefined || pool.vfs === undefined || surplus === undefined) continue;
    if (places.hasHole(pool.vfs)) continue;
    const message = `Pool ${pool.name} has ${size} VFs for ${takers.length} assignments: wanted more VFs`;
    report({ code: "pool-too-small", where: places.at(surplus, "pool"), message });
  }
}
