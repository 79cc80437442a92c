// What a DPDK application is started with, and what it needs beside its VF: words for people and for
// scripts. doc/guides/linux_gsg of DPDK 22.11 has the options; what an unprivileged user needs was
// tried with dpdk-testpmd 22.11 on Linux 6.12 in the lab (test/kernel).

import { ealArguments } from "../../model/eal-arguments.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { Plug } from "../../model/plug.ts";

const mebibytes = (bytes: number): string => `${Math.round(bytes / (1 << 20))} MiB`;

function hugepageNotes(memory: HostFacts["memory"]): string[] {
  if (memory === null) return [];
  const present = memory.hugepages.filter(({ total }) => total > 0);
  if (present.length === 0) {
    return ["no hugepages on this host: reserve some (sysctl vm.nr_hugepages=512), or --no-huge"];
  }
  return present.map(
    ({ sizeBytes, total, free }) =>
      `hugepages of ${mebibytes(sizeBytes)}: ${free} of ${total} are free`,
  );
}

/** A user that maps memory for a device needs it locked, and may not write to /dev/hugepages. */
const userNotes = (user: string): string[] => [
  `${user} needs a limit of locked memory above what it maps: "${user} - memlock unlimited" in ` +
    "/etc/security/limits.d, or LimitMEMLOCK=infinity in its unit",
  `without a hugetlbfs that ${user} may write to: --in-memory`,
];

export const ealNotes = (plug: Plug, memory: HostFacts["memory"]): readonly string[] => [
  `EAL arguments: ${ealArguments(plug).join(" ")}`,
  ...hugepageNotes(memory),
  ...(plug.user === null || plug.user === "root" ? [] : userNotes(plug.user)),
];

/** On these the kernel's driver stays, and the application's queues are beside the kernel's. */
export const bifurcatedNotes = ({ vf }: Plug, driver: string): readonly string[] => [
  `EAL arguments: -a ${vf}`,
  `the VF stays on ${driver}; the application needs CAP_NET_RAW and /dev/infiniband/uverbs*`,
];
