// Why a file could not be read or written, in words for people. Node's errors are known by their
// `code`, which is an errno name where the kernel refused.

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  ENOTDIR: "a part of the path is no folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a folder",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left",
  EFBIG: "it would be larger than a file may be",
  EDQUOT: "the disk quota is used up",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "its symbolic links lead in a circle",
  EMFILE: "too many files are open",
};

/** null where no call of the kernel failed. */
export function errnoOf(error: unknown): string | null {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^E[A-Z0-9]+$/.test(code) ? code : null;
}

export function readErrorOf(error: unknown): string {
  const errno = errnoOf(error);
  if (errno !== null) return reasons[errno] ?? errno;
  return error instanceof Error ? error.message : String(error);
}

/** A file that is to be written need not be there, but its folder must. */
export const writeErrorOf = (error: unknown): string =>
  errnoOf(error) === "ENOENT" ? "no such folder" : readErrorOf(error);
