// The two clocks of this room. People read the wall clock, and it may be set at any moment; what
// must happen after some time is counted since boot, with the time that the machine was suspended.

import { uptime } from "node:os";

export type Clock = {
  /** Wall clock as ISO 8601 text, for people who read the journal. */
  readonly now: () => string;
  /** Whole milliseconds since this machine booted. */
  readonly bootMs: () => number;
};

/** libuv reads /proc/uptime, which is CLOCK_BOOTTIME (fs/proc/uptime.c uptime_proc_show()). */
export const systemClock: Clock = {
  now: () => new Date().toISOString(),
  bootMs: () => Math.round(uptime() * 1000),
};

/** The wall clock's word for a moment on the boot clock, as both stand now. */
export const wallTimeOf = (atMs: number, { now, bootMs }: Clock): Date =>
  new Date(Date.parse(now()) + atMs - bootMs());
