// The whole program as a function: `main(argv, io, wiring)` answers with an exit code. It parses,
// makes the context, runs one command, and is the only place where a failure becomes a sentence.

import type { Command } from "commander";
import { exitCodeOf, SriovError } from "../model/errors.ts";
import { withHost, type Context, type Wiring } from "./context.ts";
import { problemJson } from "./inventory-json.ts";
import type { Io } from "./io.ts";
import { makeLogger, problemSentence, type Logger } from "./logger.ts";
import { hostPaths, pathsFor } from "./paths.ts";
import { parseQuickly } from "./parse-quickly.ts";
import type { GlobalOptions, Request } from "./program.ts";
import { cleanLine, styleFor } from "./style.ts";
import { hasJournals, warnOfUnfinished } from "./unfinished.ts";
import { versionJson, versionText } from "./version.ts";

export async function main(argv: readonly string[], io: Io, wiring: Wiring): Promise<number> {
  if (argv[0] === "complete" && argv[1] === "--") {
    const { complete } = await import("./commands/completion.ts");
    complete(argv.slice(2));
    return 0;
  }
  if (argv[0] === "__watchdog") {
    const { watchdog } = await import("./commands/watchdog.ts");
    return await watchdog(argv.slice(1), io, wiring);
  }
  let options = optionsBefore(argv);
  const output: Output = { hasJson: false, argv };
  try {
    const parsed = parseQuickly(argv) ?? (await parseWithCommander(argv, io));
    if (parsed === null) return 0;
    ({ options } = parsed);
    return await runRequest(parsed.request, makeContext(options, io, wiring, output));
  } catch (error) {
    if (isCommanderError(error) && error.code === "commander.version") {
      return printVersion(options, io);
    }
    return report(error, options, io, output);
  }
}

async function printVersion({ json }: GlobalOptions, io: Io): Promise<number> {
  const { versionFacts } = await import("./build-facts.ts");
  const facts = versionFacts();
  if (json === true) writeJson(io, versionJson(facts));
  else io.stdout.write(`${versionText(facts)}\n`);
  return 0;
}

/** Before parsing succeeded the flags are known only by looking for them. */
const optionsBefore = (argv: readonly string[]): GlobalOptions => ({
  host: "linux",
  json: argv.includes("--json"),
  color: !argv.includes("--no-color"),
  verbose: false,
  debug: argv.includes("--debug"),
});

type Parsed = { readonly options: GlobalOptions; readonly request: Request };

/** null when the command line was answered already: help, version. */
async function parseWithCommander(argv: readonly string[], io: Io): Promise<Parsed | null> {
  const { makeProgram } = await import("./program.ts");
  const requests: Request[] = [];
  const program = makeProgram(io, (request) => requests.push(request));
  try {
    parseWords(program, argv);
  } catch (error) {
    throw isUsageFailure(error) ? usageError(error) : error;
  }
  const [request] = requests;
  return request === undefined ? null : { options: program.opts<GlobalOptions>(), request };
}

function parseWords(program: Command, argv: readonly string[]): void {
  try {
    program.parse([...argv], { from: "user" });
  } catch (error) {
    const [help, unknown] = program.args;
    if (!isUsageFailure(error) || error.code !== "commander.help") throw error;
    if (help !== "help" || unknown === undefined) throw error;
    // As a command it is refused by its name, with the nearest one.
    program.parse([unknown], { from: "user" });
  }
}

type CommanderFailure = Error & { readonly code: string; readonly exitCode: number };

/** By its code: its class would have to be loaded to be asked for. */
const isCommanderError = (error: unknown): error is CommanderFailure =>
  error instanceof Error && "code" in error && String(error.code).startsWith("commander.");

/** Asking for help or the version ends commander's parsing as well, with 0. */
const isUsageFailure = (error: unknown): error is CommanderFailure =>
  isCommanderError(error) && error.exitCode !== 0;

/** commander: "error: unknown option '--wid'\n(Did you mean --wide?)"; "(outputHelp)" without any. */
function usageError({ code, message }: CommanderFailure): SriovError {
  const [first = "", suggestion] = message.replace(/^error: /, "").split("\n");
  const sentence = code === "commander.help" ? "no command was given" : first;
  const hint = suggestion?.replace(/^\(|\)$/g, "") ?? "See sriovctl --help";
  const detail = { operation: "parse command line", target: "", hint };
  return new SriovError("usage", `Cannot run: ${sentence}`, detail);
}

/** With --json exactly one document goes out, also when a command fails after its own. */
type Output = { hasJson: boolean; readonly argv: readonly string[] };

const loggerOf = (options: GlobalOptions, io: Io): Logger =>
  makeLogger(
    io.stderr,
    styleFor({ isTerminal: io.stderr.isTerminal, isForbidden: !options.color, env: io.env }),
    {
      level: options.debug === true ? "debug" : options.verbose === true ? "verbose" : "normal",
      isJournal: io.env["JOURNAL_STREAM"] !== undefined && !io.stderr.isTerminal,
    },
  );

async function runRequest({ row, args }: Request, context: Context): Promise<number> {
  const command = await row.load();
  const silent = { warnOfUnfinished: async () => {}, hasLookedForUnfinished: () => true };
  const exitCode = await command(row.saysUnfinished ? { ...context, ...silent } : context, args);
  if (row.saysUnfinished) return exitCode;
  await lookWithoutHost(context);
  return exitCode;
}

/** Commands that need no host look for an interrupted apply all the same. */
async function lookWithoutHost(context: Context): Promise<void> {
  if (context.hasLookedForUnfinished() || !hasJournals(context.hostPaths)) return;
  try {
    await withHost(context, async () => {});
  } catch (error) {
    // A host that does not open is no failure of a command that does not need one.
    context.log.debug(String(error));
  }
}

function makeContext(options: GlobalOptions, io: Io, wiring: Wiring, output: Output): Context {
  const paths = pathsFor(io.env, io.isRoot);
  // The demo machine is what `emulated` means.
  const hostName = options.host === "emulated" ? "emulated:demo" : options.host;
  const { isTerminal } = io.stdout;
  const log = loggerOf(options, io);
  const folders = hostPaths(paths, hostName);
  let hasLooked = false;
  return {
    io,
    log,
    style: styleFor({ isTerminal, isForbidden: !options.color, env: io.env }),
    paths,
    wiring,
    hostName,
    hostPaths: folders,
    speed: speedOf(options),
    writeDeadlineMs: writeDeadlineOf(io),
    isJson: options.json === true,
    isColorForbidden: !options.color,
    commandLine: ["sriovctl", ...output.argv].join(" "),
    print: (...lines) => {
      if (options.json !== true)
        io.stdout.write(lines.map((line) => `${cleanLine(line)}\n`).join(""));
    },
    printJson: (document) => {
      if (options.json !== true) return;
      output.hasJson = true;
      writeJson(io, document);
    },
    warnOfUnfinished: async (host) => {
      if (hasLooked) return;
      hasLooked = true;
      await warnOfUnfinished(folders, host, log);
    },
    hasLookedForUnfinished: () => hasLooked,
    runProgram: (argv, otherIo) => main(argv, otherIo, wiring),
  };
}

/** null where none was given. Throws SriovError `usage`. */
function speedOf({ speed }: GlobalOptions): number | null {
  if (speed === undefined) return null;
  const factor = Number(speed);
  if (Number.isFinite(factor) && factor > 0) return factor;
  const message = `Cannot run at speed ${speed}: wanted a number above 0`;
  throw new SriovError("usage", message, { operation: "set speed", target: speed });
}

/** SRIOVCTL_WRITE_DEADLINE, in seconds; null where it is not set. Throws SriovError `usage`. */
function writeDeadlineOf({ env }: Io): number | null {
  const text = env["SRIOVCTL_WRITE_DEADLINE"];
  if (text === undefined || text === "") return null;
  const seconds = Number(text);
  // Timers of Node hold 31 bits of milliseconds.
  if (seconds > 0 && seconds <= 1e6) return seconds * 1000;
  const message = `Cannot use SRIOVCTL_WRITE_DEADLINE ${text}: wanted seconds above 0, at most 1000000`;
  throw new SriovError("usage", message, { operation: "set deadline", target: text });
}

const writeJson = (io: Io, document: unknown): void =>
  io.stdout.write(`${JSON.stringify(document, null, 2)}\n`);

/** Says what went wrong in one sentence and what to do about it; returns the exit code. */
function report(error: unknown, options: GlobalOptions, io: Io, output: Output): number {
  if (isCommanderError(error)) return error.exitCode; // --help
  const { exitCode, ...failure } = wordingOf(error);
  const problems = error instanceof SriovError ? error.problems : [];
  const log = loggerOf(options, io);
  const others = problems.filter(({ message }) => message !== failure.message);
  for (const problem of others) log.error(problemSentence(problem), problem.hint);
  log.error(failure.message, failure.hint);
  if (options.debug === true) writeStacks(error, io);
  if (options.json === true && !output.hasJson) {
    const document = { format: "sriovctl-error/1", exitCode, error: failure };
    writeJson(io, { ...document, problems: problems.map(problemJson) });
  }
  return exitCode;
}

/** For what is thrown where nobody can catch it, such as a stream's error event. */
export function reportCrash(error: unknown, argv: readonly string[], io: Io): number {
  return report(error, optionsBefore(argv), io, { hasJson: false, argv });
}

function writeStacks(error: unknown, io: Io): void {
  let words = "";
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    io.stderr.write(`${words}${cause.stack ?? cause.message}\n`);
    words = "caused by ";
  }
}

type Wording = {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly exitCode: number;
};

function wordingOf(error: unknown): Wording {
  if (error instanceof SriovError) {
    const { code, message, hint } = error;
    return { code, message, hint, exitCode: exitCodeOf(code) };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: "bug",
    message: `Bug in sriovctl: ${message.split("\n")[0] ?? ""}`,
    hint: "Please report it, with what --debug says",
    exitCode: 1,
  };
}
