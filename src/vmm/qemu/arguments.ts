// QEMU's arguments for a start with VFs, as words: each VF in a root port of its own, as hot-unplug
// wants it. What a command line must not have twice, IDs and the numbers of ports, is made of the
// device's ID, so that the words of several calls go on one.

import type { Address } from "../../model/bdf.ts";
import { fnv1a64 } from "../../model/mac.ts";

type StartWish = {
  /** In the order of the VM's devices. */
  readonly vfs: readonly Address[];
  /** IDs of the virtio NICs that stand in, one for each VF; absent: none do. */
  readonly standIns?: readonly string[];
  /** Device ID; several VFs get numbers after it. */
  readonly id: string;
  readonly vfToken: string | null;
  readonly isIommufd: boolean;
};

export const portsMax = 128;

/** QEMU refuses a second port of the same chassis and slot (hw/pci/pcie_port.c). A chassis has 8 bits, and
 * people and libvirt number theirs from 1; a slot has the 13 of the Slot Capabilities Register
 * (PCIe 7.5.3.9), and 0 is everybody's default. */
const [firstChassis, chassisCount, lastSlot] = [128, 128, 8191];

class PortNumbers {
  readonly #taken = new Set<string>();

  of(device: string): string {
    const hash = Number(BigInt.asUintN(32, fnv1a64(device)));
    const chassis = firstChassis + (hash % chassisCount);
    const first = Math.floor(hash / chassisCount);
    for (let at = first; ; at++) {
      const numbers = `chassis=${chassis},slot=${(at % lastSlot) + 1}`;
      if (this.#taken.has(numbers)) continue;
      this.#taken.add(numbers);
      return numbers;
    }
  }
}

export function startArguments(wish: StartWish): string[] {
  const { vfs, standIns = [], id, vfToken, isIommufd } = wish;
  const iommufd = `${id}-iommufd`;
  const numbers = new PortNumbers();
  return [
    ...(isIommufd ? ["-object", `iommufd,id=${iommufd}`] : []),
    ...vfs.flatMap((vf, at) => {
      const device = vfs.length === 1 ? id : `${id}${at}`;
      const properties = [
        `vfio-pci,host=${vf},id=${device},bus=${device}-port`,
        ...standIns.slice(at, at + 1).map((nic) => `failover_pair_id=${nic}`),
        ...(vfToken === null ? [] : [`vf-token=${vfToken}`]),
        ...(isIommufd ? [`iommufd=${iommufd}`] : []),
      ];
      const port = `pcie-root-port,id=${device}-port,${numbers.of(device)}`;
      return ["-device", port, "-device", properties.join(",")];
    }),
  ];
}
