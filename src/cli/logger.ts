// The one logger: sentences for people on standard error, so that standard output stays what was
// asked for. -v adds how things were done, --debug adds what a developer wants.

import type { Sink } from "./io.ts";
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

export function makeLogger(sink: Sink, style: Style, level: LogLevel): Logger {
  const warned = new Set<string>();
  const line = (text: string): void => sink.write(`${text}\n`);
  const withHint = (hint: string | undefined): string =>
    hint === undefined || hint === "" ? "" : `\n  ${style("dim", clean(hint))}`;
  return {
    level,
    error(sentence, hint) {
      line(`${style("bad", "error:")} ${clean(sentence)}${withHint(hint)}`);
    },
    warn(sentence, hint) {
      if (warned.has(sentence)) return;
      warned.add(sentence);
      line(`${style("warn", "warning:")} ${clean(sentence)}${withHint(hint)}`);
    },
    note(sentence) {
      line(clean(sentence));
    },
    verbose(sentence) {
      if (level !== "normal") line(style("dim", clean(sentence)));
    },
    debug(sentence) {
      if (level === "debug") line(style("dim", `debug: ${clean(sentence)}`));
    },
  };
}

/** `where: message`, or the message alone where the problem has no place. */
export const problemSentence = ({ where, message }: Problem): string =>
  where === "" ? message : `${where}: ${message}`;
