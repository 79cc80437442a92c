// `sriovctl bench` on files: what is shown, exit codes, and refusals.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { runOf, type PathFigures } from "../bench/measured-run.arbitrary.ts";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const vf: PathFigures = {
  id: "guest-vf",
  latencyUs: 10,
  framesPerSecond: 1e6,
  tcpGbits: 9,
  cpu: 0.5,
};
const absent = { "guest-virtio-bridge": "QEMU is not installed" };

type Ran = Awaited<ReturnType<typeof runProgram>>;

/** Files before.json and after.json (TCP at a third), then the command in their folder. */
async function ran(
  context: Parameters<typeof temporaryDirectory>[0],
  words: (folder: string) => string[],
): Promise<Ran> {
  const folder = temporaryDirectory(context);
  const write = (name: string, figures: PathFigures): void =>
    writeFileSync(join(folder, name), JSON.stringify(runOf([figures], 5, absent)));
  write("before.json", vf);
  write("after.json", { ...vf, tcpGbits: 3 });
  writeFileSync(join(folder, "broken.json"), "{}");
  return runProgram(["bench", ...words(folder)], { env: stateIn(folder) });
}

suite("bench compare", () => {
  test("says what became worse; exit 4", async (context) => {
    const { stdout, exitCode } = await ran(context, (folder) => [
      "compare",
      join(folder, "before.json"),
      join(folder, "after.json"),
    ]);
    assert.equal(exitCode, 4);
    assert.match(
      stdout,
      /guest-vf +throughput, TCP +8\.\d+ Gbit\/s +2\.\d+ Gbit\/s +-67 %.* worse/,
    );
    assert.match(stdout, /latency, median.* same/);
  });

  test("of a run with itself finds nothing; --json says so", async (context) => {
    const { stdout, exitCode } = await ran(context, (folder) => [
      "compare",
      join(folder, "before.json"),
      join(folder, "before.json"),
      "--json",
    ]);
    const document = JSON.parse(stdout);
    assert.deepEqual(
      [exitCode, document.format, document.isWorse],
      [0, "sriovctl-bench-compare/1", false],
    );
    assert.deepEqual(
      [...new Set(document.metrics.map(({ change }: { change: string }) => change))],
      ["same"],
    );
  });
});

test("bench report says what was not measured and writes the page", async (context) => {
  let page = "";
  const { stdout, exitCode } = await ran(context, (folder) => {
    page = join(folder, "page.html");
    return ["report", join(folder, "before.json"), "--html", page];
  });
  assert.equal(exitCode, 0);
  assert.match(
    stdout,
    /guest-vf against guest-virtio-bridge\n  not measurable here: .*QEMU is not/,
  );
  assert.ok(existsSync(page) && readFileSync(page, "utf8").includes("<svg"));
});

const refusals: readonly (readonly [words: (folder: string) => string[], says: RegExp])[] = [
  [(folder) => ["compare", join(folder, "before.json")], /wanted two files/],
  [(folder) => ["report", join(folder, "broken.json")], /no format sriovctl-bench\/1/],
  [(folder) => ["report", join(folder, "nothing.json")], /no such file/],
  [() => ["constructor"], /wanted one of paths, restore, report, compare/],
  [() => ["paths", "--sizes", "12"], /--sizes 12: wanted 64 to 9018/],
  [() => ["paths", "--paths", "ns-vf-vf,by-mail"], /Cannot measure by-mail: wanted some of ns-/],
  [() => ["paths", "--pin", "1"], /--pin 1: wanted two processors/],
  [() => ["paths", "--rounds", "0"], /--rounds 0: wanted 1 to 1000/],
  [() => ["paths", "a.json"], /wanted options only/],
  [() => ["paths", "--host", "emulated:demo"], /only this machine has data paths that take time/],
  [
    (folder) => ["compare", folder, folder, "--tolerance", "lots"],
    /--tolerance lots: wanted per cent/,
  ],
];

for (const [words, says] of refusals) {
  test(`bench refuses: ${says.source}`, async (context) => {
    const { stderr, exitCode } = await ran(context, words);
    assert.equal(exitCode, 2);
    assert.match(stderr, says);
  });
}
