// Takes out of a capture what tells whose machine it is: MACs, serial numbers, GUIDs and machine
// numbers, IP addresses, the host's name, and passwords in other managers' files. The same value gets
// the same stand-in everywhere, also where it is part of a name or of config space, so that what
// belongs together still does.

import { registersAt } from "../pci/registers.ts";
import { walkExtendedList } from "../pci/capability-walk.ts";
import type { Evidence, FileAnswer } from "./evidence.ts";
import { decodeReplies, encodeReplies } from "./netlink-replies.ts";
import { question as questions } from "./questions.ts";
import { replaceInLink } from "./redact-link.ts";
import { parseIpv4, parseIpv6 } from "./ip-address.ts";

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
const bytesOf = (digits: string): number[] =>
  (digits.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
const spell = (bytes: readonly number[], separator: string): string =>
  bytes.map((byte) => hex(byte, 2)).join(separator);
const low24 = (number: number): number[] => [
  (number >> 16) & 0xff,
  (number >> 8) & 0xff,
  number & 0xff,
];

const isBlank = (bytes: readonly number[]): boolean =>
  bytes.every((byte) => byte === 0) || bytes.every((byte) => byte === 0xff);

class StandIns {
  readonly #numbers = new Map<string, number>();
  readonly #counts = new Map<string, number>();

  /** 1 for the first value of this kind, and so on; the same for the same value. */
  numberOf(kind: string, value: string): number {
    const key = `${kind} ${value}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, number);
    this.#numbers.set(key, number);
    return number;
  }

  /** Keeps the maker's part of an address and numbers the rest. One that somebody chose has no
   * maker, but QEMU's tell that they are. */
  mac(digits: string): number[] {
    const bytes = bytesOf(digits);
    const [first = 0, second = 0, third = 0] = bytes;
    if (isBlank(bytes) || (first & 1) === 1) return bytes;
    const isQemu = first === 0x52 && second === 0x54 && third === 0;
    const maker = (first & 2) === 0 || isQemu ? [first, second, third] : [2, 0, 0];
    return [...maker, ...low24(this.numberOf(`mac ${spell(maker, "")}`, digits.toLowerCase()))];
  }

  /** Device serial numbers and GUIDs of ports: eight bytes, the maker's three first. */
  serial(digits: string): number[] {
    const bytes = bytesOf(digits);
    if (isBlank(bytes)) return bytes;
    const number = this.numberOf("serial", digits.toLowerCase());
    return [...bytes.slice(0, 3), 0xff, 0xff, ...low24(number)];
  }

  ipv4(text: string): string {
    const [first = 0] = parseIpv4(text) ?? [];
    if (first === 0 || first === 127 || first >= 224) return text;
    const number = this.numberOf("ipv4", text);
    // TEST-NET-2 (RFC 5737), and where that is full, a corner of 10/8.
    return number < 255 ? `198.51.100.${number}` : `10.99.${(number >> 8) & 0xff}.${number & 0xff}`;
  }

  ipv6(text: string): string {
    const whole = parseIpv6(text);
    const isKept = whole === null || whole.startsWith("ff") || /^(?:0000:){7}000[01]$/.test(whole);
    if (isKept) return text;
    const number = hex(this.numberOf("ipv6", whole), 1);
    return whole.startsWith("fe80") ? `fe80::${number}` : `2001:db8::${number}`;
  }

  longNumber(digits: string): string {
    return hex(this.numberOf("guid", digits.toLowerCase()), 12);
  }
}

const pair = "[0-9a-f]{2}";

/** One pass, so that a stand-in is not taken for a value itself. */
const identifiers = new RegExp(
  [
    `(?<guid>\\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\\b)`,
    `(?<![0-9a-f:-])(?<infiniband>(?:${pair}:){19}${pair})(?![0-9a-f:-])`,
    `(?<![0-9a-f:-])(?<serial>(?:${pair}:){7}${pair}|(?:${pair}-){7}${pair})(?![0-9a-f:-])`,
    `(?<![0-9a-f:-])(?<mac>(?:${pair}:){5}${pair}|(?:${pair}-){5}${pair})(?![0-9a-f:-])`,
    `(?<=en(?:P[0-9]+)?x|wlx|ibx|ib|wwx)(?<named>[0-9a-f]{12})(?![0-9a-f])`,
    `\\b(?<machine>[0-9a-f]{32})\\b`,
    `(?<![\\w.])(?<ipv4>[0-9]{1,3}(?:\\.[0-9]{1,3}){3})(?![\\w.]*\\w)`,
    `(?<![\\w:.])(?<ipv6>[0-9a-f:]*::[0-9a-f:]*|(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4})(?![\\w:.])`,
    `(?<=serial_number":")(?<board>[^"]+)`,
  ].join("|"),
  "gi",
);

/** Names of things that all machines have: the place of an EFI variable (UEFI 2.10 section 3.3). */
const commonGuids = new Set(["8be4df61-93ca-11d2-aa0d-00e098032b8c"]);

/** What stands before four numbers that are a version. */
const versionBefore =
  /(?:version|firmware|\bver\.?|\bfw[\w.-]*|\brev|\bv|pkg)["']?\s*[:= ]\s*["']?$/i;

const digitsOf = (text: string): string => text.replaceAll(/[:-]/g, "");

function replaceIdentifiers(text: string, standIns: StandIns): string {
  return text.replaceAll(identifiers, (whole: string, ...rest: unknown[]) => {
    const groups = rest.at(-1) as Readonly<Record<string, string | undefined>>;
    const offset = rest.at(-3) as number;
    const separator = whole.includes("-") ? "-" : ":";
    if (groups["guid"] !== undefined) {
      if (commonGuids.has(whole.toLowerCase())) return whole;
      return `00000000-0000-4000-8000-${standIns.longNumber(whole)}`;
    }
    if (groups["infiniband"] !== undefined) {
      const digits = digitsOf(whole);
      return spell([...bytesOf(digits.slice(0, 24)), ...standIns.serial(digits.slice(24))], ":");
    }
    if (groups["serial"] !== undefined) return spell(standIns.serial(digitsOf(whole)), separator);
    if (groups["mac"] !== undefined) return spell(standIns.mac(digitsOf(whole)), separator);
    if (groups["named"] !== undefined) return spell(standIns.mac(whole), "");
    if (groups["machine"] !== undefined) return standIns.longNumber(whole).padStart(32, "0");
    if (groups["board"] !== undefined) return `serial-${standIns.numberOf("board", whole)}`;
    if (groups["ipv6"] !== undefined) return standIns.ipv6(whole);
    const isVersion = versionBefore.test(text.slice(Math.max(0, offset - 40), offset));
    return isVersion ? whole : standIns.ipv4(whole);
  });
}

const secret =
  /^(\s*[\w.-]*(?:psk|password|passwd|secret|private[-_]?key|wep[-_]?key|preshared[-_]?key|token|community)[\w.-]*\s*[=:]\s*)\S.*$/gim;

/** Passwords are nobody's business, whether identifiers stay or not. */
export const withoutSecrets = (text: string): string => text.replaceAll(secret, "$1***");

const escapePattern = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Names that are words of other things too. */
const commonNames =
  /^(?:.{0,2}|localhost|linux|debian|ubuntu|fedora|rocky|suse|pci|kvm|host|node|\(none\))$/i;

function replaceName(text: string, name: RegExp | null): string {
  return name === null ? text : text.replaceAll(name, "host");
}

export const hostNameFile = "/proc/sys/kernel/hostname";

function hostNamePattern({ files }: Evidence): RegExp | null {
  const answer = files.get(hostNameFile);
  const name = answer?.kind === "text" ? answer.text.trim() : "";
  const [label = ""] = name.split(".");
  const wanted = [name, label].filter((each) => !commonNames.test(each)).map(escapePattern);
  return wanted.length === 0 ? null : new RegExp(`(?<!\\w)(?:${wanted.join("|")})(?!\\w)`, "gi");
}

const serialNumberId = 0x0003;

/** Config space with another Device Serial Number (PCIe 7.9.3: low word, then high word). */
function replaceSerial(bytes: Uint8Array, standIns: StandIns): Uint8Array {
  if (bytes.length <= 0x100) return bytes;
  const entries = walkExtendedList(registersAt(bytes, 0), () => {});
  const place = entries.find(({ id }) => id === serialNumberId)?.offset;
  if (place === undefined || place + 12 > bytes.length) return bytes;
  const replaced = bytes.slice();
  const number = bytes.slice(place + 4, place + 12).toReversed();
  replaced.set(standIns.serial(spell([...number], "")).toReversed(), place + 4);
  return replaced;
}

type ReplaceText = (text: string) => string;

function replaceInFile(answer: FileAnswer, text: ReplaceText, standIns: StandIns): FileAnswer {
  switch (answer.kind) {
    case "text":
      return { kind: "text", text: text(answer.text) };
    case "bytes":
      return { kind: "bytes", bytes: replaceSerial(answer.bytes, standIns) };
    case "link":
      return { kind: "link", target: text(answer.target) };
    case "names":
      return { kind: "names", names: answer.names.map(text).toSorted() };
    case "failed":
      return answer;
  }
}

const byKey = ([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number =>
  left < right ? -1 : 1;

/** The same evidence for any order in which it was read. */
export function replaceInEvidence(evidence: Evidence): Evidence {
  const standIns = new StandIns();
  const hostName = hostNamePattern(evidence);
  const text: ReplaceText = (value) => replaceName(replaceIdentifiers(value, standIns), hostName);
  const answers = [...evidence.answers].toSorted(byKey).map(([question, lines]) => {
    // Versions of programs look like addresses, and no address is near them.
    if (question === questions.netlinkReplies)
      return [question, replaceInReplies(lines, text, standIns)] as const;
    const isVersion = /^run (?:ethtool|devlink|\S+ (?:--version|-V)$)/.test(question);
    const change = isVersion ? (line: string): string => replaceBoard(line, standIns) : text;
    return [text(question), lines.map(change)] as const;
  });
  const files = [...evidence.files]
    .toSorted(byKey)
    .map(([path, answer]) => [text(path), replaceInFile(answer, text, standIns)] as const);
  return {
    header: { ...evidence.header, identifiers: "replaced" },
    files: new Map(files),
    answers: new Map(answers),
  };
}

function replaceInReplies(
  lines: readonly string[],
  text: ReplaceText,
  standIns: StandIns,
): readonly string[] {
  const { links, speeds, eswitch, problems } = decodeReplies(lines);
  const replacing = {
    text,
    mac: (digits: string) => standIns.mac(digits),
    serial: (digits: string) => standIns.serial(digits),
  };
  return encodeReplies({
    links: links.map((bytes) => replaceInLink(bytes, replacing)),
    speeds: speeds.map(([netdev, speedMbps]) => [text(netdev), speedMbps]),
    // Of a PF by its address, with numbers.
    eswitch,
    problems: problems.map((problem) => ({
      ...problem,
      where: text(problem.where),
      message: text(problem.message),
    })),
  });
}

const replaceBoard = (line: string, standIns: StandIns): string =>
  line.replaceAll(/(?<=serial_number":")[^"]+/g, (value) => {
    return `serial-${standIns.numberOf("board", value)}`;
  });
