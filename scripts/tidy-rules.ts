// The rules that tidy checks, as data and pure functions over (path, text): which room may import
// which, what a pure room must not touch, how long files, functions and lines may be. Kept apart
// from the walk over the tree so that each rule is tested on a few lines of text.

export type Finding = { readonly path: string; readonly line: number; readonly message: string };

export type SourceFile = { readonly path: string; readonly text: string };

const pureRooms = new Set([
  "model",
  "pci",
  "netlink",
  "plan",
  "install",
  "coexist",
  "lease",
  "doctor",
  "capture",
  "eswitch",
  "bench",
]);

/** The files and folders of pure rooms that are not. */
const edges: readonly string[] = ["src/lease/store.ts", "src/bench/run/"];

/** What each room under src/ may import, besides itself. `host.ts` is host/host.ts alone, and
 * `consumer.ts` vmm/consumer.ts, `qmp.ts` vmm/qemu/qmp.ts. */
const roomImports: Readonly<Record<string, readonly string[]>> = {
  model: [],
  pci: ["model"],
  netlink: ["model"],
  plan: ["model", "pci"],
  lease: ["model"],
  install: ["model"],
  coexist: ["model"],
  doctor: ["model", "pci"],
  capture: ["model", "pci", "netlink"],
  eswitch: ["model"],
  bench: ["model", "host.ts", "qmp.ts"],
  host: ["model", "pci", "netlink", "coexist", "capture", "eswitch", "consumer.ts"],
  apply: ["model", "plan", "lease", "host.ts", "consumer.ts"],
  vmm: ["model", "coexist", "host.ts"],
  cli: ["*"],
  bin: ["*"],
};

const limits = { fileLines: 300, functionLines: 70, columns: 100, parameters: 4 };

const isTest = (path: string): boolean =>
  /\.test\.ts$|\.conformance\.ts$|\.arbitrary\.ts$/.test(path);

const roomOf = (path: string): string | null => /^src\/([^/]+)\//.exec(path)?.[1] ?? null;

/** The folder inside host/ that a file belongs to: linux, emulated, snapshot. */
const backendOf = (path: string): string | null => /^src\/host\/([^/]+)\//.exec(path)?.[1] ?? null;

export const lineOf = (text: string, index: number): number =>
  text.slice(0, index).split("\n").length;

export function resolveImport(from: string, specifier: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const piece of specifier.split("/")) {
    if (piece === "..") parts.pop();
    else if (piece !== ".") parts.push(piece);
  }
  return parts.join("/");
}

const importPattern =
  /^\s*(?:import|export)\s+(type\s+)?[^;'"]*?from\s+["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)|^\s*import\s+["']([^"']+)["']/gm;

function importsOf({ text }: SourceFile): { specifier: string; isType: boolean; line: number }[] {
  return [...text.matchAll(importPattern)].map((match) => ({
    specifier: match[2] ?? match[3] ?? match[4] ?? "",
    isType: match[1] !== undefined,
    line: lineOf(text, match.index + match[0].length),
  }));
}

function checkImports(file: SourceFile): Finding[] {
  const room = roomOf(file.path);
  if (room === null || isTest(file.path)) return [];
  const allowed = roomImports[room];
  if (allowed === undefined) {
    return [{ path: file.path, line: 1, message: `Room ${room} is not in scripts/tidy-rules.ts` }];
  }
  const findings: Finding[] = [];
  for (const { specifier, line } of importsOf(file)) {
    if (!specifier.startsWith(".")) continue;
    const target = resolveImport(file.path, specifier);
    const targetRoom = roomOf(target) ?? "(outside src)";
    const backend = backendOf(file.path);
    const targetBackend = backendOf(target);
    if (
      room === "host" &&
      backend !== null &&
      targetBackend !== null &&
      backend !== targetBackend
    ) {
      const message = `host/${backend} imports host/${targetBackend}: backends never know each other`;
      findings.push({ path: file.path, line, message });
    }
    if (targetRoom === room || allowed.includes("*") || allowed.includes(targetRoom)) continue;
    if (allowed.includes("host.ts") && target === "src/host/host.ts") continue;
    if (allowed.includes("consumer.ts") && target === "src/vmm/consumer.ts") continue;
    if (allowed.includes("qmp.ts") && target === "src/vmm/qemu/qmp.ts") continue;
    const rooms = allowed.length === 0 ? "no other room" : allowed.join(", ");
    const message = `Room ${room} imports ${target}: it may import ${rooms}`;
    findings.push({ path: file.path, line, message });
  }
  return findings;
}

const impurities: readonly (readonly [RegExp, string])[] = [
  [/\basync\b|\bawait\b/, "is async: effects belong to host/, apply/ or cli/"],
  [/\bDate\.now\b|\bDate\(\)|\bperformance\.now\b/, "reads a clock: take `now` as an argument"],
  [/\bMath\.random\b|\bcrypto\.random/, "is random: take the number as an argument"],
  [/\bprocess\.|\bconsole\.|\bglobalThis\./, "touches the process: return data instead"],
  [/\bsetTimeout\b|\bsetInterval\b|\bfetch\(/, "schedules: effects belong to the edges"],
];

const withoutComments = (text: string): string =>
  text
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, " "))
    .replaceAll(/(^|\s)\/\/.*$/gm, "$1");

/** Packages that compute and touch nothing; anything else from outside may have effects. */
const purePackages = new Set(["@xmldom/xmldom", "yaml", "zod"]);

function checkPurity(file: SourceFile): Finding[] {
  const room = roomOf(file.path);
  if (room === null || !pureRooms.has(room) || isTest(file.path)) return [];
  if (edges.some((edge) => file.path.startsWith(edge))) return [];
  const findings: Finding[] = importsOf(file)
    .filter(({ specifier, isType }) => {
      return !specifier.startsWith(".") && !isType && !purePackages.has(specifier);
    })
    .map(({ specifier, line }) => ({
      path: file.path,
      line,
      message: `Pure room ${room} imports ${specifier}: hand it the fact as an argument`,
    }));
  withoutComments(file.text)
    .replaceAll(/"[^"\n]*"|`[^`]*`/g, (literal) => literal.replaceAll(/[^\n]/g, " "))
    .split("\n")
    .forEach((line, index) => {
      for (const [pattern, message] of impurities) {
        if (!pattern.test(line)) continue;
        findings.push({
          path: file.path,
          line: index + 1,
          message: `Pure room ${room} ${message}`,
        });
      }
    });
  return findings;
}

function checkShape(file: SourceFile): Finding[] {
  const findings: Finding[] = [];
  const lines = file.text.split("\n");
  const report = (line: number, message: string): void => {
    findings.push({ path: file.path, line, message });
  };
  const header = lines.slice(lines[0]?.startsWith("#!") === true ? 1 : 0);
  if (!/^\/\/ \S|^\/\*\*?/.test(header[0] ?? "")) {
    report(1, "No header comment: say in one to five sentences what the file is for");
  }
  const headerText = header
    .slice(
      0,
      header.findIndex((line) => !line.startsWith("//")),
    )
    .join(" ");
  const isLong = lines.length > limits.fileLines;
  const hasReason = headerText.includes("Long because");
  if (isLong && !hasReason) {
    report(1, `${lines.length} lines: split it, or say "Long because ..." in its header`);
  }
  if (!isLong && hasReason) report(1, `${lines.length} lines: not long, drop the reason for it`);
  lines.forEach((line, index) => {
    if (line.length > limits.columns && !/https?:|["'`/]/.test(line)) {
      report(index + 1, `${line.length} columns, wanted at most ${limits.columns}`);
    }
    if (/^export (?:type )?(?:\*|\{[^}]*\} from)/.test(line)) {
      report(index + 1, "Barrel: import the file that defines the name instead");
    }
    if (/\b(TODO|FIXME|XXX)\b/.test(line) && !file.path.startsWith("scripts/tidy")) {
      report(index + 1, "Leftover note to self: do it or write it down where it belongs");
    }
  });
  if (/(^|\/)(utils?|helpers?|common|misc|index)(\.ts$|\/)/.test(file.path)) {
    report(1, "Name says nothing: name the file after its idea");
  }
  return [...findings, ...checkFunctions(file)];
}

const functionStart =
  /^(\s*)(?:export )?(?:default )?(?:async )?(?:function\*? |(?:static |private |override )*(?:async )?\*?#?\w+\([^;]*\)[^;=]*\{$|const \w+ = (?:async )?(?:\(|\w+ =>))/;

/** A function ends at the first line that closes its indentation; oxfmt keeps that true. */
function checkFunctions(file: SourceFile): Finding[] {
  if (isTest(file.path)) return [];
  const findings: Finding[] = [];
  const lines = file.text.split("\n");
  lines.forEach((line, index) => {
    const match = functionStart.exec(line);
    if (match === null || /^\s*(?:if|for|while|switch|return|else|try|catch)\b/.test(line)) return;
    const indent = match[1] ?? "";
    const end = lines.findIndex(
      (later, at) =>
        at > index &&
        /^[}\])]/.test(later.slice(indent.length)) &&
        later.startsWith(indent) &&
        !/^\s*\): |^\s*\) =>|^\s*\}\): /.test(later),
    );
    const length = end === -1 ? 1 : end - index + 1;
    if (/\{$|\($/.test(line) && length > limits.functionLines) {
      const message = `Function of ${length} lines, wanted at most ${limits.functionLines}`;
      findings.push({ path: file.path, line: index + 1, message });
    }
    const parameters = /\(([^()]*)\)/.exec(line)?.[1] ?? "";
    const count = parameters.split(",").filter((piece) => /^\s*\w+\??:/.test(piece)).length;
    if (count > limits.parameters) {
      const message = `${count} parameters, wanted at most ${limits.parameters}: group them`;
      findings.push({ path: file.path, line: index + 1, message });
    }
  });
  return findings;
}

/** Things of the workshop that must not get into the product. */
const forbiddenWords: readonly (readonly [RegExp, string])[] = [
  [/registry\.[a-z]+\.(?:org|com)|\bnpmjs\b|deb\.debian\.org/, "names a package registry's host"],
  [/\/work\/|\/farm\//, "names a path of somebody's machine"],
];

export function checkWords(file: SourceFile): Finding[] {
  if (file.path.startsWith("scripts/tidy")) return [];
  const findings: Finding[] = [];
  file.text.split("\n").forEach((line, index) => {
    for (const [pattern, message] of forbiddenWords) {
      if (pattern.test(line)) findings.push({ path: file.path, line: index + 1, message });
    }
  });
  return findings;
}

export function checkSource(file: SourceFile): Finding[] {
  return [checkImports, checkPurity, checkShape, checkWords].flatMap((check) => check(file));
}
