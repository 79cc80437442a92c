// An nvme VF that a guest reads a block through, and `sriovctl attach` and `detach` with a VM of QEMU
// killed ten times at random: after `recover` the VF is attached and leased, or free and clean. The
// moments come from a seed, which is printed; every one is after the first trace on disk.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type LabGuest, startGuest } from "./guest-in-lab.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { type Json, type ProgramLab, bootProgramLab } from "./program-in-lab.ts";
import { smallTopology } from "./topology.ts";
import { lackingPackages, unpacked } from "./unpacked-packages.ts";

const devices = "/sys/bus/pci/devices";
const pf = "0000:01:00.0";
const nvme = "0000:03:00.0";
const mac = "02:00:00:00:00:10";

const specText = `
adapters:
  - name: left
    physicalFunctions:
      - { name: left, match: { address: "${pf}" }, adminState: up, numVfs: 1 }
pools:
  - { name: guests, vfs: left/0, driver: vfio-pci }
`;

/** mulberry32: numbers from 0 to 1 that a seed repeats. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The words that start nvme-cli, from where it was unpacked if it is not installed. */
function nvmeCommand(): string {
  const packages = lackingPackages(["nvme-cli"]);
  if (packages.length === 0) return "nvme";
  const root = unpacked(packages, "nvme-cli");
  const libraries = ["usr/lib", "lib"].map((folder) => `${root}/${folder}/x86_64-linux-gnu`);
  return `env LD_LIBRARY_PATH=${libraries.join(":")} ${root}/usr/sbin/nvme`;
}

suite("VFs in guests of QEMU, killed and on nvme", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;
  let guest: LabGuest;
  let spec = "";
  before(async () => {
    lab = await bootProgramLab(["igb", "nvme", "vfio-pci"], smallTopology);
    await lab.lab.check("mkdir -p /var/lib/sriovctl; mkfifo /tmp/pipe");
    spec = lab.spec("pool.yaml", specText);
    await lab.sriovctl(0, `apply --yes -f ${spec}`);
    guest = await startGuest(lab.lab, "web1");
  });
  after(() => lab?.lab.close());

  const socketOption = (): string => `--socket ${guest.directory}/qmp.sock`;
  const attachWords = (): string =>
    `attach ${pf}/vf0 --to qemu:web1/net1 --mac ${mac} --vlan 100 ${socketOption()} -f ${spec} --yes`;
  const detachWords = (): string => `detach qemu:web1/net1 -f ${spec} --yes`;

  test("an nvme VF with queues of its own reads a block in a guest", async () => {
    const block = Buffer.alloc(4096, "sriovctl on nvme ");
    writeFileSync(join(lab.lab.resultsDirectory, "block"), block);
    // NVM Express Base Specification 2.0, 5.29: actions 1, 8 and 9; resources 0 are queues, 1 vectors.
    const nvmeCli = nvmeCommand();
    await lab.lab.check(
      `set -e; until [ -b /dev/nvme0n1 ]; do sleep 0.1; done
      dd if=/results/block of=/dev/nvme0n1 oflag=direct bs=4096 2> /dev/null
      manage() { ${nvmeCli} virt-mgmt /dev/nvme0 --cntlid=$1 --act=$2 --rt=$3 --nr=$4; }
      # The PF keeps none of those that can be given away, from its next reset on.
      manage 0 1 1 0; manage 0 1 0 0; ${nvmeCli} reset /dev/nvme0
      echo 0 > ${devices}/${nvme}/sriov_drivers_autoprobe; echo 1 > ${devices}/${nvme}/sriov_numvfs
      manage 1 8 1 1; manage 1 8 0 2; manage 1 9 0 0`,
      { timeoutMs: 120_000 },
    );
    await lab.sriovctl(
      0,
      `attach ${nvme}/vf0 --to qemu:web1/disk ${socketOption()} -f ${spec} --yes`,
    );
    const printed = await guest.check(`
      for i in $(seq 60); do [ -b /dev/nvme0n1 ] && break; sleep 0.5; done
      dd if=/dev/nvme0n1 bs=4096 count=1 2> /dev/null | base64 -w 0 || { dmesg; exit 1; }`);
    assert.equal(Buffer.from(printed, "base64").toString(), block.toString());
    await lab.sriovctl(0, `detach qemu:web1/disk -f ${spec} --yes`);
  });

  /** How the VF is, as host, leases and VM say each for themselves; one line. */
  async function wholeState(): Promise<string> {
    const { leases, findings } = (await lab.sriovctl(0, `lease ls -f ${spec}`)).json;
    const lease = leases.find(({ vf }: Json) => vf === `${pf}/vf0`);
    const [link] = await lab.read(`ip -d -j link show dev $(ls ${devices}/${pf}/net)`);
    const { address, vlan_list: vlans = [] } = link.vfinfo_list[0];
    const devicesOf = (await guest.qmp("qom-list", { path: "/machine/peripheral" })) as Json;
    const isIn = devicesOf.some(({ type }: Json) => type === "child<vfio-pci>");
    const leased = lease === undefined || lease.state === "free" ? "free" : lease.state;
    const holder = leased === "free" ? "nobody" : lease.holder;
    const has = isIn ? "in the VM" : "not in the VM";
    return `${leased} ${holder}, ${address} vlan ${vlans[0]?.vlan ?? 0}, ${has}, ${findings.length} findings`;
  }

  const attached = `attached qemu:web1/net1, ${mac} vlan 100, in the VM, 0 findings`;
  const free = "free nobody, 00:00:00:00:00:00 vlan 0, not in the VM, 0 findings";

  test("killed at ten random moments, the VF is attached and leased, or free and clean", async (context) => {
    const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
    context.diagnostic(`SEED=${seed}`);
    const random = randomFrom(seed);
    // A whole attach and a whole detach, for how long each takes after its first trace on disk.
    const spans = { attach: 0, detach: 0 };
    const kill = async (words: string, at: number | null): Promise<number> => {
      const delay = at === null ? "wait $pid" : `sleep ${at.toFixed(3)}`;
      const printed = await lab.lab.check(
        // With builtins of the shell only, not to take the processor from who is to be killed.
        `shopt -s globstar; cd /var/lib/sriovctl/linux; touch /tmp/begin; exec 9<> /tmp/pipe
        ${lab.command} ${words} > /tmp/words 2>&1 & pid=$!
        until for file in **; do [ $file -nt /tmp/begin ] && break; false; done ||
          ! kill -0 $pid 2> /dev/null
        do read -t 0.05 -u 9; done
        start=$EPOCHREALTIME; ${delay}; end=$EPOCHREALTIME
        kill -KILL $pid 2> /dev/null; wait $pid
        echo $(( \${end/./} - \${start/./} ))`,
        { timeoutMs: 240_000 },
      );
      return Number(printed) / 1_000_000;
    };
    spans.attach = await kill(attachWords(), null);
    assert.equal(await wholeState(), attached);
    spans.detach = await kill(detachWords(), null);
    assert.equal(await wholeState(), free);
    const seen: string[] = [];
    let isAttached = false;
    for (let at = 0; at < 10; at++) {
      const work: keyof typeof spans = isAttached ? "detach" : "attach";
      const seconds = random() * spans[work];
      await kill(work === "attach" ? attachWords() : detachWords(), seconds);
      const way = random() < 1 / 3 ? "" : "--finish";
      await lab.sriovctl(0, `recover ${way} --yes`);
      const state: string = await wholeState();
      const story: string = `${work} killed after ${seconds.toFixed(2)} of ${spans[work].toFixed(2)} s`;
      seen.push(`${story}: ${state === attached ? "attached" : "free"}`);
      assert.ok(state === attached || state === free, `SEED=${seed}: ${story}: ${state}`);
      isAttached = state === attached;
    }
    for (const story of seen) context.diagnostic(story);
  });
});
