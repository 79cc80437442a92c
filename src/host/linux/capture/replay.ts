// Sources that answer from a capture: no file of this machine is opened, no program started. What
// the capture does not hold is refused as not recorded, which is told from not there.

import {
  decodeLinkRows,
  decodeLog,
  decodeOwnerRows,
  decodeProblems,
  decodeProgram,
  decodeWishes,
} from "../../../capture/answers.ts";
import { decodeReplies } from "../../../capture/netlink-replies.ts";
import type { Evidence, FileAnswer } from "../../../capture/evidence.ts";
import { RecordedFiles } from "../../../capture/recorded-files.ts";
import type { Address } from "../../../model/bdf.ts";
import type { EswitchMode, Netdev, Owner } from "../../../model/inventory.ts";
import type { HostWishes } from "../../../model/reservation.ts";
import type { ConfigFiles } from "../../config-files.ts";
import type { ReservationDepth } from "../../host.ts";
import type { CommandOutput } from "../command.ts";
import { hasSriovCapability, registersOf } from "../config-facts.ts";
import type { ConfigRead } from "../config-reader.ts";
import { type LinkFacts, linkFactsOf, type VfPolicies } from "../link-facts.ts";
import type { HostSources } from "../sources.ts";
import type { FileSource } from "../tree-reader.ts";
import { configFileOf, notInCapture, question } from "../../../capture/questions.ts";

/** As Node would throw it. */
function refusal(errno: string, path: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${errno}: ${path} in a capture`);
  const number = /^errno ([0-9]+)$/.exec(errno)?.[1];
  if (number === undefined) error.code = /^E[A-Z0-9]+$/.test(errno) ? errno : "ELATE";
  else error.errno = -Number(number);
  return error;
}

const attributeBytesMax = 4096;

function filesOf(recorded: RecordedFiles): FileSource {
  const answerAt = <Kind extends FileAnswer["kind"]>(
    path: string,
    kind: Kind,
    otherwise: string,
  ): FileAnswer & { readonly kind: Kind } => {
    const answer = recorded.answer(path, kind !== "link");
    if (answer.kind === kind) return answer as FileAnswer & { readonly kind: Kind };
    throw refusal(answer.kind === "failed" ? answer.errno : otherwise, path);
  };
  return {
    attribute: (path) =>
      answerAt(path, "text", "EISDIR").text.slice(0, attributeBytesMax).replace(/\n$/, ""),
    whole: (path) => answerAt(path, "text", "EISDIR").text,
    link: (path) => answerAt(path, "link", "EINVAL").target,
    names: (path) => [...answerAt(path, "names", "ENOTDIR").names],
  };
}

function configOf(recorded: RecordedFiles, file: string): ConfigRead {
  const answer = recorded.answer(file, true);
  if (answer.kind === "bytes") return { status: "read", bytes: answer.bytes };
  if (answer.kind !== "failed") return { status: "failed", errno: "EINVAL" };
  return answer.errno === "LATE" ? { status: "late" } : { status: "failed", errno: answer.errno };
}

/** As host/linux reads it of a device: extended config space that has the capability. */
function hidesSriov(recorded: RecordedFiles, file: string): boolean {
  const answer = recorded.answer(file, true);
  return (
    answer.kind === "bytes" &&
    answer.bytes.length > 0x100 &&
    hasSriovCapability(registersOf(answer.bytes))
  );
}

function readLocked(recorded: RecordedFiles, files: readonly string[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (const file of files) {
    const answer = recorded.answer(file, true);
    if (answer.kind === "text") texts.set(file, answer.text.split("\n")[0] ?? "");
  }
  return texts;
}

function readLinksOf(lines: readonly string[]): HostSources["readLinks"] {
  return async (reader): Promise<LinkFacts> => {
    const netdevs = new Map<string, Netdev>();
    const policies = new Map<string, VfPolicies>();
    const eswitchModes = new Map<Address, EswitchMode>();
    for (const row of decodeLinkRows(lines)) {
      if ("netdev" in row) netdevs.set(row.netdev.name, row.netdev);
      else if ("vfs" in row) policies.set(row.pfNetdev, new Map(row.vfs));
      else if ("pf" in row) eswitchModes.set(row.pf, row.eswitchMode);
      else reader.problems.push(row.problem);
    }
    return { netdevs, policies, eswitchModes };
  };
}

function linkReader(answers: Evidence["answers"]): HostSources["readLinks"] {
  const replies = answers.get(question.netlinkReplies);
  if (replies !== undefined) return async (reader) => linkFactsOf(decodeReplies(replies), reader);
  const rows = answers.get(question.netlink);
  return rows === undefined ? null : readLinksOf(rows);
}

function ownersOf(lines: readonly string[]): Map<Address, Owner[]> {
  const owners = new Map<Address, Owner[]>();
  for (const { address, owner } of decodeOwnerRows(lines)) {
    const list = owners.get(address);
    if (list === undefined) owners.set(address, [owner]);
    else list.push(owner);
  }
  return owners;
}

function outputOf(lines: readonly string[] | undefined): CommandOutput {
  const { end, stdout, stderr } = decodeProgram(lines ?? [`none ${notInCapture}`]);
  const at = end.indexOf(" ");
  const [word, rest] = [end.slice(0, at), end.slice(at + 1)];
  return {
    stdout: Buffer.from(stdout, "latin1"),
    stderr: Buffer.from(stderr, "latin1"),
    end:
      word === "exit" && /^-?[0-9]{1,4}$/.test(rest)
        ? { status: "exited", exitCode: Number(rest) }
        : { status: word === "cut" ? "cut" : "not-started", why: rest },
  };
}

function configFilesOf(answers: Evidence["answers"]): ConfigFiles | null {
  const problems = answers.get(question.configProblems);
  if (problems === undefined) return null;
  const files = [...answers].flatMap(([text, lines]) => {
    const path = configFileOf(text);
    const bytes = Buffer.from(lines.join("\n"), "latin1");
    return path === null ? [] : [{ path, text: bytes.toString("utf8") }];
  });
  return { files, problems: decodeProblems(problems) };
}

function wishesOf(answers: Evidence["answers"], depth: ReservationDepth): HostWishes | null {
  const defined = answers.get(question.reservations);
  if (defined === undefined) return null;
  const running = depth === "defined" ? [] : (answers.get(question.runningReservations) ?? []);
  return decodeWishes([...defined, ...running]);
}

export function replaySources({ files, answers }: Evidence): HostSources {
  const recorded = new RecordedFiles(files);
  const linesOf = (text: string): readonly string[] => answers.get(text) ?? [];
  const hasPrograms = [...answers.keys()].some((text) => text.startsWith(question.run([])));
  return {
    files: filesOf(recorded),
    readConfigs: async (wanted) => wanted.map(({ file }) => configOf(recorded, file)),
    hidesSriov: (file) => hidesSriov(recorded, file),
    readLocked: async (wanted) => readLocked(recorded, wanted),
    changingPfs: () => linesOf(question.changing),
    readLinks: linkReader(answers),
    census: async () => ownersOf(linesOf(question.census)),
    run: hasPrograms ? async (words) => outputOf(answers.get(question.run(words))) : null,
    readKernelLog: async () => decodeLog(linesOf(question.kernelLog)),
    configFiles: async () => configFilesOf(answers),
    readWishes: async (depth) => wishesOf(answers, depth),
  };
}
