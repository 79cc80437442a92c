// The demo machine with another port above the NIC whose VFs cross a bus, and no VFs at first: what
// runs out on real machines runs out there.

import { demo } from "../src/host/emulated/machines/demo.ts";
import type { PortProfile, Profile } from "../src/host/emulated/profile.ts";

export const crossing = "0000:5e:00.0";

export const demoWith = (change: Partial<PortProfile>): Profile => ({
  ...demo,
  guests: [],
  ports: demo.ports.map((port) =>
    port.address === "0000:5d:00.0" ? { ...port, ...change } : port,
  ),
  functions: demo.functions.map((plan) => ({ ...plan, numVfs: 0, vfDrivers: {} })),
});
