// What each path needs, and that all it makes can be taken back by what is in the note.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { pathTable, type Site, type SiteVf } from "./path-table.ts";
import { decodeNote, noteFormat } from "./undo-step.ts";

const vf = (index: number, changes: Partial<SiteVf> = {}): SiteVf => ({
  label: `0000:3b:00.0/vf${index}`,
  address: `0000:3b:02.${index}`,
  mac: "52:54:00:00:00:01",
  driverOverride: null,
  guestObstacle: null,
  netdev: { name: `ens1v${index}`, mtu: 1500, isUp: index === 0 },
  driver: "iavf",
  vlan: null,
  obstacle: null,
  pfMtu: 9000,
  isBifurcated: false,
  ...changes,
});

const forTestpmd = ["dpdk-testpmd", "stdbuf", "ping"];
const forGuests = ["qemu-system-x86_64", "iperf3", "sockperf", "ldd", "insmod"];
const spare = {
  label: "0000:5e:00.0",
  address: "0000:5e:00.0",
  mac: "52:54:00:00:00:02",
  driver: "ice",
  driverOverride: null,
  guestObstacle: null,
  netdev: { name: "ens2", mtu: 9000, isUp: true },
};

const site: Site = {
  programs: new Set(["ip", ...forGuests, ...forTestpmd]),
  vfs: [vf(0), vf(1)],
  spare,
  wire: { name: "eth9", mtu: 1500, isUp: true },
  mtu: 9000,
  guestObstacle: null,
  hasVhost: true,
  processors: "0-7",
  freeHugepageBytes: 1 << 30,
};

const rows: readonly (readonly [id: string, changes: Partial<Site>, missing: string | null])[] = [
  ["ns-vf-vf", {}, null],
  ["ns-vf-vf", { vfs: [vf(0)] }, "no second VF was named with --use"],
  [
    "ns-vf-vf",
    { vfs: [vf(0), vf(1, { netdev: null, driver: "vfio-pci" })] },
    "0000:3b:00.0/vf1 has no network interface (driver vfio-pci)",
  ],
  [
    "ns-vf-vf",
    { vfs: [vf(0, { vlan: 100 }), vf(1)] },
    "0000:3b:00.0/vf0 and 0000:3b:00.0/vf1 are in different VLANs (100 and none)",
  ],
  ["ns-vf-vf", { vfs: [vf(0, { obstacle: "PF is down" }), vf(1)] }, "PF is down"],
  ["ns-vf-wire", {}, null],
  ["ns-vf-wire", { wire: null }, "no interface at the other end was named with --wire"],
  ["ns-veth-bridge", { vfs: [] }, null],
  ["ns-macvlan", { programs: new Set() }, "ip not installed"],
  ["guest-e1000", { programs: new Set(["ip"]) }, `${forGuests.join(", ")} not installed`],
  ["guest-macvtap", { guestObstacle: "no kernel" }, "no kernel"],
  ["guest-vf", {}, null],
  // The guest's VF needs no interface of the host.
  ["guest-vf", { vfs: [vf(0, { netdev: null, driver: null }), vf(1)] }, null],
  [
    "guest-vf",
    { vfs: [vf(0, { guestObstacle: "it has no IOMMU group" }), vf(1)] },
    "0000:3b:00.0/vf0: it has no IOMMU group",
  ],
  [
    "guest-vf",
    { vfs: [vf(0, { vlan: 100 }), vf(1)] },
    "0000:3b:00.0/vf0 and 0000:3b:00.0/vf1 are in different VLANs (100 and none)",
  ],
  ["ns-vf-testpmd", {}, null],
  ["ns-vf-testpmd", { programs: new Set(["ip", ...forTestpmd]) }, "sockperf not installed"],
  [
    "ns-vf-testpmd",
    { vfs: [vf(0, { isBifurcated: true, driver: "mlx5_core" }), vf(1)] },
    "0000:3b:00.0/vf0: DPDK works beside its driver mlx5_core, which is not built here",
  ],
  ["ns-vf-testpmd", { vfs: [vf(0), vf(1, { obstacle: "PF is down" })] }, "PF is down"],
  // The functions need no interface of the host.
  ["testpmd-vf-vf", { vfs: [vf(0, { netdev: null }), vf(1, { netdev: null })] }, null],
  ["testpmd-vf-vf", { programs: new Set(["ip", "stdbuf"]) }, "dpdk-testpmd not installed"],
  [
    "testpmd-vf-vf",
    { freeHugepageBytes: 2 << 20, vfs: [vf(0, { pfMtu: 1500 }), vf(1, { pfMtu: 1500 })] },
    "2 MiB of hugepages are free, wanted 100 (sysctl vm.nr_hugepages=50)",
  ],
  ["testpmd-vf-vf", { vfs: [vf(0)] }, "no second VF was named with --use"],
  ["guest-pf", {}, null],
  ["guest-pf", { spare: null }, "no whole device was named with --spare"],
  ["guest-pf", { wire: null }, "no interface at the other end was named with --wire"],
];

suite("a path", () => {
  for (const [id, changes, missing] of rows) {
    test(`${id} with ${JSON.stringify(Object.keys(changes))}: ${missing ?? "can be built"}`, () => {
      const row = pathTable.find((each) => each.id === id);
      assert.equal(row?.missing({ ...site, ...changes }), missing);
    });
  }

  for (const row of pathTable) {
    test(`${row.id}: what is made or moved is undone, and survives in the note`, () => {
      const { steps } = row.build(site);
      const programs = steps.flatMap((step) => ("argv" in step ? [step] : []));
      const undo = steps.flatMap((step) => step.undo ?? []);
      const note = { format: noteFormat, pid: 1, startTicks: 5, startedAt: "now", undo };
      assert.deepEqual(decodeNote(JSON.stringify(note))?.undo, undo);
      const made = programs.flatMap(({ argv }) => (argv[1] === "netns" ? [argv[3]] : []));
      assert.deepEqual(
        undo.flatMap((each) => (each.kind === "drop-netns" ? [each.netns] : [])),
        made,
      );
      // Who leaves its driver goes back to it.
      assert.deepEqual(
        undo.flatMap((each) => (each.kind === "rebind" ? [each.address] : [])),
        steps.flatMap((step) => ("vfio" in step ? [step.vfio] : [])),
      );
      // Whatever is not inside a namespace of ours is a lent netdev, and comes back.
      const lent = programs.flatMap(({ argv }) => (argv[1] === "link" ? [argv[4]] : []));
      assert.deepEqual(
        undo.flatMap((each) => (each.kind === "return-netdev" ? [each.name] : [])),
        lent,
      );
    });
  }
});

suite("a note", () => {
  const step = {
    kind: "return-netdev",
    netns: "sriovctl-bench-a",
    name: "vf0",
    mtu: 1500,
    isUp: true,
  };
  const note = { format: noteFormat, pid: 7, startTicks: 1, startedAt: "", undo: [step] };
  const hostile: readonly (readonly [string, unknown])[] = [
    ["another namespace", { ...note, undo: [{ ...step, netns: "default" }] }],
    ["an option for a name", { ...note, undo: [{ ...step, name: "-batch" }] }],
    ["a path for a name", { ...note, undo: [{ ...step, name: "../x" }] }],
    ["another kind", { ...note, undo: [{ kind: "run", argv: ["rm"] }] }],
    [
      "a driver that is a path",
      {
        ...note,
        undo: [
          { kind: "rebind", address: "0000:3b:02.0", driver: "../x", override: null, netdev: null },
        ],
      },
    ],
    ["a process that is none", { ...note, pid: -1 }],
  ];
  for (const [what, document] of hostile) {
    test(`with ${what} is none`, () => assert.equal(decodeNote(JSON.stringify(document)), null));
  }

  test("property: anything else is none, and throws nothing", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => assert.equal(decodeNote(text), null)),
      { numRuns: 100 },
    );
  });
});
