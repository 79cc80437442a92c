// `sriovctl completion SHELL` prints the shell's completion script; the script then calls the
// hidden `sriovctl complete -- WORDS...`. Both are answered from the command table, so a new
// option completes without further work.

import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { RootCommand, type ArgumentHandler, type Command, type OptionHandler } from "@bomb.sh/tab";
import { SriovError } from "../../model/errors.ts";
import { commandTable, globalOptions, type OptionRow } from "../command-table.ts";
import type { RunCommand } from "../context.ts";

const shells = ["bash", "zsh", "fish"] as const;

const completionFormat = "sriovctl-completion/1";

export const completion: RunCommand = async (context, args) => {
  const [wanted = ""] = args.operands;
  const shell = shells.find((known) => known === wanted);
  if (shell === undefined) {
    const message = `Cannot complete for ${wanted}: wanted ${shells.join(", ")}`;
    throw new SriovError("usage", message, { operation: "completion", target: wanted });
  }
  const script = scriptOf(shell);
  context.printJson({ format: completionFormat, shell, script });
  // Not `print`, which cleans control characters: the scripts are of our own making.
  if (!context.isJson) context.io.stdout.write(script);
  return 0;
};

/** The library has no way to give a script back but to log it. */
function scriptOf(shell: (typeof shells)[number]): string {
  const { log } = console;
  let script = "";
  console.log = (text: string) => {
    script += `${text}\n`;
  };
  try {
    completer().setup("sriovctl", "sriovctl", shell);
    return script;
  } finally {
    console.log = log;
  }
}

/** Answers the completion script: candidates for the last of `words`, on standard output. */
export function complete(words: readonly string[]): void {
  completer().parse([...words]);
}

function completer(): RootCommand {
  const root = new RootCommand();
  addOptions(root, globalOptions);
  for (const { name, summary, operands, options } of commandTable) {
    const command = root.command(name, summary);
    addOptions(command, [...options, ...globalOptions]);
    for (const [operand] of operands) {
      const isVariadic = operand.includes("...");
      command.argument(operand.replaceAll(/[<>[\].]/g, ""), operandHandler(operand), isVariadic);
    }
  }
  return root;
}

function addOptions(command: Command, options: readonly OptionRow[]): void {
  for (const { flags, summary, values } of options) {
    const long = /--([\w-]+)/.exec(flags)?.[1] ?? "";
    const short = /^-(\w)/.exec(flags)?.[1];
    const operand = /<(\w+)/.exec(flags)?.[1];
    if (operand === undefined) {
      if (short === undefined) command.option(long, summary);
      else command.option(long, summary, short);
    } else {
      command.option(long, summary, valueHandler(operand, values ?? []), short);
    }
  }
}

const isFile = (operand: string): boolean => /^(?:file|spec|plan)$/.test(operand);

function valueHandler(operand: string, values: readonly string[]): OptionHandler {
  return (offer) => {
    for (const value of values) offer(value, "");
    if (isFile(operand)) offerFiles(offer);
  };
}

function operandHandler(operand: string): ArgumentHandler {
  const name = operand.replaceAll(/[<>[\].]/g, "");
  return (offer) => {
    if (name === "shell") for (const shell of shells) offer(shell, "");
    if (isFile(name)) offerFiles(offer);
  };
}

/** Files beside the word that is being typed; the shell itself is told not to offer any. */
function offerFiles(offer: (value: string, description: string) => void): void {
  const word = process.argv.at(-1) ?? "";
  const folder = word.includes("/") ? dirname(`${word}x`) : ".";
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = folder === "." && !word.startsWith("./") ? entry.name : join(folder, entry.name);
      offer(entry.isDirectory() ? `${path}/` : path, "");
    }
  } catch {
    // No such folder: nothing to offer.
  }
}
