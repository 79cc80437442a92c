// What the readers of facts share: where they read from, and the list of what could not be read.
// A gap names its source as a person would look for it and why it has nothing to say.

import type { FactGap } from "../../../model/host-facts.ts";
import type { LinuxPaths } from "../paths.ts";
import type { HostSources } from "../sources.ts";
import type { TreeReader } from "../tree-reader.ts";

export type FactSources = Pick<HostSources, "readConfigs" | "run" | "readKernelLog"> & {
  readonly paths: LinuxPaths;
  readonly reader: TreeReader;
  readonly report: (source: string, why: string) => void;
};

/** Standard output of a program that ended well; null with a gap. */
export async function textOf(
  { run, report }: Pick<FactSources, "run" | "report">,
  words: readonly string[],
): Promise<string | null> {
  if (run === null) return null;
  const { end, stdout, stderr } = await run(words);
  if (end.status === "exited" && end.exitCode === 0) return stdout.toString("latin1");
  const said = stderr.toString("latin1").trim().split("\n")[0] ?? "";
  const why = end.status === "exited" ? `exit ${end.exitCode}${said && `: ${said}`}` : end.why;
  report(words.join(" "), why);
  return null;
}

/** Problems of a reader as gaps: `Cannot read /a/b: EACCES` is EACCES of /a/b. */
export const gapsOf = ({ problems }: TreeReader): FactGap[] =>
  problems.map(({ where, message }) => {
    const prefix = `Cannot read ${where}: `;
    const why = message.startsWith(prefix) ? message.slice(prefix.length) : message;
    return { source: where, why };
  });
