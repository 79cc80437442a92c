// enable and disable below a root of their own: what they write, leave alone and refuse. What the
// units then do is shown by a systemd in the lab.

import assert from "node:assert/strict";
import { existsSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const unit = "etc/systemd/system/sriovctl-apply.service";

function image(context: TestContext) {
  const root = temporaryDirectory(context);
  const env = stateIn(temporaryDirectory(context));
  const run = (...argv: readonly string[]) => runProgram([...argv, "--root", root], { env });
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const files = () =>
    globSync("**/*", { cwd: root, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
      .toSorted();
  return { root, run, write, files };
}

const ours = [
  "etc/systemd/network/05-sriovctl-leave-alone.network",
  "etc/systemd/system/sriovctl-apply.service",
  "etc/systemd/system/sriovctl-apply@.service",
  "etc/systemd/system/sriovctl-returned.service",
  "etc/udev/rules.d/90-sriovctl.rules",
];

/** Without systemctl the link is left to a person, who is told. */
const hasLink = (root: string): boolean =>
  existsSync(join(root, "etc/systemd/system/multi-user.target.wants"));

test("enable writes five files, again changes nothing, and disable takes exactly them", async (context) => {
  const { root, run, write, files } = image(context);
  write("etc/udev/rules.d/10-mine.rules", "# mine\n");
  const first = await run("enable");
  assert.deepEqual(files(), [...ours, "etc/udev/rules.d/10-mine.rules"].toSorted());
  assert.match(
    readFileSync(join(root, unit), "utf8"),
    /^ExecStart=.* apply --unattended --wait 60$/m,
  );
  assert.match(
    first.stdout,
    /^ {2}create \/etc\/systemd\/system\/sriovctl-apply\.service, which /m,
  );
  if (first.exitCode !== 0) {
    assert.match(first.stderr, /^error: Not done: systemctl --root=.* there is no systemctl/m);
  } else {
    assert.ok(hasLink(root));
    const again = await run("enable");
    assert.match(again.stdout, /Enabled already: nothing was changed\n$/);
  }
  const { stdout } = await run("disable");
  assert.match(stdout, /^ {2}remove \/etc\/udev\/rules\.d\/90-sriovctl\.rules/m);
  assert.deepEqual(files(), ["etc/udev/rules.d/10-mine.rules"]);
  assert.equal((await run("disable")).exitCode, 0);
});

test("an image without the program is told of, and one with it is not", async (context) => {
  const { run, write } = image(context);
  const { stderr } = await run("enable", "--dry-run");
  assert.match(stderr, /^warning: There is no \/.* below .*: what is enabled will not start$/m);
  assert.match(
    (await run("enable", "--libvirt-hook", "--dry-run")).stderr,
    /^warning: There is no /,
  );
  write("usr/bin/sriovctl", "");
  assert.equal((await run("enable", "--dry-run")).stderr, "");
});

test("--dry-run says what would be done and does nothing", async (context) => {
  const { run, files } = image(context);
  const { exitCode, stdout } = await run("enable", "--dry-run", "--json");
  assert.equal(exitCode, 0);
  const { format, isDone, files: planned } = JSON.parse(stdout);
  assert.deepEqual([format, isDone, planned.length], ["sriovctl-enable/1", false, 5]);
  assert.deepEqual(files(), []);
});

test("a file that is not ours is left alone: enable refuses, disable goes round it", async (context) => {
  const { run, write, root, files } = image(context);
  write(unit, "[Unit]\nDescription=mine\n");
  const refused = await run("enable");
  assert.equal(refused.exitCode, 3);
  assert.match(refused.stderr, /sriovctl-apply\.service: it is not a file of sriovctl's/);
  assert.deepEqual(files(), [unit]);
  const { exitCode, stdout } = await run("disable");
  assert.equal(exitCode, 0);
  assert.match(stdout, /keep \/etc\/systemd\/system\/sriovctl-apply\.service: .* not a file of/);
  assert.deepEqual(files(), [unit]);
  assert.match(readFileSync(join(root, unit), "utf8"), /mine/);
});

test("a masked unit stays masked", async (context) => {
  const { run, root } = image(context);
  mkdirSync(join(root, "etc/systemd/system"), { recursive: true });
  symlinkSync("/dev/null", join(root, unit));
  const { exitCode, stderr } = await run("enable");
  assert.equal(exitCode, 3);
  assert.match(stderr, /it is a link to \/dev\/null/);
});

test("what the package ships is not written again, and our own copy of it goes", async (context) => {
  const { run, write, files } = image(context);
  await run("enable");
  for (const path of ours) {
    const packaged = path.replace(/^etc\//, "usr/lib/");
    write(packaged, "# the package's\n");
  }
  write("usr/bin/sriovctl", "");
  const { stdout } = await run("enable");
  assert.match(stdout, /remove \/etc\/systemd\/system\/sriovctl-apply\.service/);
  assert.deepEqual(
    files().filter((path) => path.startsWith("etc/")),
    [],
  );
});

test("the units start the program of the image where it has one", async (context) => {
  const { run, write, root } = image(context);
  write("usr/bin/sriovctl", "");
  await run("enable");
  const text = readFileSync(join(root, unit), "utf8");
  assert.match(text, /^ExecStart=\/usr\/bin\/sriovctl apply --unattended --wait 60$/m);
});

test("enable of the running system needs root, and a folder must be there", async () => {
  const { exitCode, stderr } = await runProgram(["enable"]);
  assert.deepEqual(
    [exitCode, stderr.split("\n")[0]],
    [1, "error: Cannot enable: this is not root"],
  );
  assert.equal((await runProgram(["enable", "--root", "/no/such/folder"])).exitCode, 2);
});
