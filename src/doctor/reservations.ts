// Rules on who is to have what: two who believe that they own a PF or a VF, and functions that are
// somebody's by name and are not there. It works until both want it, or until the guest is started.

import { parseBdf } from "../model/bdf.ts";
import type { Conflict, ConflictKind } from "../model/conflict.ts";
import type { Pf } from "../model/inventory.ts";
import { vfIndexAt } from "../pci/routing-id.ts";
import { run, say } from "./remedy.ts";
import type { Rule, Sighting } from "./rule.ts";
import type { View } from "./view.ts";
import { guestsOf, pfName } from "./view.ts";

/** Files and processes that speak for each party. */
function signsOf({ pfs }: View, { target, parties }: Conflict): string[] {
  const [address] = target.split("/");
  const pf = pfs.find((each) => each.address === address);
  const functions = pf === undefined ? [] : [pf, ...pf.virtualFunctions];
  const signs = functions.flatMap(({ owners, reservations = [] }) => [
    ...owners.map(({ kind, name, evidence }) => ({ words: [`${kind}:${name}`], evidence })),
    ...reservations.map(({ kind, name, manager, evidence }) => ({
      words: [`${kind}:${name}`, name, manager],
      evidence: evidence.join("; "),
    })),
  ]);
  const told = signs.filter(({ words }) => words.some((word) => parties.includes(word)));
  const lines = [...new Set(told.map(({ evidence }) => evidence))];
  return lines.length === 0 ? [`parties: ${parties.join(", ")}`] : lines;
}

const conflictsOf =
  (kind: ConflictKind) =>
  (view: View): Sighting[] =>
    (view.conflicts ?? [])
      .filter((conflict) => conflict.kind === kind)
      .map((conflict) => ({
        targets: [conflict.target],
        says: conflict.sentence,
        evidence: signsOf(view, conflict),
      }));

/** Guests that both have it by now are another rule's. */
function promisedTwice(view: View): Sighting[] {
  const inUse = new Map(
    view.vfs.map(({ vf }) => [vf.address, new Set(guestsOf(vf).map(({ name }) => `vm:${name}`))]),
  );
  const conflicts = view.conflicts?.filter(
    ({ address, parties }) => !parties.every((party) => inUse.get(address)?.has(party) === true),
  );
  return conflictsOf("function")({ ...view, conflicts: conflicts ?? null });
}

function vfIndexOn(pf: Pf, routingId: number): number | null {
  const { firstVfOffset, vfStride, capabilityTotalVfs, totalVfs } = pf;
  const most = totalVfs ?? capabilityTotalVfs;
  const bdf = parseBdf(pf.address);
  if (bdf === null || firstVfOffset === null || vfStride === null || most === null) return null;
  return vfIndexAt(bdf.routingId, { firstVfOffset, vfStride }, most, routingId);
}

function reservedAndAbsent({ pfs, inventory }: View): Sighting[] {
  return (inventory.reservedElsewhere ?? []).flatMap(({ address, reservation }): Sighting[] => {
    const bdf = parseBdf(address);
    if (bdf === null || reservation.role !== "function") return [];
    const found = pfs
      .filter((pf) => parseBdf(pf.address)?.domain === bdf.domain)
      .map((pf) => ({ pf, vfIndex: vfIndexOn(pf, bdf.routingId) }))
      .find(({ vfIndex }) => vfIndex !== null);
    if (found === undefined) return [];
    const { pf, vfIndex } = found;
    const { kind, name, evidence } = reservation;
    const says = `${kind}:${name} is to have VF ${vfIndex} of PF ${pfName(pf)} (${address}), which is not there: it cannot start`;
    return [{ targets: [pf.address], says, evidence: [...evidence, `VFs now: ${pf.numVfs}`] }];
  });
}

function clusterBesideGuests({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const links = pf.owners.filter(({ kind }) => kind === "cluster");
    const unlimited = pf.virtualFunctions.filter(
      (vf) => guestsOf(vf).length > 0 && vf.policy?.txRateMaxMbps === 0,
    );
    if (links.length === 0 || unlimited.length === 0) return [];
    const says = `The cluster talks over PF ${pfName(pf)}, and guests with VFs of it may fill the port: nodes then lose each other`;
    const indexes = unlimited.map(({ vfIndex }) => vfIndex).join(", ");
    const evidence = [...links.map((link) => link.evidence), `no rate limit: VF ${indexes}`];
    return [{ targets: [pf.address], says, evidence }];
  });
}

type ConflictRule = Pick<Rule, "id" | "title" | "cause" | "fix" | "answers"> &
  Partial<Pick<Rule, "group" | "consequenceOf" | "test" | "reference">>;

const conflictRule = (kind: ConflictKind, rule: ConflictRule): Rule => ({
  group: "vm",
  severity: "warning",
  needs: ["reservations"],
  test: conflictsOf(kind),
  needsReboot: false,
  reference: "docs/census.md, Conflicts",
  ...rule,
});

export const reservationRules: readonly Rule[] = [
  conflictRule("function", {
    id: "vf-promised-twice",
    title: "Several guests are to have one function",
    test: promisedTwice,
    cause:
      "Each manager looks at its own guests only, and at the function when a guest starts: whoever comes second fails then.",
    fix: () => [say("Give one of them another VF; sriovctl list shows who has which")],
    answers: ["V09"],
  }),
  conflictRule("pool-and-guest", {
    id: "pool-has-named-vf",
    title: "A pool hands out a VF that is somebody's by name",
    cause: "A pool takes whichever VF of its PF has no user at that moment.",
    fix: () => [
      say("List the pool's VFs one by one (libvirt: <address> instead of <pf>), without that one"),
      say("Or let the guest take its VF from the pool, too"),
    ],
    answers: ["V07", "V09"],
  }),
  conflictRule("pools", {
    id: "pools-of-one-pf",
    title: "Several pools hand out VFs of one PF",
    cause: "Each counts all VFs as its own, so one of them runs out before it expects to.",
    fix: () => [say("Keep one of them, or give each a list of VFs of its own")],
    answers: ["V07"],
  }),
  conflictRule("whole-pf", {
    id: "pf-promised-with-vfs",
    title: "A guest is to have a PF whose VFs are others'",
    cause: "A PF that goes to a guest takes its VFs away from everybody else.",
    fix: () => [say("Give that guest a VF, or the others VFs of another PF")],
    answers: ["S18"],
    consequenceOf: ["pf-in-guest-with-vfs"],
  }),
  conflictRule("vf-managers", {
    id: "two-managers-of-policy",
    group: "policy",
    title: "Several programs set up a PF's VFs",
    cause: "Each writes what it knows when the interface comes up, in no order that holds.",
    fix: () => [say("Leave the VFs to one of them: docs/coexistence.md")],
    answers: [],
    consequenceOf: ["two-managers-of-vfs"],
  }),
  conflictRule("interface-managers", {
    id: "two-managers-of-interface",
    group: "policy",
    title: "Several programs set up a PF's interface",
    cause: "Each takes away addresses that it did not set, and both may bring the link down.",
    fix: () => [
      run("networkctl list; nmcli device"),
      say("Leave the interface to one of them: unmanaged in the other's configuration"),
    ],
    answers: [],
  }),
  {
    id: "reserved-vf-missing",
    group: "vm",
    title: "A guest is to have a VF that is not there",
    severity: "warning",
    needs: ["reservations"],
    test: reservedAndAbsent,
    cause: "VFs go with each boot and each change of their count; who is to have them does not.",
    fix: () => [
      say("Make the VFs again: sriovctl apply, and sriovctl enable for every boot"),
      say("Or take the device out of the guest's definition"),
    ],
    needsReboot: false,
    reference: "docs/census.md, Configured is not using",
    answers: [],
  },
  {
    id: "cluster-beside-guests",
    group: "traffic",
    title: "Guests may fill the port of the cluster's own traffic",
    severity: "warning",
    needs: ["policy"],
    test: clusterBesideGuests,
    cause:
      "Corosync calls a node lost that is silent for a second or so, and then fences it or stops its VMs.",
    fix: () => [say("Set rate for those VFs in the spec, or give the cluster a port of its own")],
    needsReboot: false,
    reference: "corosync.conf(5), token",
    answers: [],
  },
];
