// A command as one line of a systemd unit. systemd takes a line apart by its own rules: quotes and
// backslashes, `%` specifiers and `$` variables (systemd.service(5), "Command lines").

const escapes: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  '"': '\\"',
  "%": "%%",
  "$": "$$",
  "\n": "\\n",
  "\t": "\\t",
};

const isPlain = (word: string): boolean => /^[A-Za-z0-9_@:.,/+=-]+$/.test(word);

const quoted = (word: string): string =>
  isPlain(word) ? word : `"${word.replaceAll(/[\\"%$\n\t]/g, (letter) => escapes[letter] ?? "")}"`;

/** Arguments that arrive as they are here. */
export const execLine = (command: readonly string[]): string => command.map(quoted).join(" ");

/** Paths as RequiresMountsFor= takes them. */
export const pathList = (paths: readonly string[]): string =>
  paths
    .map((path) =>
      isPlain(path) ? path : `"${path.replaceAll(/[\\"%]/g, (c) => escapes[c] ?? "")}"`,
    )
    .join(" ");
