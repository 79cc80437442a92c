// INI text as systemd and GLib write it: sections in their order, each with its own line, so that
// two sections of one name stay two. A line that is nothing of that is a complaint with its place.

import { type Complaints, type ConfigFile, shown } from "./config-file.ts";

export type IniEntry = { readonly key: string; readonly value: string; readonly where: string };

export type IniSection = {
  readonly name: string;
  readonly where: string;
  readonly entries: readonly IniEntry[];
};

type IniDialect = {
  readonly comments: readonly string[];
  /** A backslash at the end of a line goes on with the next one. */
  readonly hasContinuations: boolean;
};

export const systemdDialect: IniDialect = { comments: ["#", ";"], hasContinuations: true };
export const keyfileDialect: IniDialect = { comments: ["#"], hasContinuations: false };

type Line = { readonly text: string; readonly number: number };

function logicalLines(text: string, { comments, hasContinuations }: IniDialect): Line[] {
  const lines: Line[] = [];
  let open: Line | null = null;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const isComment = comments.includes(raw.trimStart()[0] ?? "");
    // systemd: comments inside a continued line are left out of it.
    if (isComment) continue;
    const goesOn = hasContinuations && raw.endsWith("\\");
    const piece = goesOn ? `${raw.slice(0, -1)} ` : raw;
    const before: Line = open ?? { text: "", number: index + 1 };
    const line: Line = { text: before.text + piece, number: before.number };
    if (!goesOn) lines.push(line);
    open = goesOn ? line : null;
  }
  if (open !== null) lines.push(open);
  return lines;
}

export function parseIni(
  { path, text }: ConfigFile,
  dialect: IniDialect,
  complaints: Complaints,
): IniSection[] {
  const sections: (IniSection & { readonly entries: IniEntry[] })[] = [];
  for (const { text: line, number } of logicalLines(text, dialect)) {
    const trimmed = line.trim();
    if (trimmed === "") continue;
    const where = `${path}:${number}`;
    const name = /^\[([^\]]*)\]$/.exec(trimmed)?.[1];
    const equals = trimmed.indexOf("=");
    const section = sections.at(-1);
    if (name !== undefined) sections.push({ name, where, entries: [] });
    else if (equals > 0 && section !== undefined) {
      const key = trimmed.slice(0, equals).trimEnd();
      section.entries.push({ key, value: trimmed.slice(equals + 1).trim(), where });
    } else {
      complaints.add(where, `Cannot use ${shown(trimmed)}: wanted KEY=VALUE below a [Section]`);
    }
  }
  return sections;
}

/** Value of the last entry with this key, as every reader of such files takes it. */
export const lastOf = (section: IniSection | undefined, key: string): IniEntry | undefined =>
  section?.entries.findLast((entry) => entry.key === key);
