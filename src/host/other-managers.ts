// An inventory with what others' configuration says, as far as it was asked for: who sets PFs up,
// and who reserves functions. Each is loaded only then.

import type { Inventory } from "../model/inventory.ts";
import type { HostWishes } from "../model/reservation.ts";
import type { ConfigFiles } from "./config-files.ts";
import type { InventoryOptions, ReservationDepth } from "./host.ts";

type OthersAt = {
  /** null: they were not looked for. */
  readonly readWishes: (depth: ReservationDepth) => Promise<HostWishes | null>;
  readonly readFiles: () => Promise<ConfigFiles | null>;
};

/** Files under a root, beside an inventory whose owners come from processes. */
export const othersUnder = (root: string): OthersAt => ({
  readWishes: async (depth) =>
    (await import("./reservation-files.ts")).readReservations({ root, depth, hasProcesses: true }),
  readFiles: async () => (await import("./config-files.ts")).readConfigFiles(root),
});

export async function withOtherManagers(
  inventory: Inventory,
  { claims, reservations }: InventoryOptions,
  { readWishes, readFiles }: OthersAt,
): Promise<Inventory> {
  let result = inventory;
  const reading = reservations === undefined ? null : await readWishes(reservations);
  if (reading !== null) {
    const { withWishes } = await import("../model/reservation.ts");
    const { wishes, problems } = reading;
    result = withWishes(result, wishes, reading);
    result = { ...result, problems: [...result.problems, ...problems] };
  }
  const files = claims === true ? await readFiles() : null;
  if (files === null) return result;
  const { withClaims } = await import("./config-files.ts");
  return withClaims(result, files);
}
