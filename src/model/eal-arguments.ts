// How an application of DPDK is told which function it has: words of EAL, its library's start (DPDK 22.11
// doc/guides/linux_gsg). The same for who is given a VF and for what we start ourselves.

import type { Plug } from "./plug.ts";

/**
 * Addresses as the process has them: the IOMMU translates, and without privilege there are no
 * physical ones to be read (/proc/self/pagemap).
 */
export function ealArguments({ vf, vfToken }: Pick<Plug, "vf" | "vfToken">): readonly string[] {
  const token = vfToken === null ? [] : ["--vfio-vf-token", vfToken];
  return ["-a", vf, "--iova-mode", "va", ...token];
}
