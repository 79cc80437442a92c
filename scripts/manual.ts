// The manual page sriovctl(1) and docs/commands.md, from the tables that --help is made of.
// `node scripts/manual.ts` writes docs/commands.md; a test fails while it is not what this makes.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandGroups } from "../src/cli/command-groups.ts";
import { globalOptions, type CommandRow } from "../src/cli/command-table.ts";
import { description, environment, exitCodes, files, tagline } from "../src/cli/surroundings.ts";

export const commandsPagePath = join(import.meta.dirname, "..", "docs", "commands.md");

type Rows = readonly (readonly [term: string, meaning: string])[];

const optionRows = (options: CommandRow["options"]): Rows =>
  options.map(({ flags, summary }) => [flags, summary]);

/** `sriovctl show [options] <target>` */
const usageOf = ({ name, operands, options }: CommandRow): string =>
  [
    "sriovctl",
    name,
    ...(options.length === 0 ? [] : ["[options]"]),
    ...operands.map(([operand]) => operand),
  ].join(" ");

const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;

/** Text of a roff source: a backslash and a leading dot or quote would be commands to it. */
const roff = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("~", "\\(ti")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll(/^([.'])/gm, "\\&$1");

/** An argument of a roff macro. */
const roffArgument = (text: string): string => `"${roff(text).replaceAll('"', "\\(dq")}"`;

const roffRows = (rows: Rows): string[] =>
  rows.flatMap(([term, meaning]) => [".TP", `.B ${roffArgument(term)}`, roff(meaning)]);

function roffCommand(row: CommandRow): string[] {
  return [
    `.SS ${roffArgument(usageOf(row))}`,
    roff(sentence(row.summary)),
    ...roffRows([...row.operands, ...optionRows(row.options)]),
    ".PP",
    "Examples:",
    ".RS 4",
    ...row.examples.flatMap(([command, what]) => [
      ".PP",
      ".nf",
      `\\fB${roff(command)}\\fP`,
      ".fi",
      ".RS 4",
      roff(what),
      ".RE",
    ]),
    ".RE",
  ];
}

type ManualFacts = { readonly version: string; readonly date: string };

/** The manual page as roff source with the man(7) macros. */
export function manualPage({ version, date }: ManualFacts): string {
  const paragraphs = description.split("\n\n").slice(1);
  return [
    `.TH SRIOVCTL 1 ${roffArgument(date)} ${roffArgument(`sriovctl ${version}`)}`,
    ".SH NAME",
    `sriovctl \\- ${roff(tagline)}`,
    ".SH SYNOPSIS",
    ".B sriovctl",
    roff("[options] command [arguments]"),
    ".SH DESCRIPTION",
    ...paragraphs.map(roff),
    ".SH OPTIONS",
    "They may stand before or after the command.",
    ...roffRows([
      ...optionRows(globalOptions),
      ["-V, --version", "print version, build, commit and Node"],
      ["-h, --help", "print help"],
    ]),
    ".SH COMMANDS",
    ...commandGroups.flatMap(({ rows }) => rows.flatMap(roffCommand)),
    ".SH EXIT STATUS",
    ...roffRows(exitCodes),
    ".SH ENVIRONMENT",
    ...roffRows(environment),
    ".SH FILES",
    ...roffRows(files),
    ".SH SEE ALSO",
    ".BR lspci (8),",
    ".BR ip\\-link (8),",
    ".BR devlink (8)",
    "",
  ].join("\n");
}

const code = (text: string): string => `\`${text}\``;

const pageRows = (rows: Rows): string[] =>
  rows.map(([term, meaning]) => `- ${code(term)}: ${meaning}`);

function pageCommand(row: CommandRow): string[] {
  const rows = pageRows([...row.operands, ...optionRows(row.options)]);
  const width = Math.max(...row.examples.map(([command]) => command.length));
  return [
    `### ${row.name}`,
    "",
    sentence(row.summary),
    "",
    "```",
    usageOf(row),
    "```",
    "",
    ...(rows.length === 0 ? [] : [...rows, ""]),
    "```",
    ...row.examples.map(([command, what]) => `${command.padEnd(width)}   # ${what}`),
    "```",
    "",
  ];
}

/** docs/commands.md */
export function commandsPage(): string {
  return [
    "# Commands",
    "",
    "Made by `node scripts/manual.ts` from the tables that `sriovctl --help` prints. `man sriovctl` is",
    "the same where the package is installed.",
    "",
    "Options of every command:",
    "",
    ...pageRows(optionRows(globalOptions)),
    "",
    ...commandGroups.flatMap(({ title, rows }) => [
      `## ${title}`,
      "",
      ...rows.flatMap(pageCommand),
    ]),
    "## Exit codes",
    "",
    ...pageRows(exitCodes),
    "",
    "## Environment",
    "",
    ...pageRows(environment),
    "",
    "## Files",
    "",
    ...pageRows(files),
    "",
  ].join("\n");
}

if (import.meta.main) writeFileSync(commandsPagePath, commandsPage());
