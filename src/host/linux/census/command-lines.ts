// VMs whose command line names a function: `-device vfio-pci,host=0000:01:10.0`, the same as JSON,
// or a path below /sys. A VM that is only starting, or is held by a debugger, has nothing open yet
// and is a user all the same. Once its guest has run, QEMU has opened all that it was started with,
// and what it has not open any more was unplugged.

import { formatBdf, parseBdf, type Address } from "../../../model/bdf.ts";
import { hasRunGuest } from "./guest-time.ts";
import { isQemu, isVmm, type Process } from "./processes.ts";
import { ownerOfProcess, type User } from "./user.ts";

const namesFunction =
  /(?:\bhost"?\s*[=:]\s*"?|\/sys\/bus\/pci\/devices\/|\bsysfsdev"?\s*[=:]\s*"?\S*\/)((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7])(\/+[^"\s,/])?/gi;

type Naming = {
  readonly address: Address;
  /** Having nothing of it open says nothing: it is about a mediated device below the function, or a VF
   * that QEMU takes whenever its guest accepts the NIC that stands in for it. */
  readonly isLasting: boolean;
};

/** Functions that a command line hands to its VM. */
export function functionsOnCommandLine({ commandLine }: Process): Naming[] {
  return commandLine.flatMap((word) =>
    [...word.matchAll(namesFunction)].flatMap(([, text = "", below]) => {
      const bdf = parseBdf(text);
      const isLasting = below !== undefined || word.includes("failover_pair_id");
      return bdf === null ? [] : [{ address: formatBdf(bdf), isLasting }];
    }),
  );
}

/** A VM and what its command line names. */
type NamingVm = {
  readonly process: Process;
  readonly named: readonly Naming[];
  /** Other VMMs make a machine anew in the process that there is. */
  readonly hasOpenedAll: boolean;
};

/** To be asked before descriptors are read: who opens a function in between has not run yet. */
export const namingVms = (
  proc: string,
  processes: readonly Process[],
  wanted: ReadonlySet<Address>,
): NamingVm[] =>
  processes.filter(isVmm).flatMap((process) => {
    const named = functionsOnCommandLine(process).filter(({ address }) => wanted.has(address));
    if (named.length === 0) return [];
    return [{ process, named, hasOpenedAll: isQemu(process) && hasRunGuest(proc, process.pid) }];
  });

/** `holders` are those who have nodes open; in a process that is hidden from us nothing is seen. */
export function commandLineUsers(
  vms: readonly NamingVm[],
  holders: readonly User[],
  isHidden: (pid: number) => boolean,
): User[] {
  return vms.flatMap(({ process, named, hasOpenedAll }) => {
    const { pid } = process;
    const mayHave = ({ address, isLasting }: Naming): boolean =>
      isLasting ||
      !hasOpenedAll ||
      isHidden(pid) ||
      holders.some((holder) => holder.address === address && holder.owner.pid === pid);
    return named.filter(mayHave).map(({ address }) => ({
      address,
      owner: ownerOfProcess(process, `command line of process ${pid} names ${address}`),
    }));
  });
}
