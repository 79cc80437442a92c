// Netlink against a real kernel: lists of up to 400 VFs on netdevsim, every VF attribute set by us
// and read by ip(8) and the other way round, what drivers refuse, eswitch modes, uevents of VFs.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EswitchMode } from "../../src/model/inventory.ts";
import type { VfAttribute, VfPolicy } from "../../src/model/vf-attribute.ts";
import { freshNetdevsimPolicy as fresh } from "../inventory-of.ts";
import { type Lab, bootLab } from "./lab.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { loadNetdevsim } from "./netdevsim.ts";
import type { ProbedLink, ProbeStep } from "./netlink-probe.ts";
import { smallTopology } from "./topology.ts";

const simulated = "/sys/bus/netdevsim/devices/netdevsim10";
const igb = "/sys/bus/pci/devices/0000:01:00.0";
/** Around both wraps of the list's length: 222 with statistics, 335 without. */
const counts = [16, 63, 127, 221, 222, 256, 334, 335, 400];

const macOf = (vfIndex: number): string => {
  const hex = vfIndex.toString(16).padStart(4, "0");
  return `02:00:00:00:${hex.slice(0, 2)}:${hex.slice(2)}`;
};

/** An attribute of a VF, and what the kernel answers to it. */
type Refusal = readonly [vfIndex: number, attribute: VfAttribute, answer: string];

const wish = ([vfIndex, attribute]: Refusal): readonly [number, VfAttribute] => [
  vfIndex,
  attribute,
];
const answer = ([, , text]: Refusal): string => text;

suite("netlink", { skip: labSkipReason() }, () => {
  let lab: Lab;
  let netdev: string;
  before(async () => {
    lab = await bootLab({ topology: smallTopology });
    await loadNetdevsim(lab);
    await lab.check(`echo "10 1" > /sys/bus/netdevsim/new_device`);
    netdev = (await lab.check(`ls ${simulated}/net`)).trim();
  });
  after(() => lab?.close());

  async function probe(...steps: readonly ProbeStep[]): Promise<unknown[]> {
    writeFileSync(join(lab.resultsDirectory, "steps.json"), JSON.stringify(steps));
    const script = "node test/kernel/netlink-probe.ts < /results/steps.json";
    return JSON.parse(await lab.check(script, { timeoutMs: 180_000 }));
  }

  /** All different, so that no VF can be taken for another. */
  const policiesOf = (numVfs: number): VfPolicy[] =>
    Array.from({ length: numVfs }, (_, vfIndex) => {
      const vlan = { id: 1 + (vfIndex % 4094), qos: vfIndex % 8, protocol: "802.1q" } as const;
      return { ...fresh, mac: macOf(vfIndex), vlan };
    });

  const batchOf = (policies: readonly VfPolicy[]): string =>
    policies
      .map(({ mac, vlan }, vfIndex) => {
        const setting = `mac ${mac} vlan ${vlan?.id} qos ${vlan?.qos}`;
        return `link set dev ${netdev} vf ${vfIndex} ${setting}\n`;
      })
      .join("");

  // netdevsim remembers what its VFs were told until its limit is written.
  const simulate = (numVfs: number): ProbeStep => ({
    verb: "shell",
    script: `echo 0 > ${simulated}/sriov_numvfs
             echo 512 > /sys/kernel/debug/netdevsim/netdevsim10/max_vfs
             echo ${numVfs} > ${simulated}/sriov_numvfs`,
  });

  const shell = (script: string): ProbeStep => ({ verb: "shell", script });
  const read = (name: string): ProbeStep => ({ verb: "read", name });
  const set = (name: string, wanted: readonly (readonly [number, VfAttribute])[]): ProbeStep => ({
    verb: "set",
    name,
    wanted,
  });
  const eswitch = (name: string, mode: EswitchMode): ProbeStep => ({
    verb: "eswitch",
    bus: "netdevsim",
    name,
    mode,
  });

  test(`what ip(8) set on each VF is read back, of ${counts.join(", ")} VFs`, async () => {
    const lists = counts.map((numVfs) => ({ numVfs, policies: policiesOf(numVfs) }));
    const results = await probe(
      ...lists.flatMap(({ numVfs, policies }) => {
        writeFileSync(join(lab.resultsDirectory, `batch${numVfs}`), batchOf(policies));
        return [simulate(numVfs), shell(`ip -batch /results/batch${numVfs}`), read(netdev)];
      }),
    );
    for (const [index, { numVfs, policies }] of lists.entries()) {
      const { dumped, single, byIp, problems } = results[index * 3 + 2] as ProbedLink;
      assert.deepEqual(problems, []);
      const expected = {
        numVf: numVfs,
        parentName: "netdevsim10",
        policies: policies.map((policy, vfIndex) => [vfIndex, policy]),
      };
      assert.deepEqual(dumped, expected);
      assert.deepEqual(single, expected);
      // ip(8) loses VFs of longer lists, which is why it is the fallback only.
      if (numVfs <= 221) assert.deepEqual(byIp, { ...expected, numVf: null });
    }
  });

  test("every attribute that we set is what ip(8) reads", async () => {
    const wanted: readonly (readonly [number, VfAttribute])[] = [
      [0, { name: "mac", mac: "02:11:22:33:44:55" }],
      [1, { name: "vlan", vlan: { id: 4095, qos: 7, protocol: "802.1q" } }],
      [2, { name: "vlan", vlan: { id: 100, qos: 3, protocol: "802.1ad" } }],
      [3, { name: "rate", txRateMinMbps: 100, txRateMaxMbps: 25_000 }],
      [4, { name: "spoofCheck", isOn: true }],
      [5, { name: "trust", isOn: true }],
      [6, { name: "linkState", linkState: "disable" }],
      [7, { name: "linkState", linkState: "enable" }],
      [7, { name: "rssQuery", isOn: true }],
    ];
    const [, answers, link] = await probe(simulate(8), set(netdev, wanted), read(netdev));
    assert.deepEqual(
      answers,
      wanted.map(() => "ok"),
    );
    const { byIp, single } = link as ProbedLink;
    const expected: VfPolicy[] = [
      { ...fresh, mac: "02:11:22:33:44:55" },
      { ...fresh, vlan: { id: 4095, qos: 7, protocol: "802.1q" } },
      { ...fresh, vlan: { id: 100, qos: 3, protocol: "802.1ad" } },
      { ...fresh, txRateMinMbps: 100, txRateMaxMbps: 25_000 },
      { ...fresh, spoofCheck: true },
      { ...fresh, trust: true },
      { ...fresh, linkState: "disable" },
      { ...fresh, linkState: "enable", rssQuery: true },
    ];
    const pairs = expected.map((policy, vfIndex) => [vfIndex, policy]);
    assert.deepEqual(byIp.policies, pairs);
    assert.deepEqual(single.policies, pairs);
  });

  test("what netdevsim refuses comes back as the kernel's errno", async () => {
    const rows: readonly Refusal[] = [
      [2, { name: "mac", mac: "02:11:22:33:44:55" }, "EINVAL"],
      [0, { name: "mac", mac: "01:00:5e:00:00:01" }, "EINVAL"],
      [0, { name: "mac", mac: "00:00:00:00:00:00" }, "ok"],
      [0, { name: "vlan", vlan: { id: 4096, qos: 0, protocol: "802.1q" } }, "EINVAL"],
      [0, { name: "vlan", vlan: { id: 1, qos: 8, protocol: "802.1ad" } }, "EINVAL"],
      [0, { name: "rate", txRateMinMbps: 200, txRateMaxMbps: 100 }, "EINVAL"],
      [0, { name: "nodeGuid", guid: "00:11:22:33:44:55:66:77" }, "EOPNOTSUPP"],
    ];
    const [, answers] = await probe(simulate(2), set(netdev, rows.map(wish)));
    assert.deepEqual(answers, rows.map(answer));
  });

  test("an eswitch mode that we set is what devlink(8) shows, and it decides on rates", async () => {
    const show = shell("devlink dev eswitch show netdevsim/netdevsim10");
    const rate = set(netdev, [[0, { name: "rate", txRateMinMbps: 0, txRateMaxMbps: 100 }]]);
    const results = await probe(
      simulate(1),
      eswitch("netdevsim10", "switchdev"),
      show,
      rate,
      eswitch("netdevsim10", "legacy"),
      show,
      rate,
      eswitch("gone", "legacy"),
    );
    const problems: readonly string[] = [];
    assert.deepEqual(results.slice(1), [
      { answer: "ok", modes: { netdevsim10: "switchdev" }, problems },
      "netdevsim/netdevsim10: mode switchdev\n",
      ["EOPNOTSUPP"],
      { answer: "ok", modes: { netdevsim10: "legacy" }, problems },
      "netdevsim/netdevsim10: mode legacy\n",
      ["ok"],
      { answer: "ENODEV", modes: { netdevsim10: "legacy" }, problems },
    ]);
  });

  test("VFs of igb: policy by us and by ip(8), refusals, uevents", async () => {
    await lab.check(`modprobe igb; echo 0 > ${igb}/sriov_drivers_autoprobe`);
    const pf = (await lab.check(`ls ${igb}/net`)).trim();
    const rows: readonly Refusal[] = [
      [0, { name: "mac", mac: "02:11:22:33:44:55" }, "ok"],
      [0, { name: "vlan", vlan: { id: 100, qos: 3, protocol: "802.1q" } }, "ok"],
      [0, { name: "vlan", vlan: { id: 100, qos: 3, protocol: "802.1ad" } }, "EPROTONOSUPPORT"],
      [0, { name: "trust", isOn: true }, "ok"],
      [0, { name: "spoofCheck", isOn: false }, "ok"],
      [0, { name: "linkState", linkState: "enable" }, "EOPNOTSUPP"],
      [0, { name: "rssQuery", isOn: true }, "EOPNOTSUPP"],
      [0, { name: "rate", txRateMinMbps: 10, txRateMaxMbps: 100 }, "EINVAL"],
      [2, { name: "trust", isOn: true }, "EINVAL"],
    ];
    const [events, answers, , link] = await probe(
      { verb: "uevents", file: `${igb}/sriov_numvfs`, text: "2" },
      set(pf, rows.map(wish)),
      shell(`ip link set dev ${pf} vf 1 mac 02:11:22:33:44:66 spoofchk off`),
      read(pf),
    );
    assert.deepEqual(
      (events as string[]).filter((event) => event.startsWith("add")),
      ["add 0000:01:10.0", "add 0000:01:10.2"],
    );
    assert.deepEqual(answers, rows.map(answer));
    const { dumped, byIp, problems } = link as ProbedLink;
    assert.deepEqual(problems, []);
    // igb reports no RSS query; trust and spoof check it does.
    const reported = { ...fresh, rssQuery: null };
    assert.deepEqual(dumped.policies, [
      [
        0,
        {
          ...reported,
          mac: "02:11:22:33:44:55",
          vlan: { id: 100, qos: 3, protocol: "802.1q" },
          trust: true,
        },
      ],
      [1, { ...reported, mac: "02:11:22:33:44:66" }],
    ]);
    assert.deepEqual(byIp.policies, dumped.policies);
    assert.equal(dumped.parentName, "0000:01:00.0");
  });
});
