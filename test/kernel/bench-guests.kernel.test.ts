// `bench paths` with guests in the lab, so a machine of QEMU in a machine of QEMU: a guest with a VF, with
// a whole device and with virtio, and both come back, also after SIGKILL. The guest boots on
// this machine, where it takes seconds, and is restored in the lab. No figure is judged.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { decodeRun } from "../../src/bench/decode-run.ts";
import { benchSkip, benchState, bootGuestBenchLab } from "./bench-lab.ts";
import type { ProgramLab } from "./program-in-lab.ts";

const timeoutMs = 900_000;

suite("bench paths with guests", { skip: benchSkip }, () => {
  let lab: ProgramLab;
  let untouched = "";
  let bench: (more: string) => string;

  before(async () => {
    ({ lab, bench } = await bootGuestBenchLab());
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
