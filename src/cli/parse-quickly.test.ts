// The quick parser says what commander says, or nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { commandTable } from "./command-table.ts";
import { parseQuickly } from "./parse-quickly.ts";
import { makeProgram, type GlobalOptions, type Request } from "./program.ts";

const silent = { write: () => {}, isTerminal: false, columns: 80 };
const io = {
  stdout: silent,
  stderr: silent,
  env: {},
  isRoot: false,
  ask: null,
  askWithin: null,
  onInterrupt: () => () => {},
};

function parseWithCommander(argv: readonly string[]) {
  const requests: Request[] = [];
  const program = makeProgram(io, (request) => requests.push(request));
  try {
    program.parse([...argv], { from: "user" });
  } catch {
    return null;
  }
  const [request] = requests;
  return request === undefined ? null : { options: program.opts<GlobalOptions>(), request };
}

const argumentFacts = ({ row, args }: Request) => {
  const { operands, isSet, text, texts } = args;
  const names = row.options.map(({ flags }) => /--([\w-]+)/.exec(flags)?.[1] ?? "");
  return { operands, options: names.map((name) => [name, isSet(name), text(name), texts(name)]) };
};

const facts = (parsed: { options: GlobalOptions; request: Request }) => ({
  name: parsed.request.row.name,
  // A colour is a style of its own in commander: on unless --no-color.
  global: [
    parsed.options.host,
    parsed.options.speed,
    parsed.options.json === true,
    parsed.options.color,
    parsed.options.verbose === true,
    parsed.options.debug === true,
  ],
  args: argumentFacts(parsed.request),
});

const usualWords = `--host linux emulated:demo --host=emulated --host= --json --no-color -v
  --verbose --debug --speed 10 --speed=2 --wide -w -y --yes -f --file host.yaml --file=x - -- -5
  --allow-disruption vm:web1 --out -o --keep-going --finish --undo --reset --help -h -V -fx -vw
  --yes=1 --nonsense help`.split(/\s+/);

const words = fc.constantFrom("", ...usualWords, ...commandTable.map(({ name }) => name));

test("parseQuickly() agrees with commander wherever it answers", () => {
  let numAnswers = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...commandTable),
      fc.array(words, { maxLength: 6 }),
      (row, rest) => {
        for (const argv of [[row.name, ...rest], rest]) {
          const quick = parseQuickly(argv);
          if (quick === null) continue;
          numAnswers += 1;
          const slow = parseWithCommander(argv);
          assert.ok(slow !== null, argv.join(" "));
          assert.deepEqual(facts(quick), facts(slow), argv.join(" "));
        }
      },
    ),
    { numRuns: 1000 },
  );
  assert.ok(numAnswers > 50, `${numAnswers} answers`);
});

test("parseQuickly() answers every usual command line", () => {
  for (const argv of [
    ["list", "--json"],
    ["--host", "emulated:demo", "plan", "-f", "a.yaml", "--allow-disruption", "vm:a"],
    ["apply", "night.plan", "--yes"],
    ["decode", "a", "b", "-"],
  ]) {
    assert.ok(parseQuickly(argv) !== null, argv.join(" "));
  }
});
