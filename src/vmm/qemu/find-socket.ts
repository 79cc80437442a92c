// The QMP socket of a VM that is known by its name only, from the command lines of the QEMUs that
// run: `-name web1`, and `-qmp unix:PATH` or a socket chardev with a monitor of mode=control.

import { readdirSync, readFileSync } from "node:fs";

/** QEMU's options: `a,b=c,,d` is `a` and `b=c,d`. */
function optionsOf(value: string): string[] {
  return value
    .replaceAll(",,", "\0")
    .split(",")
    .map((option) => option.replaceAll("\0", ","));
}

function valueOf(options: readonly string[], key: string): string | null {
  const option = options.find((each) => each.startsWith(`${key}=`));
  return option === undefined ? null : option.slice(key.length + 1);
}

const isOption = (word: string | undefined, name: string): boolean =>
  word === `-${name}` || word === `--${name}`;

/** Values that follow an option, each as its parts. */
const valuesOf = (words: readonly string[], name: string): string[][] =>
  words.flatMap((word, at) => (isOption(words[at - 1], name) ? [optionsOf(word)] : []));

/** Name of the VM that a command line starts; null without one. */
function nameOfCommandLine(words: readonly string[]): string | null {
  const [options] = valuesOf(words, "name");
  if (options === undefined) return null;
  return valueOf(options, "guest") ?? options[0] ?? null;
}

const isControl = (options: readonly string[]): boolean => valueOf(options, "mode") === "control";

/** Sockets of QEMU's machine protocol that a command line opens, in its order. */
function qmpSocketsOf(words: readonly string[]): string[] {
  const direct = [...valuesOf(words, "qmp"), ...valuesOf(words, "qmp-pretty")].flatMap(
    ([first = ""]) => (first.startsWith("unix:") ? [first.slice("unix:".length)] : []),
  );
  const monitors = valuesOf(words, "mon")
    .filter(isControl)
    .map((options) => valueOf(options, "chardev") ?? options[0] ?? "");
  const qmpNames = valuesOf(words, "qmp").map(([first = ""]) =>
    first.startsWith("chardev:") ? first.slice("chardev:".length) : "",
  );
  const through = valuesOf(words, "chardev").flatMap((options) => {
    const [id, path] = [valueOf(options, "id"), valueOf(options, "path")];
    const isMonitor = id !== null && [...monitors, ...qmpNames].includes(id);
    return options[0] === "socket" && isMonitor && path !== null ? [path] : [];
  });
  return [...new Set([...direct, ...through])];
}

/** Command lines of what runs under this VM's name; `proc` is /proc but in tests. */
const commandLinesOf = (name: string, proc: string): string[][] =>
  namesOf(proc)
    .map((pid) => wordsOf(`${proc}/${pid}/cmdline`))
    .filter((words) => nameOfCommandLine(words) === name);

/** Sockets of the running VM `name`; empty where none is seen. */
export const findQmpSockets = (name: string, proc: string): string[] =>
  commandLinesOf(name, proc).flatMap(qmpSocketsOf);

export const isVmRunning = (name: string, proc: string): boolean =>
  commandLinesOf(name, proc).length > 0;

function namesOf(proc: string): string[] {
  try {
    return readdirSync(proc).filter((name) => /^[0-9]{1,9}$/.test(name));
  } catch {
    return [];
  }
}

function wordsOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8").replace(/\0$/, "").split("\0");
  } catch {
    return []; // ended since the folder was listed
  }
}
