// Two VMs with a VF each of one PF, as a spec assigns them, and what must be so of both whatever happened.

import assert from "node:assert/strict";
import { isOpen } from "../../src/apply/journal.ts";
import { readOwnJournals } from "../../src/apply/session.ts";
import { parseSpec } from "../../src/model/spec-text.ts";
import type { Spec } from "../../src/model/spec.ts";
import { guestWords, type AttachBench } from "./attach-bench.ts";
import { pf, vfsOf, vfWords, words } from "./lease-bench.ts";

const macs = ["02:00:5e:10:00:01", "02:00:5e:10:00:02"] as const;

export const consumers = ["libvirt:web1/net1", "libvirt:web2/net1"] as const;

/** Two consumers of the PF's VFs 0 and 1. */
export function specWith(numVfs: number, to: readonly string[] = consumers): Spec {
  const document = {
    apiVersion: "sriovctl/v1",
    adapters: [{ physicalFunctions: [{ name: "p0", match: { address: pf }, numVfs }] }],
    virtualFunctions: numVfs > 2 ? [{ vfs: "p0/2", driver: "vfio-pci" }] : [],
    assign: to.slice(0, numVfs).map((name, index) => ({
      to: name,
      vf: `p0/${index}`,
      mac: macs[index],
      vlan: 120 + index,
    })),
  };
  const { spec, problems } = parseSpec(JSON.stringify(document), "spec.json");
  assert.deepEqual(problems, []);
  assert(spec !== null);
  return spec;
}

const held = [
  `web1 holds 0000:10:10.0 as net1, ${macs[0]}`,
  `web2 holds 0000:10:10.2 as net1, ${macs[1]}`,
];

const leased = [
  /^0000:10:00.0\/vf0 attached \d+ libvirt:web1\/net1$/,
  /^0000:10:00.0\/vf1 attached \d+ libvirt:web2\/net1$/,
];

export async function assertAllAttached(bench: AttachBench, story: string): Promise<number> {
  assert.equal((await readOwnJournals(bench.session)).some(isOpen), false, `${story}: open`);
  assert.deepEqual(guestWords(bench), held, story);
  const leases = words(bench);
  for (const [index, pattern] of leased.entries())
    assert.match(leases[index] ?? "", pattern, story);
  const vfs = await vfsOf(bench.host);
  const seen = vfs.slice(0, 2).map((vf) => vfWords(vf).replace(/ trust.*/, ""));
  const wanted = macs.map((mac, index) => `vfio-pci vfio-pci ${mac} vlan ${120 + index}`);
  assert.deepEqual(seen, wanted, story);
  return vfs.length;
}

/** Nobody has a VF that is not leased to them, whatever the state. */
export function nobodyWithoutLease(bench: AttachBench, story: string): void {
  const leases = bench.leasing.store.leases().filter(({ state }) => state !== "free");
  for (const line of guestWords(bench)) {
    const [guest = "", , address] = line.split(" ");
    const own = leases.find(({ vf, holder }) => {
      return vf.address === address && holder?.name.includes(guest) === true;
    });
    assert(own !== undefined, `${story}: ${line}`);
  }
}
