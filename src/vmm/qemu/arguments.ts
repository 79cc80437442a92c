// QEMU's arguments for a start with VFs, as words: each VF in a root port of its own, as hot-unplug
// wants it. What a command line must not have twice (IDs, chassis numbers) is made of the device's
// ID, or taken from the end of the range that people number from the start.

import type { Address } from "../../model/bdf.ts";

type StartWish = {
  /** In the order of the VM's devices. */
  readonly vfs: readonly Address[];
  /** Device ID; several VFs get numbers after it. */
  readonly id: string;
  /** ID of the virtio NIC that stands in; null: none. */
  readonly failover: string | null;
  readonly vfToken: string | null;
  readonly isIommufd: boolean;
};

/** QEMU hw/pci/pcie_port.c: 8 bits, one a port; 0 is the default that everybody's first port has. */
const lastChassis = 255;

export const portsMax = 128;

export function startArguments({ vfs, id, failover, vfToken, isIommufd }: StartWish): string[] {
  const iommufd = `${id}-iommufd`;
  return [
    ...(isIommufd ? ["-object", `iommufd,id=${iommufd}`] : []),
    ...vfs.flatMap((vf, at) => {
      const device = vfs.length === 1 ? id : `${id}${at}`;
      const properties = [
        `vfio-pci,host=${vf},id=${device},bus=${device}-port`,
        ...(failover === null ? [] : [`failover_pair_id=${failover}`]),
        ...(vfToken === null ? [] : [`vf-token=${vfToken}`]),
        ...(isIommufd ? [`iommufd=${iommufd}`] : []),
      ];
      return [
        "-device",
        `pcie-root-port,id=${device}-port,chassis=${lastChassis - at}`,
        "-device",
        properties.join(","),
      ];
    }),
  ];
}
