// Turns the command table into commander's parser: flags, help with examples, and one handler
// that notes which command was asked for. Parsing is all that happens here; main.ts runs it.

import { Argument, Command, CommanderError, Option } from "commander";
import { commandGroups } from "./command-groups.ts";
import { globalOptions, type CommandRow, type OptionRow } from "./command-table.ts";
import type { Arguments } from "./context.ts";
import type { Io } from "./io.ts";
import { description, exitCodes } from "./surroundings.ts";

export type GlobalOptions = {
  readonly host: string;
  readonly speed?: string;
  readonly json?: boolean;
  readonly color: boolean;
  readonly verbose?: boolean;
  readonly debug?: boolean;
};

/** What the command line asked for. */
export type Request = {
  readonly row: CommandRow;
  readonly args: Arguments;
};

const exitCodesText = `
Exit codes:
${exitCodes.map(([code, meaning]) => `  ${code}  ${meaning}`).join("\n")}`;

const examplesText = (examples: CommandRow["examples"]): string => {
  const width = Math.max(...examples.map(([command]) => command.length));
  const lines = examples.map(([command, what]) => `  ${command.padEnd(width)}   ${what}`);
  return `\nExamples:\n${lines.join("\n")}`;
};

const globalsText =
  "\nAnd for every command --host, --json, --no-color, -v and --debug: see sriovctl --help";

const collect = (value: string, sofar: readonly string[] | undefined): string[] => [
  ...(sofar ?? []),
  value,
];

function optionOf({ flags, summary, isRepeatable }: OptionRow): Option {
  const option = new Option(flags, summary);
  return isRepeatable === true ? option.argParser(collect) : option;
}

function argumentsOf(command: Command): Arguments {
  const options: Record<string, unknown> = command.opts();
  const value = (name: string): unknown =>
    options[name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
  return {
    operands: command.args,
    isSet: (name) => value(name) === true,
    text: (name) => {
      const found = value(name);
      return typeof found === "string" ? found : null;
    },
    texts: (name) => {
      const found = value(name);
      return Array.isArray(found) ? found.map(String) : [];
    },
  };
}

function commandOf(row: CommandRow, onRequest: (request: Request) => void): Command {
  const command = new Command(row.name).description(row.summary);
  for (const [name, summary] of row.operands) command.addArgument(new Argument(name, summary));
  for (const option of row.options) command.addOption(optionOf(option));
  command.addHelpText("after", `${globalsText}\n${examplesText(row.examples)}`);
  command.action(() => onRequest({ row, args: argumentsOf(command) }));
  return command;
}

/** commander's own code for it: whoever catches it prints what there is to say. */
const versionAsked = new CommanderError(0, "commander.version", "(outputVersion)");

export function makeProgram(io: Io, onRequest: (request: Request) => void): Command {
  const program = new Command("sriovctl")
    .description(description)
    .option("-V, --version", "print version, build, commit and Node")
    .on("option:version", () => {
      throw versionAsked;
    })
    .helpOption("-h, --help", "print help")
    .commandsGroup("Other:")
    .helpCommand("help [command]", "Print help for a command")
    // Their operands are in their own help: here one line each is worth more.
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText("after", exitCodesText)
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // main() words usage errors itself.
      writeErr: () => {},
      getOutHelpWidth: () => Math.min(io.stdout.columns, 100),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  for (const option of globalOptions) program.addOption(optionOf(option));
  program.setOptionValue("host", "linux");
  for (const { title, rows } of commandGroups) {
    for (const row of rows) {
      const command = commandOf(row, onRequest).helpGroup(`${title}:`);
      command.copyInheritedSettings(program);
      program.addCommand(command);
    }
  }
  return program;
}
