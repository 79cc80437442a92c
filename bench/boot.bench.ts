// What a boot waits for: the time until network-pre.target on the booted machine of test/boot, with the
// early unit doing nothing, doing the kernel's part alone from a shell script, and being ours. All three
// are the same unit at the same place, in interleaved rounds. The machine is emulated in software,
// many times slower than any host, so our part is also counted in cold starts of our own program.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bootSkipReason } from "../test/boot/boot-unavailable.ts";
import { pfs } from "../test/boot/lab-units.ts";
import { Machine, withoutRight } from "../test/boot/machine.ts";
import { labImages } from "../test/boot/package-image.ts";
import { spec } from "../test/boot/specs.ts";
import { printRows, type BenchRow } from "./row.ts";

const rounds = 3;
const { left, right } = pfs;
const dropIn = "/etc/systemd/system/sriovctl-apply.service.d/bench.conf";
const floorScript = "/usr/local/lib/lab/floor";

/** The kernel's work of the suite's spec, in the fewest words that a shell has for it. */
const floor = `set -e
L=${left.folder} R=${right.folder}
until ls $L/net $R/net > /dev/null 2>&1; do sleep 0.05; done
modprobe vfio-pci
for pf in $L $R; do echo 0 > $pf/sriov_drivers_autoprobe; done
echo 3 > $L/sriov_numvfs & echo 2 > $R/sriov_numvfs & wait
for vf in $L/virtfn0 $R/virtfn0 $R/virtfn1; do echo vfio-pci > $vf/driver_override; done
dev=$(ls $L/net)
ip link set $dev vf 0 mac 52:54:00:bb:00:01; ip link set $dev vf 0 vlan 100
ip link set $dev vf 1 mac 52:54:00:bb:00:02; ip link set $dev vf 1 vlan 120
dev=$(ls $R/net)
ip link set $dev vf 0 spoofchk on; ip link set $dev vf 1 spoofchk on
for vf in $L/virtfn* $R/virtfn*; do basename $(readlink $vf) > /sys/bus/pci/drivers_probe; done
for pf in $L $R; do echo 1 > $pf/sriov_drivers_autoprobe; done
`;

const programs = { nothing: "/bin/true", floor: `/bin/bash ${floorScript}`, ours: null } as const;

type Kind = keyof typeof programs;

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Seconds since the kernel's start at which the boot gets past us. */
async function secondsOfBoot(machine: Machine, topology?: typeof withoutRight): Promise<number> {
  await machine.boot(topology);
  const show = "systemctl show --value -p ActiveEnterTimestampMonotonic network-pre.target";
  return Number(await machine.sh(show)) / 1e6;
}

/** Of the running machine, at its next boot. */
async function choose(machine: Machine, kind: Kind): Promise<void> {
  const program = programs[kind];
  const words = program === null ? "" : `ExecStart=\nExecStart=${program}\n`;
  await machine.write(dropIn, `[Service]\n${words}`);
  await machine.cut();
}

/** Seconds of the least that our program can be asked, read from the disk each time. */
async function coldStart(machine: Machine): Promise<number> {
  const script = `for i in 1 2 3; do
    sync; echo 3 > /proc/sys/vm/drop_caches
    t=$EPOCHREALTIME; sriovctl --version > /dev/null; echo "$EPOCHREALTIME - $t"
  done | tr - ' ' | awk '{ printf "%f\\n", $1 - $2 }'`;
  return median((await machine.sh(script)).split("\n").map(Number));
}

type Measured = Readonly<Record<Kind | "absent" | "cold", number>>;

async function measure(machine: Machine): Promise<Measured> {
  await machine.boot();
  await machine.write(floorScript, floor);
  const seconds: Record<Kind, number[]> = { nothing: [], floor: [], ours: [] };
  for (let round = 0; round < rounds; round++) {
    for (const kind of ["nothing", "floor", "ours"] as const) {
      await choose(machine, kind);
      seconds[kind].push(await secondsOfBoot(machine));
      const made = await machine.sh(`cat ${left.folder}/sriov_numvfs ${right.folder}/sriov_numvfs`);
      const wanted = kind === "nothing" ? "0\n0" : "3\n2";
      if (made !== wanted) throw new Error(`${kind} made ${made} VFs, wanted ${wanted}`);
    }
  }
  const cold = await coldStart(machine);
  await choose(machine, "ours");
  const absent = await secondsOfBoot(machine, withoutRight);
  const [nothing, ours] = [median(seconds.nothing), median(seconds.ours)];
  return { nothing, floor: median(seconds.floor), ours, absent, cold };
}

const seconds = (value: number): string => `${value.toFixed(1)} s`;

const row = (what: string, measured: string): BenchRow => ({
  what,
  measured,
  goal: "-",
  isMet: null,
});

function rowsOf({ nothing, floor: kernels, ours, absent, cold }: Measured): BenchRow[] {
  const own = ours - kernels;
  return [
    row("emulated machine, boot to network-pre.target, nothing to do", seconds(nothing)),
    row("the kernel's part adds: 2 PFs, 5 VFs, policy", seconds(kernels - nothing)),
    row("our unit adds", `${seconds(ours - nothing)}, beyond the kernel's part ${seconds(own)}`),
    row("cold --version there", seconds(cold)),
    row("beyond the kernel's part, in cold --versions", `${(own / cold).toFixed(1)} x`),
    row("a PF that is absent adds to that", seconds(absent - ours)),
  ];
}

const reason = bootSkipReason();
if (reason !== false) printRows([row("time that a boot waits", reason)]);
else {
  const directory = mkdtempSync(join(tmpdir(), "sriovctl-boot-"));
  try {
    const { enabled } = await labImages(directory, spec);
    const machine = new Machine(enabled, join(directory, "disk"));
    try {
      printRows(rowsOf(await measure(machine)));
    } finally {
      await machine.cut();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
