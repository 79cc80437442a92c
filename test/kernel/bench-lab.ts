// What the suites of `bench paths` share: a lab with an igb that has two VFs, one that nobody needs, and
// a wire, and what a measurement has to leave as it was.

import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { savedGuest } from "../../src/bench/run/guest.ts";
import { cacheDirectory, labKernel } from "./kernel-cache.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { bootProgramLab, type ProgramLab } from "./program-in-lab.ts";
import { fullTopology, type LabTopology } from "./topology.ts";

const topology: LabTopology = {
  ...fullTopology,
  slots: fullTopology.slots.slice(0, 2),
};
const pf = "0000:01:00.0";
const benchSpare = "0000:02:00.0";
export const benchVfs = [`${pf}/vf0`, `${pf}/vf1`].join(",");
const wireMac = "52:54:00:cc:00:00";

const setUp = `
  sysctl -q -w net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.all.disable_ipv6=1
  cd /sys/bus/pci/devices/${benchSpare}
  until ls net > /dev/null 2>&1; do sleep 0.1; done
  ip link set $(ls net) name spare
  cd ../${pf}
  until ls net > /dev/null 2>&1; do sleep 0.1; done
  ip link set $(ls net) name pf0; ip link set pf0 up
  wire=$(basename $(dirname $(grep -l ${wireMac} /sys/class/net/*/address)))
  ip link set $wire name wire
  echo 2 > sriov_numvfs
  for i in 0 1; do
    until ls virtfn$i/net > /dev/null 2>&1; do sleep 0.1; done
    ip link set $(ls virtfn$i/net) name vf$i
  done
  ip link set vf1 up`;

/** As it is before and must be after: where the netdevs are, their names, MTU, MACs and flags; who
 * drives the functions; and no note. (igbvf makes up a permanent address at each probe.) */
export const benchState = `
  ip -o link | sed 's/^[0-9]*: //; s/qdisc .*qlen [0-9]*//; s/ *permaddr .*//; s/,\\(NO-CARRIER\\|LOWER_UP\\)//g; s/<NO-CARRIER,/</' | sort
  for f in ${pf}/virtfn0 ${pf}/virtfn1 ${benchSpare}; do
    cd /sys/bus/pci/devices/$f && basename $(readlink driver) && cat driver_override
  done
  ip netns list; ls /run/sriovctl/linux 2> /dev/null | grep note || true`;

const tools = ["/usr/bin/iperf3", "/usr/bin/sockperf"].filter((path) => !existsSync(path));
export const benchSkip =
  labSkipReason() || (tools.length === 0 ? false : `${tools.join(", ")}: not installed`);

export async function bootBenchLab(modules: readonly string[]): Promise<ProgramLab> {
  const found = await bootProgramLab(["virtio_net", "igb", "igbvf", ...modules], topology);
  await found.lab.check(setUp, { timeoutMs: 120_000 });
  return found;
}

/** As `bench paths` names them where these VFs, this device and no KVM are. */
const guestDrivers = ["virtio_pci", "virtio_net", "e1000", "igbvf", "igb"];
const guestTimeoutMs = 900_000;

/** Puts the guest where the program in the lab looks for it. It boots on this machine, where that takes
 * seconds. */
async function bringGuest({ lab }: ProgramLab): Promise<void> {
  const { vmlinux, release, modulesRoot } = labKernel();
  const { file } = await savedGuest({
    kernel: { image: vmlinux, release, modulesRoot },
    accel: "tcg",
    folder: join(cacheDirectory(), "bench-guest"),
    drivers: guestDrivers,
    signal: AbortSignal.timeout(guestTimeoutMs),
  });
  mkdirSync(join(lab.resultsDirectory, "guest"));
  copyFileSync(file, join(lab.resultsDirectory, "guest", basename(file)));
  const kept = "/var/lib/sriovctl/linux";
  await lab.check(`mkdir -p ${kept} && mv /results/guest ${kept}/bench-guest`, {
    timeoutMs: guestTimeoutMs,
  });
}

type GuestBenchLab = {
  readonly lab: ProgramLab;
  /** The shell words of `bench paths` with all that there is to measure, and more options. */
  bench(more: string): string;
};

/** The same with all that a guest's paths need. */
export async function bootGuestBenchLab(): Promise<GuestBenchLab> {
  const lab = await bootBenchLab(["veth", "bridge", "tun", "macvtap", "vfio-pci"]);
  await bringGuest(lab);
  const named = `--use ${benchVfs} --spare ${benchSpare} --wire wire`;
  const guests = `--accel tcg --guest-kernel ${labKernel().vmlinux}`;
  return {
    lab,
    bench: (more) => `${lab.command} bench paths ${named} ${guests} --yes ${more}`,
  };
}
