// The one rule that needs all files at once: an export is imported by somebody. A name that only
// its own file uses is no export; a name that nobody uses then shows as unused to the compiler.

import { lineOf, resolveImport, type Finding, type SourceFile } from "./tidy-rules.ts";

const exportPattern =
  /^export (?:default )?(?:async )?(?:const|let|function\*?|class|type) (?<name>\w+)/gm;

/** `import { a, type b as c } from "./x.ts"`; what else stands before `from` takes the whole file. */
const namedImportPattern = /^import (?:type )?\{(?<names>[^}]*)\} from "(?<specifier>\.[^"]+)"/gm;
const wholeImportPattern =
  /^import (?:type )?\* as \w+ from "(?<from>\.[^"]+)"|\bimport\(\s*"(?<dynamic>\.[^"]+)"\s*\)/gm;

const keyOf = (path: string, name: string): string => `${path}#${name}`;

const importedName = (piece: string): string =>
  piece
    .trim()
    .replace(/^type /, "")
    .split(" as ")[0] ?? "";

/** What is imported by name, and for each file that is taken whole the texts that take it. */
function importsIn(files: readonly SourceFile[]) {
  const names = new Set<string>();
  const takers = new Map<string, string[]>();
  for (const { path, text } of files) {
    for (const { groups } of text.matchAll(namedImportPattern)) {
      const target = resolveImport(path, groups?.["specifier"] ?? "");
      for (const piece of (groups?.["names"] ?? "").split(",")) {
        names.add(keyOf(target, importedName(piece)));
      }
    }
    for (const { groups } of text.matchAll(wholeImportPattern)) {
      const target = resolveImport(path, groups?.["from"] ?? groups?.["dynamic"] ?? "");
      takers.set(target, [...(takers.get(target) ?? []), text]);
    }
  }
  return { names, takers };
}

export function checkExports(files: readonly SourceFile[]): Finding[] {
  const { names, takers } = importsIn(files);
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(exportPattern)].flatMap(({ groups, index }): Finding[] => {
      const name = groups?.["name"] ?? "";
      const isTaken = (taker: string): boolean => new RegExp(`\\b${name}\\b`).test(taker);
      if (names.has(keyOf(path, name)) || takers.get(path)?.some(isTaken) === true) return [];
      const message = `Nobody imports ${name}: drop its export, or all of it`;
      return [{ path, line: lineOf(text, index), message }];
    }),
  );
}
