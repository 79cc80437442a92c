// `sriovctl bench paths` on a real kernel: namespaces over igb VFs and over veth and a bridge, with
// iperf3 and sockperf, and VFs that testpmd works; who has a VF is refused by name; and whatever ends a run, a signal or SIGKILL,
// the VFs come back as they were. What is measured is QEMU's igb: ratios are printed, none is judged.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { decodeRun } from "../../src/bench/decode-run.ts";
import { benchSkip, benchState, benchVfs, bootBenchLab } from "./bench-lab.ts";
import { testpmdCommand } from "./dpdk.ts";
import type { ProgramLab } from "./program-in-lab.ts";

/** Where packages put it; and pages that it may have. */
async function installTestpmd({ lab }: ProgramLab): Promise<void> {
  const program = "/usr/local/bin/dpdk-testpmd";
  await lab.check(`sysctl -q -w vm.nr_hugepages=64
    printf '#!/bin/sh\nexec ${testpmdCommand().join(" ")} "$@"\n' > ${program}
    chmod +x ${program}`);
}

suite("bench paths", { skip: benchSkip }, () => {
  let lab: ProgramLab;
  let untouched = "";
  const bench = (words: string): string => `${lab.command} bench ${words}`;

  before(async () => {
    lab = await bootBenchLab(["veth", "bridge", "macvlan", "vfio-pci"]);
    await installTestpmd(lab);
    untouched = await lab.lab.check(benchState);
  });
  after(() => lab?.lab.close());

  const assertUntouched = async (): Promise<void> =>
    assert.equal(await lab.lab.check(benchState), untouched);

  test("measures, reports, and gives back", async () => {
    const words = `--use ${benchVfs} --wire wire --paths ns-vf-vf,ns-veth-bridge,ns-vf-wire`;
    const short = "--rounds 2 --seconds 1 --sizes 1518 --yes";
    const files = "--out /results/run.json --html /results/run.html";
    const printed = await lab.lab.check(bench(`paths ${words} ${short} ${files}`), {
      timeoutMs: 300_000,
    });
    console.log(printed);
    const { run, problem } = decodeRun(
      readFileSync(join(lab.lab.resultsDirectory, "run.json"), "utf8"),
    );
    assert.equal(problem, null);
    assert.deepEqual(run?.problems, []);
    const count = (path: string): number =>
      run?.samples.filter((sample) => sample.path === path).length ?? 0;
    // Two rounds of latency, TCP and a frame size.
    assert.deepEqual(["ns-vf-vf", "ns-veth-bridge", "ns-vf-wire"].map(count), [6, 6, 6]);
    assert.ok(
      run?.samples.every(({ lostShare }) => lostShare !== 1),
      "frames arrived",
    );
    assert.ok(run?.host.emulation.length, "says that the NIC is emulated");
    assert.ok(existsSync(join(lab.lab.resultsDirectory, "run.html")));
    await assertUntouched();
  });

  test("VFs that testpmd works: what their card counted, and they are given back", async () => {
    const words = "--rounds 1 --seconds 1 --sizes 1518 --yes --out /results/testpmd.json";
    const paths = "--paths ns-vf-testpmd,testpmd-vf-vf";
    console.log(
      await lab.lab.check(bench(`paths --use ${benchVfs} ${paths} ${words}`), {
        timeoutMs: 300_000,
      }),
    );
    const text = readFileSync(join(lab.lab.resultsDirectory, "testpmd.json"), "utf8");
    const { run } = decodeRun(text);
    assert.deepEqual(run?.problems, []);
    assert.deepEqual(
      run.samples.map(({ path, traffic }) => `${path} ${traffic}`),
      ["ns-vf-testpmd latency", "ns-vf-testpmd udp", "testpmd-vf-vf udp"],
    );
    const [pings, ...frames] = run.samples;
    assert.ok((pings?.latency?.length ?? 0) > 0 && pings?.lostShare !== 1, "pings were answered");
    assert.ok(
      frames.every(({ packetsPerSecond }) => (packetsPerSecond ?? 0) > 0),
      "frames arrived",
    );
    await assertUntouched();
  });

  test("a VF that somebody has is refused by its user's name", async () => {
    await lab.lab.check("ip netns add tenant && ip link set vf0 netns tenant");
    try {
      const run = await lab.sriovctl(3, `bench paths --use ${benchVfs} --yes`);
      // On a busy machine the census gives up on namespaces, and names what it could not see.
      assert.match(run.json.error.message, /vf0: (netns:tenant|unknown:unseen-netns) /);
    } finally {
      await lab.lab.check("ip -n tenant link set vf0 netns 1 && ip netns del tenant");
    }
    await assertUntouched();
  });

  test("where nothing can be measured, each path says what it lacks", async () => {
    const { json } = await lab.sriovctl(1, "bench paths --paths ns-vf-vf,guest-vf --yes");
    const { message } = json.error;
    assert.match(
      message,
      /^Cannot measure: namespaces: VF to VF: no first VF was named with --use; guest/,
    );
  });

  /** Runs it until it measures, then sends the signal. */
  const cutOff = async (signal: string, path: string, tool: string): Promise<string> =>
    lab.lab.check(
      `${bench(`paths --use ${benchVfs} --paths ${path} --seconds 60 --rounds 3 --yes`)} &
      until pgrep -f "${tool}" > /dev/null; do kill -0 $! || exit 1; sleep 0.2; done
      ip -n sriovctl-bench-a -o link show dev bench0
      kill -${signal} $!; wait $! || echo ended with $?`,
      { timeoutMs: 120_000 },
    );

  test("SIGTERM restores before it ends, also what testpmd has", async () => {
    assert.match(await cutOff("TERM", "ns-vf-testpmd", "[p]ing -n"), /ended with 1/);
    await assertUntouched();
  });

  test("SIGKILL leaves a note, and the next run restores by it", async () => {
    assert.match(
      await cutOff("KILL", "ns-vf-vf", "sockperf [p]ing-pong"),
      /bench0.*ended with 137/s,
    );
    assert.match(await lab.lab.check("ip netns list"), /sriovctl-bench-a/);
    assert.match(await lab.lab.check("ls /run/sriovctl/linux"), /bench-note\.json/);
    await lab.sriovctl(0, "bench restore");
    await assertUntouched();
  });
});
