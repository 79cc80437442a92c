// Lengths of time as people write them on a command line: `90s`, `5m`, `1h`.

const unitMs = { s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds; null for anything else than a number of seconds, minutes or hours. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,6})([smh])$/.exec(text);
  const unit = match?.[2];
  if (unit !== "s" && unit !== "m" && unit !== "h") return null;
  return Number(match?.[1]) * unitMs[unit];
}

/** `90 s`, `5 min`, `1 h`: the largest unit that says it in a whole number. */
export function durationWords(durationMs: number): string {
  const seconds = Math.round(durationMs / 1000);
  if (seconds > 0 && seconds % 3600 === 0) return `${seconds / 3600} h`;
  if (seconds > 119 && seconds % 60 === 0) return `${seconds / 60} min`;
  return `${seconds} s`;
}
