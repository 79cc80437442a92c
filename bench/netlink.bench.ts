// What 32 VF attributes cost by netlink and by 32 processes of ip(8), on netdevsim in the kernel
// lab. The rounds are interleaved in one process in the lab. Of ip(8) only the CPU time of its own
// processes counts, not ours for starting them; of netlink also opening and closing the socket.

import { spawnSync } from "node:child_process";
import { openNetlinkLinks } from "../src/host/linux/netlink-links.ts";
import { bootLab } from "../test/kernel/lab.ts";
import { labSkipReason } from "../test/kernel/lab-unavailable.ts";
import { loadNetdevsim } from "../test/kernel/netdevsim.ts";
import { smallTopology } from "../test/kernel/topology.ts";
import { cpuMsOf, printRows, type BenchRow } from "./row.ts";

const numVfs = 32;
const rounds = 12;

type Round = { readonly netlinkMs: number; readonly ipMs: number };

/** Medians over the rounds, CPU milliseconds for 32 attributes; and the first load of node:ffi. */
type Measurement = Round & { readonly loadMs: number; readonly ratio: number };

const median = (values: readonly number[]): number =>
  values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;

const macOf = (round: number, vfIndex: number): string =>
  [2, 0, 0, 0, round, vfIndex].map((byte) => byte.toString(16).padStart(2, "0")).join(":");

function setByNetlink(name: string, round: number): void {
  const links = openNetlinkLinks();
  if (links === null) throw new Error("node:ffi does not work here");
  const pf = links.readLinks().links.find((link) => link.name === name);
  if (pf === undefined) throw new Error(`no link ${name}`);
  for (let vfIndex = 0; vfIndex < numVfs; vfIndex++) {
    links.setVf(pf, vfIndex, { name: "mac", mac: macOf(round, vfIndex) });
  }
  links.close();
}

/** CPU milliseconds of the processes alone: what bash says of its children that have ended. */
function setByIp(name: string, round: number): number {
  const lines = Array.from(
    { length: numVfs },
    (_, vfIndex) => `ip link set dev ${name} vf ${vfIndex} mac ${macOf(round, vfIndex)}`,
  );
  const script = `set -e\n${lines.join("\n")}\ntimes`;
  const { stdout, status, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  const children = stdout.trim().split("\n").at(-1) ?? "";
  return [...children.matchAll(/(\d+)m([\d.]+)s/g)]
    .map(([, minutes, seconds]) => (Number(minutes) * 60 + Number(seconds)) * 1000)
    .reduce((sum, ms) => sum + ms, 0);
}

function measure(name: string): Measurement {
  const loadMs = cpuMsOf(() => openNetlinkLinks()?.close());
  const all = Array.from({ length: rounds }, (_, round): Round => {
    const netlinkMs = cpuMsOf(() => setByNetlink(name, round));
    return { netlinkMs, ipMs: setByIp(name, round) };
  });
  const netlinkMs = median(all.map((round) => round.netlinkMs));
  const ipMs = median(all.map((round) => round.ipMs));
  const ratio = median(all.map((round) => round.ipMs / round.netlinkMs));
  return { loadMs, netlinkMs, ipMs, ratio };
}

async function measureInLab(): Promise<Measurement> {
  const lab = await bootLab({ topology: smallTopology });
  try {
    await loadNetdevsim(lab);
    const simulated = "/sys/bus/netdevsim/devices/netdevsim10";
    const name = await lab.check(
      `echo "10 1" > /sys/bus/netdevsim/new_device
       echo ${numVfs} > /sys/kernel/debug/netdevsim/netdevsim10/max_vfs
       echo ${numVfs} > ${simulated}/sriov_numvfs
       ls ${simulated}/net`,
    );
    const command = ["node", "bench/netlink.bench.ts", "--in-lab", name.trim()];
    return JSON.parse(await lab.check(command, { timeoutMs: 300_000 }));
  } finally {
    await lab.close();
  }
}

async function report(): Promise<readonly BenchRow[]> {
  const what = `${numVfs} VF attributes set by netlink, and by ${numVfs} ip processes`;
  const goal = "ip >= 10 x netlink";
  const reason = labSkipReason();
  if (reason !== false) return [{ what, measured: reason, goal, isMet: null }];
  const { loadMs, netlinkMs, ipMs, ratio } = await measureInLab();
  const measured = `${netlinkMs.toFixed(1)} and ${ipMs.toFixed(0)} ms CPU: ${ratio.toFixed(0)} x`;
  return [
    { what, measured, goal, isMet: ratio >= 10 },
    {
      what: "loading node:ffi and opening the first socket",
      measured: `${loadMs.toFixed(0)} ms CPU in the lab`,
      goal: "",
      isMet: null,
    },
  ];
}

const inLab = process.argv.indexOf("--in-lab");
if (inLab === -1) printRows(await report());
else console.log(JSON.stringify(measure(process.argv[inLab + 1] ?? "")));
