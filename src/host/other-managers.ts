// An inventory with what others' configuration says, as far as it was asked for: who sets PFs up,
// and who reserves functions. Each is loaded only then.

import type { Inventory } from "../model/inventory.ts";
import type { ConfigFiles } from "./config-files.ts";
import type { InventoryOptions } from "./host.ts";

type OthersAt = {
  /** Where that configuration lies: `/`, a captured tree, an emulated machine's folder; null where
   * it cannot be looked for. */
  readonly root: string | null;
  /** The inventory's owners come from processes, too. */
  readonly hasProcesses: boolean;
  readonly readFiles: () => Promise<ConfigFiles | null>;
};

export async function withOtherManagers(
  inventory: Inventory,
  { claims, reservations }: InventoryOptions,
  { root, hasProcesses, readFiles }: OthersAt,
): Promise<Inventory> {
  let result = inventory;
  if (reservations !== undefined && root !== null) {
    const { withReservations } = await import("./reservation-files.ts");
    result = await withReservations(result, { root, depth: reservations, hasProcesses });
  }
  const files = claims === true ? await readFiles() : null;
  if (files === null) return result;
  const { withClaims } = await import("./config-files.ts");
  return withClaims(result, files);
}
