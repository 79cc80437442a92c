// One JavaScript file of two parts: what `list` of a real host runs, which is short and compiled at
// once, and the rest, a function that nobody compiles before it is called. V8 keeps something of
// every function that it has seen, so one part of all would make a cold start pay for all of it.

import { join, relative } from "node:path";
import { build, type BuildOptions, type Metafile, type Plugin } from "esbuild";
import { factsOfCheckout } from "../src/cli/build-facts.ts";

const root = join(import.meta.dirname, "..");

/** As src/bin/sriovctl.ts, which may await at the top; a CommonJS file may not. */
const program = `
import { runWriter } from "./src/host/linux/writer-child.ts";
import { main, reportCrash } from "./src/cli/main.ts";
import { processIo } from "./src/cli/io.ts";
import { hosts } from "./src/bin/hosts.ts";
const [word, root = "/", runDirectory = "/run/sriovctl"] = process.argv.slice(2);
// A bundle is also its own writer child.
if (word === "__perform") runWriter(root, runDirectory);
else {
  const argv = process.argv.slice(2);
  const io = processIo();
  process.on("uncaughtException", (error) => process.exit(reportCrash(error, argv, io)));
  main(argv, io, hosts).then((code) => { process.exitCode = code; });
}
`;

/** What `list` imports when it runs. */
const quickRoots = [
  "src/cli/commands/list.ts",
  "src/cli/list-text.ts",
  "src/host/linux/linux-host.ts",
  "src/host/linux/links.ts",
  "src/host/linux/link-facts.ts",
  "src/host/other-managers.ts",
  "src/host/reservation-files.ts",
  "src/model/reservation.ts",
];

const options = {
  absWorkingDir: root,
  bundle: true,
  write: false,
  minify: true,
  charset: "ascii",
  format: "cjs",
  platform: "node",
  target: "node26",
  // vm.Script has no import().
  supported: { "dynamic-import": false },
  define: {
    "import.meta.dirname": "__dirname",
    "import.meta.filename": "__filename",
    "import.meta.url": "__filename",
    "SRIOVCTL_BUILD": JSON.stringify(factsOfCheckout(root)),
  },
  logLevel: "warning",
} as const satisfies BuildOptions;

const stdinOf = (contents: string, loader: "ts" | "js" = "ts") => ({
  contents,
  resolveDir: root,
  loader,
});

async function bundleText(contents: string, plugin: Plugin): Promise<string> {
  const result = await build({ ...options, stdin: stdinOf(contents), plugins: [plugin] });
  const [file] = result.outputFiles;
  if (file === undefined) throw new Error("Cannot bundle: esbuild wrote nothing");
  return file.text;
}

type Imports = { readonly quick: ReadonlySet<string>; readonly late: ReadonlySet<string> };

/** Modules of the quick part, and those outside of it that it imports when it needs them. */
function importsOf({ inputs }: Metafile): Imports {
  const quick = new Set<string>();
  const late = new Set<string>();
  const add = (path: string): void => {
    const input = inputs[path];
    if (input === undefined || quick.has(path)) return;
    quick.add(path);
    for (const { kind, path: target } of input.imports) {
      if (kind === "dynamic-import") late.add(target);
      else add(target);
    }
  };
  for (const path of ["<stdin>", ...quickRoots]) add(path);
  // The program itself, and what `define` puts in.
  for (const path of quick) if (!path.startsWith("src/")) quick.delete(path);
  return { quick, late: new Set([...late].filter((path) => path in inputs && !quick.has(path))) };
}

/** Leaves the imports that fit to the part that has them: `quick:src/model/errors.ts`. */
const leaving = (
  part: "quick" | "rest",
  fits: (path: string, kind: string) => boolean,
): Plugin => ({
  name: `leave-${part}`,
  setup({ onResolve }) {
    onResolve({ filter: /^\./ }, ({ path, resolveDir, kind }) => {
      const target = relative(root, join(resolveDir, path));
      return fits(target, kind) ? { path: `${part}:${target}`, external: true } : undefined;
    });
  },
});

/** The bundle's text: a CommonJS module that runs the program. */
export async function bundleProgram(): Promise<string> {
  const whole = await build({ ...options, stdin: stdinOf(program), metafile: true });
  const { quick, late } = importsOf(whole.metafile);
  const modules = [...quick].toSorted();
  const quickText = await bundleText(
    [
      ...modules.map((path, index) => `import * as m${index} from "./${path}";`),
      `register({ ${modules.map((path, index) => `"${path}": m${index}`).join(", ")} });`,
      program,
    ].join("\n"),
    leaving("rest", (path, kind) => kind === "dynamic-import" && late.has(path)),
  );
  const restText = await bundleText(
    `module.exports = { ${[...late]
      .toSorted()
      .map((path) => `"${path}": () => require("./${path}")`)
      .join(", ")} };`,
    leaving("quick", (path) => quick.has(path)),
  );
  return `var quick, rest;
var loadRest = function (require, module, exports) {
${restText}};
var own = function (id) {
  if (id.startsWith("quick:")) return quick[id.slice(6)];
  if (!id.startsWith("rest:")) return require(id);
  if (rest === undefined) {
    var restModule = { exports: {} };
    loadRest(own, restModule, restModule.exports);
    rest = restModule.exports;
  }
  return rest[id.slice(5)]();
};
(function (require, register) {
${quickText}})(own, function (modules) { quick = modules; });
`;
}
