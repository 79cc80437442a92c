// CPU time from the kernel's own accounting: /proc/stat of a whole machine (softirqs and kernel
// threads are in it, which no process owns) and /proc/PID/stat of one process (proc(5)).

/** USER_HZ: what the kernel counts in for user space, on every architecture that Linux has SR-IOV on. */
const ticksPerSecond = 100;

/** Busy seconds of all processors since boot; null for what is no /proc/stat. */
export function readMachineCpu(stat: string): number | null {
  const fields = /^cpu +([\d ]{1,400})$/m.exec(stat)?.[1]?.trim().split(/ +/).map(Number);
  if (fields === undefined || fields.length < 7) return null;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields;
  // guest is in user already; steal is the hypervisor's, idle and iowait are nobody's.
  return (user + nice + system + irq + softirq) / ticksPerSecond;
}

/** Seconds of a process, user and system, with what its ended children took. */
export function readProcessCpu(stat: string): number | null {
  // The name may hold spaces and parentheses: fields count from the last one.
  const end = stat.lastIndexOf(")");
  const fields = stat.slice(end + 2).split(" ");
  if (end === -1 || fields.length < 15) return null;
  const ticks = fields.slice(11, 15).map(Number);
  return ticks.every(Number.isFinite)
    ? ticks.reduce((sum, each) => sum + each, 0) / ticksPerSecond
    : null;
}
