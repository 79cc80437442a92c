// A command that the user names, run in the foreground. It is looked up before anything is changed for it, and
// its end is counted as a shell counts it: 127 not found, 126 not to be run, 128 and the signal that ended it.

import { spawn } from "node:child_process";
import { accessSync, constants as access, statSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

export const notRunnable = 126;
const notFound = 127;

/** execvp(3) of glibc, where PATH is not set. */
const defaultPath = "/bin:/usr/bin";

type Found =
  | { readonly file: string }
  | { readonly exitCode: number; readonly why: "not found" | "not executable" };

function lookAt(file: string): Found {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) return { exitCode: notFound, why: "not found" };
  const refused = { exitCode: notRunnable, why: "not executable" } as const;
  if (!stats.isFile()) return refused;
  accessSync(file, access.X_OK);
  return { file };
}

function lookSafelyAt(file: string): Found {
  try {
    return lookAt(file);
  } catch (error) {
    const isThere = error instanceof Error && "code" in error && error.code === "EACCES";
    return isThere
      ? { exitCode: notRunnable, why: "not executable" }
      : { exitCode: notFound, why: "not found" };
  }
}

/** As a shell looks it up: by its path, or in the folders of PATH. */
export function findCommand(command: string, searchPath = defaultPath): Found {
  const folders = command.includes("/") ? [""] : searchPath.split(":");
  const found = folders.map((folder) =>
    lookSafelyAt(command.includes("/") ? command : join(folder === "" ? "." : folder, command)),
  );
  const nothing: Found = { exitCode: notFound, why: "not found" };
  const refused = found.find((one) => "why" in one && one.exitCode === notRunnable);
  return command === "" ? nothing : (found.find((one) => "file" in one) ?? refused ?? nothing);
}

/** `words` begin with its name. Its standard output goes to standard error where ours is a document. null: the
 * kernel does not start it. */
export async function runInForeground(
  file: string,
  [name = "", ...args]: readonly string[],
  isOutputOurs: boolean,
): Promise<number | null> {
  const { promise, resolve } = Promise.withResolvers<number | null>();
  const stdio = ["inherit", isOutputOurs ? 2 : "inherit", "inherit"] as const;
  const child = spawn(file, args, { argv0: name, stdio: [...stdio] });
  child.on("error", () => resolve(null));
  child.on("exit", (code, signal) =>
    resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
  );
  return await promise;
}
