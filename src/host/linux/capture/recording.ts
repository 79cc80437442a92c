// Sources that pass on what other sources say and note it: files by path, everything else as the
// answer to a question. What is noted is what the reader got, so that a replay gives it the same.

import {
  encodeLog,
  encodeProgram,
  encodeRows,
  netdevRow,
  wishRows,
  type LinkRow,
  type OwnerRow,
} from "../../../capture/answers.ts";
import type { FileAnswer } from "../../../capture/evidence.ts";
import { encodeReplies } from "../../../capture/netlink-replies.ts";
import { linesThatMatter } from "../../../capture/kernel-lines.ts";
import { withoutSecrets } from "../../../capture/redact.ts";
import { filesThatMatter } from "../../../coexist/claims.ts";
import type { ConfigFiles } from "../../config-files.ts";
import type { ReservationDepth } from "../../host.ts";
import type { CommandOutput } from "../command.ts";
import type { ConfigRead } from "../config-reader.ts";
import type { OwnersByAddress } from "../inventory.ts";
import type { LinkFacts } from "../link-facts.ts";
import type { HostSources } from "../sources.ts";
import { errnoOf, fileSystem, type FileSource, TreeReader } from "../tree-reader.ts";
import { notInCapture, question } from "../../../capture/questions.ts";
import { notRecordedErrno } from "../../../capture/recorded-files.ts";

/** In characters; a host with a thousand VFs needs less than one million. */
const sizeMax = 16 << 20;

type Note = (path: string, answer: FileAnswer) => void;

export class Recording {
  readonly files = new Map<string, FileAnswer>();
  readonly answers = new Map<string, readonly string[]>();
  readonly sources: HostSources;
  isCut = false;
  readonly #prefix: string;
  #size = 0;

  constructor(inner: HostSources, prefix: string) {
    this.#prefix = prefix;
    this.sources = {
      ...inner,
      files: this.#files(inner.files),
      readConfigs: async (files, deadlineMs) => {
        const reads = await inner.readConfigs(files, deadlineMs);
        files.forEach(({ file }, index) => this.#note(file, configAnswer(reads[index])));
        return reads;
      },
      readLocked: async (files, deadlineMs) => {
        const texts = await inner.readLocked(files, deadlineMs);
        for (const file of files) {
          const text = texts.get(file);
          this.#note(file, text === undefined ? late : { kind: "text", text: `${text}\n` });
        }
        return texts;
      },
      changingPfs: () => {
        const pfs = inner.changingPfs();
        this.#answer(question.changing, [...pfs]);
        return pfs;
      },
      readLinks: this.#readLinks(inner.readLinks),
      census: async (functions) => {
        const owners = await inner.census(functions);
        this.#answer(question.census, encodeRows(ownerRows(owners)));
        return owners;
      },
      run: this.#run(inner.run),
      readKernelLog: async () => {
        const log = await inner.readKernelLog();
        // Where somebody keeps a tree is nobody's business.
        const kept =
          typeof log === "string"
            ? this.#withoutPrefix(log)
            : { ...log, lines: linesThatMatter(log.lines) };
        this.#answer(question.kernelLog, encodeLog(kept));
        return log;
      },
      readWishes: async (depth) => {
        const found = await inner.readWishes(depth);
        if (found !== null) this.#noteWishes(depth, encodeRows(wishRows(found)));
        return found;
      },
      configFiles: async () => {
        const found = await inner.configFiles();
        if (found !== null) this.#noteConfigFiles(found);
        return found;
      },
    };
  }

  #withoutPrefix(text: string): string {
    return this.#prefix === "" ? text : text.replaceAll(this.#prefix, "");
  }

  #isFull(size: number): boolean {
    this.#size += size;
    this.isCut ||= this.#size > sizeMax;
    return this.isCut;
  }

  #answer(text: string, lines: readonly string[]): void {
    const size = lines.reduce((sum, line) => sum + line.length + 3, text.length);
    if (!this.#isFull(size)) this.answers.set(text, lines);
  }

  /** What was found by following the path to its end. */
  #note(path: string, answer: FileAnswer): void {
    this.#noteAt(`${path.slice(this.#prefix.length)}/.`, answer);
  }

  #noteLink(path: string, answer: FileAnswer): void {
    this.#noteAt(path.slice(this.#prefix.length), answer);
  }

  #noteAt(inside: string, answer: FileAnswer): void {
    if (answer.kind === "failed" && answer.errno === notRecordedErrno) return;
    const known = this.files.get(inside);
    // A page of a file that is known whole, or a second attempt.
    if (known !== undefined && (answer.kind === "failed" || sizeOf(known) > sizeOf(answer))) return;
    if (!this.#isFull(inside.length + sizeOf(answer))) this.files.set(inside, answer);
  }

  #files(inner: FileSource): FileSource {
    const noted = <Value>(
      read: (path: string) => Value,
      answerOf: (value: Value) => FileAnswer,
      note: Note = (path, answer) => this.#note(path, answer),
    ): ((path: string) => Value) => {
      return (path) => {
        try {
          const value = read(path);
          note(path, answerOf(value));
          return value;
        } catch (error) {
          const errno = errnoOf(error);
          if (errno !== null) note(path, { kind: "failed", errno });
          throw error;
        }
      };
    };
    const noteLink: Note = (path, answer) => this.#noteLink(path, answer);
    return {
      attribute: noted(inner.attribute, (text) => ({ kind: "text", text: `${text}\n` })),
      whole: noted(inner.whole, (text) => ({ kind: "text", text })),
      link: noted(inner.link, (target) => ({ kind: "link", target }), noteLink),
      names: noted(
        (path) => inner.names(path).sort(),
        (names) => ({ kind: "names", names: [...names] }),
      ),
    };
  }

  #readLinks(inner: HostSources["readLinks"]): HostSources["readLinks"] {
    if (inner === null) return null;
    return async (reader, steadyPfs) => {
      // What it reads of files for itself is in its answer.
      const own = new TreeReader(fileSystem);
      const facts = await inner(own, steadyPfs);
      reader.problems.push(...own.problems);
      if (facts.replies === undefined) {
        const problems = own.problems.map((problem) => ({ problem }));
        this.#answer(question.netlink, encodeRows([...linkRows(facts), ...problems]));
      } else this.#answer(question.netlinkReplies, encodeReplies(facts.replies));
      return facts;
    };
  }

  #run(inner: HostSources["run"]): HostSources["run"] {
    if (inner === null) return null;
    return async (words) => {
      const output = await inner(words);
      if (output.end.status !== "exited" && output.end.why === notInCapture) return output;
      this.#answer(question.run(words), encodeProgram(programAnswer(output)));
      return output;
    };
  }

  /** What runs is noted without what is defined, which was asked for before. */
  #noteWishes(depth: ReservationDepth, rows: readonly string[]): void {
    const defined = new Set(this.answers.get(question.reservations));
    if (depth === "defined") this.#answer(question.reservations, rows);
    else {
      const running = rows.filter((row) => !defined.has(row));
      this.#answer(question.runningReservations, running);
    }
  }

  #noteConfigFiles({ files, problems }: ConfigFiles): void {
    for (const { path, text } of filesThatMatter(files)) {
      const bytes = Buffer.from(withoutSecrets(text), "utf8").toString("latin1");
      this.#answer(question.configFile(path), bytes.split("\n"));
    }
    this.#answer(question.configProblems, encodeRows(problems));
  }
}

const late: FileAnswer = { kind: "failed", errno: "LATE" };

const sizeOf = (answer: FileAnswer): number => {
  switch (answer.kind) {
    case "text":
      return answer.text.length;
    case "bytes":
      return answer.bytes.length * 3;
    case "link":
      return answer.target.length;
    case "names":
      return answer.names.reduce((sum, name) => sum + name.length + 1, 0);
    case "failed":
      return 0;
  }
};

function configAnswer(read: ConfigRead | undefined): FileAnswer {
  if (read === undefined || read.status === "late") return late;
  if (read.status === "failed") return { kind: "failed", errno: read.errno };
  return { kind: "bytes", bytes: read.bytes };
}

function programAnswer({ end, stdout, stderr }: CommandOutput) {
  const words =
    end.status === "exited"
      ? `exit ${end.exitCode}`
      : `${end.status === "cut" ? "cut" : "none"} ${end.why}`;
  return { end: words, stdout: stdout.toString("latin1"), stderr: stderr.toString("latin1") };
}

function linkRows({ netdevs, policies, eswitchModes }: LinkFacts): LinkRow[] {
  return [
    ...[...netdevs.values()].map(netdevRow),
    ...[...policies].map(([pfNetdev, vfs]) => ({ pfNetdev, vfs: [...vfs] })),
    ...[...eswitchModes].map(([pf, eswitchMode]) => ({ pf, eswitchMode })),
  ];
}

const ownerRows = (owners: OwnersByAddress): OwnerRow[] =>
  [...owners].flatMap(([address, list]) => list.map((owner) => ({ address, owner })));
