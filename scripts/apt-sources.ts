// Works out where a Debian release's backports are, from the apt configuration that is there: same
// archive, same signing key, another suite. Pure text to text, so that both of apt's file formats
// are tested without touching a machine's sources.

/** One index that apt knows, as `apt-get indextargets` describes it. */
type IndexTarget = {
  readonly repositoryUri: string;
  readonly release: string;
  readonly origin: string;
  readonly component: string;
  /** File and 1-based line that made apt look there. */
  readonly sourceFile: string;
  readonly sourceLine: number;
};

/** Decodes `apt-get indextargets "Identifier: Packages"`: blank-line separated `Key: value`. */
export function parseIndexTargets(text: string): IndexTarget[] {
  return text.split(/\n\n+/).flatMap((paragraph) => {
    const field = (name: string): string =>
      new RegExp(`^${name}: (.*)$`, "m").exec(paragraph)?.[1] ?? "";
    const [, sourceFile, sourceLine] = /^(.*):(\d+)$/.exec(field("Sourcesentry")) ?? [];
    if (sourceFile === undefined) return [];
    return [
      {
        repositoryUri: field("Repo-URI"),
        release: field("Release"),
        origin: field("Origin"),
        component: field("Component"),
        sourceFile,
        sourceLine: Number(sourceLine),
      },
    ];
  });
}

/** The value of Signed-By that governs `line` of a sources file, or null; may span lines. */
export function signedByAt(sourcesText: string, line: number): string | null {
  const lines = sourcesText.split("\n");
  const oneLine = /^deb.*\[[^\]]*signed-by=([^\s\]]+)/.exec(lines[line - 1] ?? "");
  if (oneLine !== null) return oneLine[1] ?? null;
  const isBlank = (text: string | undefined): boolean => (text ?? "").trim() === "";
  let first = line - 1;
  while (first > 0 && !isBlank(lines[first - 1])) first -= 1;
  let end = first;
  while (end < lines.length && !isBlank(lines[end])) end += 1;
  const paragraph = lines.slice(first, end).filter((text) => !text.startsWith("#"));
  const match = /^Signed-By:[ \t]*(.*(?:\n[ \t].*)*)/im.exec(paragraph.join("\n"));
  return match?.[1]?.trim() ?? null;
}

/** The text of a deb822 sources file for `${codename}-backports`, or null: no Debian archive. */
export function backportsSource(
  targets: readonly IndexTarget[],
  codename: string,
  readFile: (path: string) => string,
): string | null {
  const base = targets.find(
    ({ origin, release, component }) =>
      origin === "Debian" && release === codename && component === "main",
  );
  if (base === undefined) return null;
  const signedBy = signedByAt(readFile(base.sourceFile), base.sourceLine);
  return [
    "Types: deb",
    `URIs: ${base.repositoryUri}`,
    `Suites: ${codename}-backports`,
    "Components: main",
    ...(signedBy === null ? [] : [`Signed-By: ${signedBy}`]),
    "",
  ].join("\n");
}
