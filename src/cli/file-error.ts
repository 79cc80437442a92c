// Why a file could not be read or written, in words for people.

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  ENOTDIR: "a part of the path is no folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a folder",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left",
};

const errnoOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

export const readErrorOf = (error: unknown): string => {
  const errno = errnoOf(error);
  return reasons[errno] ?? (errno || String(error));
};

/** A file that is to be written need not be there, but its folder must. */
export const writeErrorOf = (error: unknown): string =>
  errnoOf(error) === "ENOENT" ? "no such folder" : readErrorOf(error);
