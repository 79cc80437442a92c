// `bench paths` with guests in the lab, so a machine of QEMU in a machine of QEMU: a guest with a VF, with
// a whole device and with virtio, and both come back, also after SIGKILL. The guest boots on
// this machine, where it takes seconds, and is restored in the lab. No figure is judged.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { decodeRun } from "../../src/bench/decode-run.ts";
import { savedGuest } from "../../src/bench/run/guest.ts";
import { benchSkip, benchSpare, benchState, benchVfs, bootBenchLab } from "./bench-lab.ts";
import { cacheDirectory, labKernel } from "./kernel-cache.ts";
import type { ProgramLab } from "./program-in-lab.ts";

const drivers = ["virtio_pci", "virtio_net", "e1000", "igbvf", "igb"];
const timeoutMs = 900_000;

/** Puts the guest where the program in the lab looks for it. */
async function bringGuest({ lab }: ProgramLab): Promise<void> {
  const { vmlinux, release, modulesRoot } = labKernel();
  const { file } = await savedGuest({
    kernel: { image: vmlinux, release, modulesRoot },
    accel: "tcg",
    folder: join(cacheDirectory(), "bench-guest"),
    drivers,
    signal: AbortSignal.timeout(timeoutMs),
  });
  mkdirSync(join(lab.resultsDirectory, "guest"));
  copyFileSync(file, join(lab.resultsDirectory, "guest", basename(file)));
  const kept = "/var/lib/sriovctl/linux";
  await lab.check(`mkdir -p ${kept} && mv /results/guest ${kept}/bench-guest`, { timeoutMs });
}

suite("bench paths with guests", { skip: benchSkip }, () => {
  let lab: ProgramLab;
  let untouched = "";
  const words = `--accel tcg --guest-kernel ${benchSkip === false ? labKernel().vmlinux : ""} --yes`;
  const bench = (more: string): string =>
    `${lab.command} bench paths --use ${benchVfs} --spare ${benchSpare} --wire wire ${words} ${more}`;

  before(async () => {
    lab = await bootBenchLab(["veth", "bridge", "tun", "vfio-pci"]);
    await bringGuest(lab);
    untouched = await lab.lab.check(benchState);
  });
  after(() => lab?.lab.close());

  test("a guest with a VF, a whole device, virtio: measured, and all is given back", async () => {
    const short = "--rounds 1 --seconds 1 --sizes 1518 --out /results/run.json";
    const paths = "--paths guest-vf,guest-pf,guest-virtio-bridge";
    const printed = await lab.lab.check(bench(`${paths} ${short}`), { timeoutMs });
    console.log(printed);
    const { run, problem } = decodeRun(
      readFileSync(join(lab.lab.resultsDirectory, "run.json"), "utf8"),
    );
    assert.equal(problem, null);
    assert.deepEqual(
      run?.paths.map(({ id, notMeasured }) => [id, notMeasured]),
      [
        ["guest-virtio-bridge", null],
        ["guest-vf", null],
        ["guest-pf", null],
      ],
    );
    const measured = new Set(run.samples.map(({ path, traffic }) => `${path} ${traffic}`));
    for (const id of ["guest-virtio-bridge", "guest-vf", "guest-pf"]) {
      assert.ok(measured.has(`${id} latency`) && measured.has(`${id} tcp`), id);
    }
    assert.ok(run.host.emulation.includes("Guests ran in software emulation"));
    assert.equal(await lab.lab.check(benchState), untouched);
  });

  test("SIGKILL while a guest has the VF: it is back after restore", async () => {
    const printed = await lab.lab.check(
      `${bench("--paths guest-vf --rounds 1 --sizes 1518")} &
      driver=/sys/bus/pci/devices/0000:01:00.0/virtfn0/driver
      until [ "$(basename $(readlink $driver))" = vfio-pci ] && pgrep -f "[i]ncoming file" > /dev/null
      do kill -0 $! || exit 1; sleep 0.2; done
      kill -KILL $!; wait $! || echo ended with $?`,
      { timeoutMs },
    );
    assert.match(printed, /ended with 137/);
    await lab.sriovctl(0, "bench restore");
    assert.equal(await lab.lab.check(benchState), untouched);
  });
});
