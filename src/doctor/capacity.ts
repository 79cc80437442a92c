// How many VFs fit on a PF, by everything that the doctor knows of it.

import type { Pf } from "../model/inventory.ts";
import { findCapability } from "../pci/function-config.ts";
import { pfCapacity, type PfCapacity } from "../pci/pf-capacity.ts";
import { unassignedVfMemory } from "./vf-memory.ts";
import type { View } from "./view.ts";

export const capacityOf = (view: View, pf: Pf): PfCapacity =>
  pfCapacity(pf, {
    bridges: view.inventory.bridges,
    missingMemory: unassignedVfMemory(view, pf.address).map(({ evidence }) => evidence),
    firmwareVfs: view.nicOf(pf)?.firmwareVfs?.now ?? null,
    forwardsAri: forwardsAri(view, pf),
  });

/** Only what the port's register says: integrated endpoints have no port above. */
function forwardsAri({ configAt }: View, pf: Pf): boolean | null {
  const [port] = pf.path;
  const config = port === undefined ? null : configAt(port);
  const pcie = config === null ? null : findCapability(config, "pcie");
  return pcie?.device2?.control.ariForwarding ?? null;
}
