// Leases against hosts that changed without them: what is found, in words, and what would mend it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inventoryOf, pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import { plugTo } from "../../test/plug-to.ts";
import type { Owner, Pf } from "../model/inventory.ts";
import { candidatesOf } from "./candidates.ts";
import { freeLease, type Lease } from "./lease.ts";
import { reconcile } from "./reconcile.ts";

const pf = "0000:3b:00.0";
const mac = "b4:96:91:00:00:10";

const hostWith = (owners: readonly Owner[], part: Partial<Pf> = {}, at = pf) =>
  candidatesOf(
    inventoryOf([
      pfOf(at, 1, { permanentMac: mac, virtualFunctions: [vfOf(at, 0, { owners })], ...part }),
    ]),
    new Map(),
  );

const lease = (part: Partial<Lease>): Lease => ({
  ...freeLease({ pfKey: `mac:${mac}`, vfIndex: 0, pf, address: "0000:3b:10.0" }),
  state: "prepared",
  generation: 2,
  holder: { name: "vm:web1", pid: null },
  bootId: "now",
  ...part,
});

const netnsOwner = (name: string): Owner => ({
  kind: "netns",
  name,
  pid: null,
  evidence: `its netdev is in ${name}`,
});

function attachedTo(to: string): Partial<Lease> {
  const plug = plugTo(to, { pf, vf: "0000:3b:10.0", scope: "both" });
  return { state: "attached", holder: { name: to, pid: null }, plug };
}

const around = { bootId: "now", nowMs: 100_000, isAlive: (pid: number) => pid === 1 };

const rows: readonly (readonly [string, Partial<Lease>, ReturnType<typeof hostWith>, string])[] = [
  ["all is well", {}, hostWith([]), ""],
  ["a free one is nobody's business", { state: "free" }, [], ""],
  ["its holder uses it", { state: "attached" }, hostWith([vmOwner("web1")]), ""],
  [
    "libvirt's name of it",
    { holder: { name: "libvirt:web1/net1", pid: null } },
    hostWith([vmOwner("web1")]),
    "",
  ],
  [
    "the VF is gone",
    {},
    [],
    "vanished forget: 0000:3b:00.0/vf0 is prepared for vm:web1 in generation 2, and the host has no such VF",
  ],
  ["the PF's MAC cannot be read now", {}, hostWith([], { permanentMac: null }), ""],
  [
    "the card sits elsewhere",
    {},
    hostWith([], {}, "0000:5e:00.0"),
    "moved move: 0000:3b:00.0/vf0 is prepared for vm:web1 in generation 2, and is now 0000:5e:00.0/vf0",
  ],
  [
    "somebody else uses it",
    {},
    hostWith([vmOwner("web2")]),
    "in-use null: 0000:3b:00.0/vf0 is prepared for vm:web1 in generation 2, and vm:web2 (QEMU web2 has it open) uses it",
  ],
  [
    "its process ended",
    { holder: { name: "vm:web1", pid: 9 } },
    hostWith([]),
    "holder-gone clean: 0000:3b:00.0/vf0 is leased to vm:web1, whose process 9 has ended",
  ],
  [
    "its process's namespace has it",
    attachedTo("pid:812/eth0"),
    hostWith([netnsOwner("sleep-812")]),
    "",
  ],
  [
    "its namespace died and gave it back",
    attachedTo("netns:ci/eth0"),
    hostWith([]),
    "holder-gone clean: 0000:3b:00.0/vf0 is attached to netns:ci/eth0, which has lost it: its namespace has ended",
  ],
  [
    "its namespace died, and the host has taken it up",
    attachedTo("netns:ci/eth0"),
    hostWith([{ kind: "netdev", name: "eth0", pid: null, evidence: "it has 192.0.2.1" }]),
    "holder-gone null: 0000:3b:00.0/vf0 is attached to netns:ci/eth0, which has lost it: its namespace has ended, but netdev:eth0 (it has 192.0.2.1) still uses it",
  ],
  [
    "a VM that is off has it in its configuration",
    attachedTo("libvirt:web1/net1"),
    hostWith([]),
    "",
  ],
  ["its process runs", { holder: { name: "vm:web1", pid: 1 } }, hostWith([]), ""],
  [
    "its process was one of another boot",
    { holder: { name: "vm:web1", pid: 1 }, bootId: "before" },
    hostWith([]),
    "holder-gone clean: 0000:3b:00.0/vf0 is leased to vm:web1, whose process 1 has ended",
  ],
  [
    "its process ended, its VM did not",
    { holder: { name: "vm:web1", pid: 9 } },
    hostWith([vmOwner("web1")]),
    "holder-gone null: 0000:3b:00.0/vf0 is leased to vm:web1, whose process 9 has ended, but vm:web1 (QEMU web1 has it open) still uses it",
  ],
  [
    "it has expired",
    { expiresAtMs: 99_000 },
    hostWith([]),
    "expired clean: 0000:3b:00.0/vf0 is leased to vm:web1 until 1970-01-01 00:01:39, which is over",
  ],
  ["it has not expired", { expiresAtMs: 101_000 }, hostWith([]), ""],
  [
    "whoever made it ready died",
    { state: "claimed", worker: 9 },
    hostWith([]),
    "interrupted clean: 0000:3b:00.0/vf0 is claimed for vm:web1 in generation 2, and process 9 that worked on it ended",
  ],
  ["whoever makes it ready is at it", { state: "claimed", worker: 1 }, hostWith([]), ""],
  [
    "whoever cleaned it died",
    { state: "releasing", worker: 9 },
    hostWith([]),
    "interrupted clean: 0000:3b:00.0/vf0 is releasing for vm:web1 in generation 2, and process 9 that worked on it ended",
  ],
  ["quarantine is no finding", { state: "quarantined", holder: null }, hostWith([]), ""],
  [
    "nor is who uses a quarantined one",
    { state: "quarantined", holder: null },
    hostWith([vmOwner("web2")]),
    "",
  ],
];

for (const [name, part, candidates, wanted] of rows) {
  test(`reconcile(): ${name}`, () => {
    const found = reconcile([lease(part)], { ...around, candidates });
    const words = found.map(({ kind, remedy, message }) => `${kind} ${remedy}: ${message}`);
    assert.deepEqual(words, wanted === "" ? [] : [wanted]);
  });
}
