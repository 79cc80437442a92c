// Which process waits for an operation. A killed manager leaves its operations in the machine; the
// next one to open it finds them, and where time costs nothing they come to their end or to where
// they are stuck, as they would have in a kernel meanwhile.

import type { Machine } from "./machine.ts";
import { advanceOnce } from "./operations.ts";

export const sessionOf = (count: number): string => `${process.pid}:${count}`;

function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and is somebody else's.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Takes operations from the dead; with `runsOn` they go on until none of them can. */
export function adoptOrphans(machine: Machine, runsOn: boolean): void {
  const { core } = machine.state;
  for (const operation of core.operations) {
    const pid = Number.parseInt(operation.session, 10);
    if (operation.session !== "" && !isProcessAlive(pid)) operation.session = "";
  }
  core.operations = core.operations.filter(
    ({ session, phase }) => session !== "" || phase !== "done",
  );
  const isMoving = (): boolean =>
    core.operations.some(({ session, wakeAtMs }) => session === "" && wakeAtMs !== null);
  if (!runsOn) return;
  while (isMoving()) advanceOnce(machine);
  // People and programs that start are slower than a carrier.
  if (core.operations.length > 0) return;
  for (const { netdev } of machine.state.pfs) {
    core.clockMs = Math.max(core.clockMs, netdev?.linkUpAtMs ?? 0);
  }
}
