// VMs whose command line names a function: `-device vfio-pci,host=0000:01:10.0`, the same as JSON,
// or a path below /sys. A VM that is only starting, or is held by a debugger, has nothing open yet
// and is a user all the same.

import { formatBdf, parseBdf, type Address } from "../../../model/bdf.ts";
import { isVmm, type Process } from "./processes.ts";
import { ownerOfProcess, type User } from "./user.ts";

const namesFunction =
  /(?:\bhost"?\s*[=:]\s*"?|\/sys\/bus\/pci\/devices\/|\bsysfsdev"?\s*[=:]\s*"?\S*\/)((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7])/gi;

/** Functions that a command line hands to its VM. */
export function functionsOnCommandLine({ commandLine }: Process): Address[] {
  return commandLine.flatMap((word) =>
    [...word.matchAll(namesFunction)].flatMap(([, text = ""]) => {
      const bdf = parseBdf(text);
      return bdf === null ? [] : [formatBdf(bdf)];
    }),
  );
}

export function commandLineUsers(processes: readonly Process[]): User[] {
  return processes.filter(isVmm).flatMap((process) =>
    functionsOnCommandLine(process).map((address) => ({
      address,
      owner: ownerOfProcess(process, `command line of process ${process.pid} names ${address}`),
    })),
  );
}
