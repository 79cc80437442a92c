// The one logger: sentences for people on standard error, so that standard output stays what was
// asked for. -v adds how things were done, --debug adds what a developer wants.

import type { Sink } from "./sink.ts";
import type { Problem } from "../model/problem.ts";
import { clean, type Style } from "./style.ts";

type LogLevel = "normal" | "verbose" | "debug";

export type Logger = {
  readonly level: LogLevel;
  error(sentence: string, hint?: string): void;
  /** The same sentence once a run: several readers may meet the same file. */
  warn(sentence: string, hint?: string): void;
  /** Progress and news: shown always. */
  note(sentence: string): void;
  verbose(sentence: string): void;
  debug(sentence: string): void;
};

/** Priorities of syslog, as sd-daemon(3) wants them at the start of a line. */
type Priority = 3 | 4 | 6 | 7;

type LogOptions = {
  readonly level: LogLevel;
  /** The lines go to the journal: each says how much it matters. */
  readonly isJournal: boolean;
};

export function makeLogger(sink: Sink, style: Style, { level, isJournal }: LogOptions): Logger {
  const warned = new Set<string>();
  const line = (priority: Priority, text: string): void => {
    const words = isJournal ? text.replaceAll(/^/gm, `<${priority}>`) : text;
    sink.write(`${words}
`);
  };
  const withHint = (hint: string | undefined): string =>
    hint === undefined || hint === "" ? "" : `\n  ${style("dim", clean(hint))}`;
  return {
    level,
    error(sentence, hint) {
      line(3, `${style("bad", "error:")} ${clean(sentence)}${withHint(hint)}`);
    },
    warn(sentence, hint) {
      if (warned.has(sentence)) return;
      warned.add(sentence);
      line(4, `${style("warn", "warning:")} ${clean(sentence)}${withHint(hint)}`);
    },
    note(sentence) {
      line(6, clean(sentence));
    },
    verbose(sentence) {
      if (level !== "normal") line(6, style("dim", clean(sentence)));
    },
    debug(sentence) {
      if (level === "debug") line(7, style("dim", `debug: ${clean(sentence)}`));
    },
  };
}

/** `where: message`, or the message alone where the problem has no place. */
export const problemSentence = ({ where, message }: Problem): string =>
  where === "" ? message : `${where}: ${message}`;
