// The end of the routing IDs: one accelerator in a PCI domain of its own, with 65,000 VFs on 254
// buses. No card is like it; everything that grows with VFs is tried on it.

import type { Profile } from "../profile.ts";

export const limit: Profile = {
  name: "limit",
  about: "one accelerator with 65,000 VFs",
  kernelRelease: "6.12.95-emulated",
  lockModel: "global",
  hasIommu: true,
  naming: "systemd",
  loadedDrivers: ["pcieport", "pci-pf-stub"],
  loadableModules: ["vfio-pci"],
  ports: [
    {
      address: "0001:00:00.0",
      kind: "root-port",
      below: null,
      secondaryBus: 0x01,
      subordinateBus: 0xff,
      hasAcs: true,
      forwardsAri: true,
      windowBytes: 2 ** 30,
    },
  ],
  functions: [
    {
      address: "0001:01:00.0",
      below: "0001:00:00.0",
      card: "limit-accelerator",
      serial: "00-00-00-ff-ff-00-00-01",
      numaNode: 0,
      netdev: null,
    },
  ],
  guests: [],
};
