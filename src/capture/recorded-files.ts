// Paths inside a capture: links are followed among the recorded ones only, so nothing leads out, and
// a ring of links ends. What was not recorded is told from what was not there.

import type { FileAnswer } from "./evidence.ts";

type Files = ReadonlyMap<string, FileAnswer>;

/** As many as the kernel follows (fs/namei.c MAXSYMLINKS). */
const linksMax = 40;

/** No such file in that folder, says the folder's listing. */
const absent: FileAnswer = { kind: "failed", errno: "ENOENT" };
const loop: FileAnswer = { kind: "failed", errno: "ELOOP" };
/** Of what a capture does not hold: nobody asked, or it was cut. */
export const notRecordedErrno = "ENOTRECORDED";
const notRecorded: FileAnswer = { kind: "failed", errno: notRecordedErrno };

export class RecordedFiles {
  readonly #files: Files;
  /** Folder as asked for -> where it really is; null is a ring. */
  readonly #folders = new Map<string, string | null>([["", ""]]);

  constructor(files: Files) {
    this.#files = files;
  }

  /** The path with every link on the way followed, the last one only if wanted; null for a ring. */
  realPath(path: string, isLastFollowed: boolean): string | null {
    return this.#walk(path.split("/"), isLastFollowed, 0);
  }

  #walk(pieces: readonly string[], isLastFollowed: boolean, depth: number): string | null {
    const last = pieces.length - 1;
    let at = "";
    for (let index = 0; index <= last; index++) {
      const piece = pieces[index] ?? "";
      if (piece === "" || piece === ".") continue;
      // Above the root there is the root.
      if (piece === "..") at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
      else {
        const next = `${at}/${piece}`;
        if (index === last && !isLastFollowed) return next;
        const real = this.#folders.get(next) ?? this.#follow(next, at, depth);
        if (real === null) return null;
        at = real;
      }
    }
    return at === "" ? "/" : at;
  }

  #follow(path: string, folder: string, depth: number): string | null {
    if (this.#folders.get(path) === null || depth > linksMax) return null;
    const answer = this.#files.get(path);
    let real: string | null = path;
    if (answer?.kind === "link") {
      const { target } = answer;
      const whole = target.startsWith("/") ? target : `${folder}/${target}`;
      real = this.#walk(whole.split("/"), true, depth + 1);
    }
    this.#folders.set(path, real === "/" ? "" : real);
    return real === "/" ? "" : real;
  }

  /** What the file, folder or, unfollowed, the link at the path answered. */
  answer(path: string, isLastFollowed: boolean): FileAnswer {
    const known = this.#files.get(path);
    if (known !== undefined && (known.kind !== "link" || !isLastFollowed)) return known;
    const real = this.realPath(path, isLastFollowed);
    if (real === null) return loop;
    return this.#files.get(real) ?? (this.#isKnownAbsent(real) ? absent : notRecorded);
  }

  #isKnownAbsent(path: string): boolean {
    for (let end = path.length; end > 0;) {
      const start = path.lastIndexOf("/", end - 1);
      const folder = this.#files.get(start <= 0 ? "/" : path.slice(0, start));
      if (folder?.kind === "names") return !folder.names.includes(path.slice(start + 1, end));
      if (folder?.kind === "failed" && folder.errno === "ENOENT") return true;
      end = start;
    }
    return false;
  }
}

/** The same answers by real paths: one file that was asked for by several paths is one entry. What
 * was found through the last link of a path is named `PATH/.`, the link itself `PATH`. */
export function byRealPath(files: Files): Map<string, FileAnswer> {
  const recorded = new RecordedFiles(files);
  const real = new Map<string, FileAnswer>();
  for (const [path, answer] of files) {
    const place = recorded.realPath(path, false);
    if (place === null) continue; // a ring: asked for again, it is found to be one again
    const other = real.get(place);
    if (other === undefined || other.kind === "failed") real.set(place, answer);
  }
  return real;
}
