// A host as full as hosts get: eight 100 GbE ports with 256 VFs each, every port's VFs reaching
// into the bus after its own.

import type { FunctionProfile, PortProfile, Profile } from "../profile.ts";

const cardCount = 8;
const hex = (value: number): string => value.toString(16).padStart(2, "0");

/** Root bus of a port; the card's bus is the next one, and its VFs take one more. */
const rootBusOf = (card: number): number => 0x10 + card * 0x10;
const portAddress = (card: number): string => `0000:${hex(rootBusOf(card))}:00.0`;

const ports: PortProfile[] = [];
const functions: FunctionProfile[] = [];
for (let card = 0; card < cardCount; card++) {
  ports.push({
    address: portAddress(card),
    kind: "root-port",
    below: null,
    secondaryBus: rootBusOf(card) + 1,
    subordinateBus: rootBusOf(card) + 2,
    hasAcs: true,
    forwardsAri: true,
    windowBytes: 2 ** 30,
  });
  functions.push({
    address: `0000:${hex(rootBusOf(card) + 1)}:00.0`,
    below: portAddress(card),
    card: "intel-e810-100",
    serial: `b4-96-91-ff-ff-00-01-${hex(card)}`,
    numaNode: card < cardCount / 2 ? 0 : 1,
    netdev: {
      name: `ens${card + 1}np0`,
      mac: `b4:96:91:00:01:${hex(card)}`,
      isUp: true,
      hasCable: true,
      portName: "p0",
    },
  });
}

export const dense: Profile = {
  name: "dense",
  about: "8 PFs with 256 VFs each",
  kernelRelease: "6.12.95-emulated",
  lockModel: "global",
  hasIommu: true,
  naming: "systemd",
  cpusPerNode: 16,
  loadedDrivers: ["pcieport", "ice", "iavf"],
  loadableModules: ["vfio-pci"],
  ports,
  functions,
  guests: [],
};
