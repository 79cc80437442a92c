// Who gets in each other's way: owners, reservations and claims in, sentences out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import type { Claim } from "../model/claim.ts";
import type { Reservation } from "../model/reservation.ts";
import { conflictsOn } from "./conflicts.ts";

const pf = "0000:3b:00.0";

const reserved = (
  word: `${Reservation["kind"]}:${string}`,
  role: Reservation["role"] = "function",
): Reservation => {
  const [kind, name = ""] = word.split(":") as [Reservation["kind"], string];
  return { kind, name, manager: "libvirt", role, evidence: [`file: ${name}`] };
};

const vf = (vfIndex: number, user: string | null, ...reservations: Reservation[]) =>
  vfOf(pf, vfIndex, { owners: user === null ? [] : [vmOwner(user)], reservations });

const claim = (manager: Claim["manager"], kind: "num-vfs" | "vf-assigned"): Claim => ({
  manager,
  selector: { addresses: [pf], unjudged: [] },
  firstOf: null,
  settings: [
    kind === "num-vfs"
      ? { kind, numVfs: 4, where: "file:1" }
      : { kind, vfAddress: "0000:3b:10.0", to: "pve:1/hostpci0", where: "file:1" },
  ],
});

type Row = {
  readonly what: string;
  readonly pf?: readonly Reservation[];
  readonly vfs?: readonly ReturnType<typeof vf>[];
  readonly claims?: readonly Claim[];
  readonly sentences: readonly string[];
};

const rows: readonly Row[] = [
  { what: "nobody", sentences: [] },
  { what: "one guest a VF", vfs: [vf(0, "a"), vf(1, null, reserved("vm:b"))], sentences: [] },
  {
    what: "two defined guests of one VF",
    vfs: [vf(0, null, reserved("vm:a"), reserved("vm:b"))],
    sentences: ["vm:a and vm:b are all to have 0000:3b:00.0/vf0: only one of them can"],
  },
  {
    what: "a defined guest of a VF in use",
    vfs: [vf(0, "a", reserved("vm:b"))],
    sentences: ["vm:a has 0000:3b:00.0/vf0, and vm:b cannot start with it meanwhile"],
  },
  {
    what: "guests that share a PF's interface",
    pf: [reserved("vm:a", "shares"), reserved("vm:b", "shares")],
    sentences: [],
  },
  {
    what: "a pool and a guest by name",
    pf: [reserved("pool:tenants", "vfs")],
    vfs: [vf(1, null, reserved("vm:b"))],
    sentences: ["pool:tenants may hand out 0000:3b:00.0/vf1, which is vm:b's by name"],
  },
  {
    what: "two pools",
    pf: [reserved("pool:a", "vfs"), reserved("pool:b", "vfs")],
    sentences: [
      "pool:a and pool:b hand out VFs of 0000:3b:00.0, each without knowing of the other",
    ],
  },
  {
    what: "containers that one manager gives VFs to",
    pf: [reserved("container:a", "vfs"), reserved("container:b", "vfs")],
    vfs: [vf(0, null, reserved("container:a"))],
    sentences: [],
  },
  {
    what: "a guest with the whole PF",
    pf: [reserved("vm:router")],
    vfs: [vf(0, "a")],
    sentences: ["vm:router is to have the whole PF 0000:3b:00.0, and its VFs go from vm:a then"],
  },
  {
    what: "two managers of the interface",
    pf: [reserved("manager:networkd", "manages"), reserved("manager:networkmanager", "manages")],
    sentences: ["networkd and networkmanager both set up the interface of 0000:3b:00.0"],
  },
  {
    what: "two managers of the VFs",
    claims: [
      claim("networkd", "num-vfs"),
      claim("udev", "num-vfs"),
      claim("proxmox", "vf-assigned"),
    ],
    sentences: ["networkd and udev both set up the VFs of 0000:3b:00.0, and undo each other"],
  },
  {
    what: "one manager",
    claims: [claim("udev", "num-vfs"), claim("udev", "num-vfs")],
    sentences: [],
  },
];

for (const { what, pf: reservations = [], vfs = [], claims = [], sentences } of rows) {
  test(`conflicts of ${what}`, () => {
    const found = conflictsOn(
      pfOf(pf, vfs.length, { reservations, virtualFunctions: vfs }),
      claims,
    );
    assert.deepEqual(
      found.map(({ sentence }) => sentence),
      sentences,
    );
  });
}
