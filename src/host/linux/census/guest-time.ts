// Whether the guest of a QEMU has run, by the time that its processors have computed. A guest runs
// after every device of the command line is made, however long that took: nothing earlier, neither a
// descriptor nor the age of the process, tells a VM that starts from one that has started, as huge
// pages are cleared for minutes and `-S` waits for ever.

import { TreeReader } from "../tree-reader.ts";

/** proc_pid_stat(5): numbers of fields; times are in ticks of 10 ms. */
const userTimeField = 14;
const guestTimeField = 43;

type Times = { readonly name: string; readonly userTicks: number; readonly guestTicks: number };

export function parseTimes(stat: string): Times {
  // The name is in parentheses, and anything may be in it.
  const [, name = "", rest = ""] = /^\d+ \((.*)\) (.*)$/s.exec(stat) ?? [];
  const fields = rest.split(" ");
  const ticks = (field: number): number => Number(fields[field - 3] ?? 0);
  return { name, userTicks: ticks(userTimeField), guestTicks: ticks(guestTimeField) };
}

/** QEMU names its threads with `-name debug-threads=on`, which libvirt gives (accel/tcg/tcg-accel-ops-*.c). */
const isEmulatedCpu = ({ name }: Times): boolean => /^(?:CPU \d+|ALL CPUs)\/TCG$/.test(name);

/** Before the guest runs such a thread has milliseconds to do. */
const emulatedTicksMin = 100;

const gone = ["ESRCH"] as const;

/** False where it cannot be told: software emulation without names of threads, other hypervisors than KVM. */
export function hasRunGuest(proc: string, pid: number): boolean {
  const reader = new TreeReader();
  const timesIn = (folder: string): Times =>
    parseTimes(reader.textIfThere(`${folder}/stat`, gone) ?? "");
  if (timesIn(`${proc}/${pid}`).guestTicks > 0) return true;
  const tasks = `${proc}/${pid}/task`;
  return reader
    .namesIfThere(tasks)
    .map((task) => timesIn(`${tasks}/${task}`))
    .some((times) => isEmulatedCpu(times) && times.userTicks >= emulatedTicksMin);
}
