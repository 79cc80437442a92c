// What `npm run dist` makes, as somebody meets it who has nothing else: the sums, the executable
// without a folder to write to, the Debian package through its whole life in a throwaway root, the
// npm package under Node 26.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync } from "node:fs";
import { readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, before, test } from "node:test";
import { Script } from "node:vm";
import { writerArgument } from "../../src/host/linux/writer-child.ts";
import { Writers } from "../../src/host/linux/writers.ts";
import { moduleEnd, moduleStart } from "../../scripts/build.ts";
import { buildDebian } from "../../scripts/dist-debian.ts";
import { buildRelease, type Release } from "../../scripts/dist.ts";
import { ThrowawayRoot, whyNoRoot, type Ran } from "./throwaway-root.ts";

const project = join(import.meta.dirname, "..", "..");
const work = mkdtempSync(join(tmpdir(), "sriovctl-release-"));
let release: Release;

before(async () => {
  release = await buildRelease();
});
after(() => rmSync(work, { recursive: true, force: true }));

test("V8 takes the compiled code that is shipped, which is that of a list alone", () => {
  const file = (name: string): Buffer => readFileSync(join(project, "dist/package", name));
  const source = `${moduleStart}${file("sriovctl.cjs").toString("latin1")}${moduleEnd}`;
  const script = new Script(source, { cachedData: file("sriovctl.v8") });
  assert.equal(script.cachedDataRejected, false);
  // With the rest of the program in it, it is more than half as long as the source.
  assert.ok(file("sriovctl.v8").length < source.length / 3, "a list loads the rest (bundle.ts)");
});

/** The executable as a user without any rights, whose home and temporary folder do not exist. */
function runBare(words: readonly string[], env: Readonly<Record<string, string>> = {}): Ran {
  const asNobody = process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--clear-groups"] : [];
  const [command = "", ...args] = [...asNobody, release.executable, ...words];
  return spawnSync(command, args, {
    encoding: "utf8",
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin", TMPDIR: "/nonexistent", HOME: "/nonexistent", ...env },
  });
}

/** The checkout in another folder; git still tells of this one. */
function copyCheckout(): { folder: string; env: NodeJS.ProcessEnv } {
  const folder = join(work, "another-folder");
  const isSource = (path: string): boolean =>
    !/^(?:node_modules|dist|\.git|\.cache)$/.test(relative(project, path));
  cpSync(project, folder, { recursive: true, filter: isSource });
  symlinkSync(join(project, "node_modules"), join(folder, "node_modules"));
  const words = ["-C", project, "rev-parse", "--absolute-git-dir"];
  const { stdout } = spawnSync("git", words, { encoding: "utf8" });
  const git = stdout === "" ? {} : { GIT_DIR: stdout.trim(), GIT_WORK_TREE: project };
  return { folder, env: { ...process.env, ...git, TZ: "Asia/Tokyo", TMPDIR: work, LC_ALL: "C" } };
}

test("a build in another folder and time zone, with another umask, gives the same sums", () => {
  const { folder, env } = copyCheckout();
  const script = `umask 077 && exec "$0" scripts/dist.ts`;
  const { status, stderr } = spawnSync("sh", ["-c", script, process.execPath], {
    cwd: folder,
    encoding: "utf8",
    env,
  });
  assert.equal(status, 0, stderr);
  const sums = readFileSync(join(folder, "dist/SHA256SUMS"), "utf8");
  assert.equal(sums, readFileSync(release.sums, "utf8"));
  const check = spawnSync("sha256sum", ["--check", "--strict", "SHA256SUMS"], {
    cwd: dirname(release.sums),
    encoding: "utf8",
  });
  assert.equal(check.status, 0, check.stdout);
});

test("the executable needs no folder that it may write to", () => {
  const { status, stdout, stderr } = runBare(["list", "--json"]);
  assert.equal(status, 0, stderr);
  const document: { format: string; problems?: { code: string }[] } = JSON.parse(stdout);
  assert.match(document.format, /^sriovctl-/);
  const codes = (document.problems ?? []).map(({ code }) => code);
  assert.ok(!codes.includes("netlink-fallback"), "it opens netlink sockets itself");
});

test("the executable lists an emulated machine; only its state is written", () => {
  const state = join(work, "state");
  mkdirSync(state, { mode: 0o777 });
  spawnSync("chmod", ["a+rwx", work, state]);
  const { status, stdout, stderr } = runBare(["--host", "emulated:demo", "list"], {
    SRIOVCTL_STATE_DIR: state,
    SRIOVCTL_RUN_DIR: state,
  });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /Intel E810-XXV/);
});

test("the executable takes no options of Node from the environment", () => {
  const { status, stderr } = runBare(["--version"], { NODE_OPTIONS: "--require /nonexistent.js" });
  assert.equal(status, 0, stderr);
});

test("the executable says what it is", () => {
  const { stdout } = runBare(["--version", "--json"]);
  const { build, commit, node } = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal((build as { kind: string }).kind, "executable");
  assert.match(String(commit), /^[0-9a-f]{40}\+?$/);
  assert.equal(node, process.versions.node);
});

test("the executable is its own writer child", async () => {
  const root = join(work, "writer");
  const pf = "0000:01:00.0";
  const folder = join(root, "sys/bus/pci/devices", pf);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "sriov_numvfs"), "0");
  const writers = new Writers([release.executable, writerArgument, root, join(work, "run")]);
  const options = { deadlineMs: 30_000, lockFd: null };
  const outcome = await writers.perform({ verb: "setNumVfs", pf, numVfs: 5 }, options);
  await writers.close();
  assert.deepEqual(outcome, { status: "done" });
  assert.equal(readFileSync(join(folder, "sriov_numvfs"), "utf8"), "5");
});

test("the executable runs the demo from the specs inside of it", () => {
  const { status, stdout, stderr } = runBare(["demo", "--json"], { TMPDIR: work });
  assert.equal(status, 0, stderr);
  assert.equal((JSON.parse(stdout) as { ok: boolean }).ok, true);
});

test("the executable's watchdog outlives it and takes back what nobody confirms", () => {
  const state = join(work, "trial");
  const env = { SRIOVCTL_STATE_DIR: state, SRIOVCTL_RUN_DIR: state };
  mkdirSync(state);
  spawnSync("chmod", ["a+rwx", state]);
  const spec = join(work, "demo.yaml"); // where a user without rights may read it
  copyFileSync(join(project, "examples/demo.yaml"), spec);
  const onDemo = (...words: readonly string[]): Ran =>
    runBare(["--host", "emulated:demo", ...words], env);
  const applied = onDemo("apply", "--yes", "--confirm-within", "1s", "-f", spec);
  assert.equal(applied.status, 0, applied.stderr);
  const deadlineMs = performance.now() + 60_000;
  const isUndone = (): boolean => onDemo("history", "--json").stdout.includes('"undone"');
  while (!isUndone() && performance.now() < deadlineMs);
  assert.ok(isUndone());
});

test("the archive holds the executable with its manual and completions", () => {
  const { status } = spawnSync("tar", ["-xzf", release.archive, "-C", work]);
  assert.equal(status, 0);
  const folder = readdirSync(work).find((name) => /^sriovctl-\d/.test(name)) ?? "";
  const run = spawnSync(join(work, folder, "sriovctl"), ["--version"], { encoding: "utf8" });
  assert.match(run.stdout, /^sriovctl \d/);
  assert.ok(existsSync(join(work, folder, "man/sriovctl.1")));
});

test("the npm package installs without a registry and runs under Node 26", () => {
  const prefix = join(work, "npm");
  const words = ["install", "--global", "--offline", "--no-audit", "--prefix", prefix];
  const install = spawnSync("npm", [...words, release.npmPackage], {
    encoding: "utf8",
    env: { ...process.env, npm_config_cache: join(work, "npm-cache") },
  });
  assert.equal(install.status, 0, install.stderr);
  const run = spawnSync(process.execPath, [join(prefix, "bin/sriovctl"), "--version"], {
    encoding: "utf8",
  });
  assert.match(run.stdout, /npm package for linux-/, run.stderr);
});

/** Packs the same files under another version: what an upgrade meets. */
function packed(version: string): string {
  const path = join(work, `sriovctl_${version}.deb`);
  const { debianFiles: files, timeS } = release;
  const facts = { version, description: "for a test", arch: process.arch, timeS, files };
  assert.ok(buildDebian(facts, path));
  return path;
}

test("upgrade, downgrade and remove keep journals and specs; purge leaves nothing", (t) => {
  const reason = release.debian === null ? "dpkg-deb is not installed" : whyNoRoot();
  if (reason !== null) return t.skip(reason);
  const root = new ThrowawayRoot(join(work, "root"), process.execPath);
  const before = root.listing();
  root.dpkg("--install", release.debian ?? "");
  assert.match(root.run("/usr/bin/sriovctl", "--version").stdout, /single executable/);
  // Used as an operator does: a spec, an apply with its journal, files in others' folders.
  const spec = join(root.directory, "etc/sriovctl/host.yaml");
  const example = join(root.directory, "usr/share/doc/sriovctl/examples/demo.yaml");
  copyFileSync(example, spec);
  const rules = join(root.directory, "etc/udev/rules.d");
  mkdirSync(rules, { recursive: true });
  const own = join(rules, "90-sriovctl-vfs.rules");
  const wants = join(root.directory, "etc/systemd/system/multi-user.target.wants");
  mkdirSync(wants, { recursive: true });
  const wanted = join(wants, "sriovctl-apply.service");
  symlinkSync("/usr/lib/systemd/system/sriovctl-apply.service", wanted);
  const foreign = join(rules, "99-sriovctl-mine.rules");
  writeFileSync(own, "# This file is sriovctl's: changes are overwritten\n");
  writeFileSync(foreign, "# written by hand\n");
  const onDemo = (...words: readonly string[]): Ran =>
    root.run("/usr/bin/sriovctl", "--host", "emulated:demo", ...words);
  const applied = onDemo(
    "apply",
    "-f",
    "/etc/sriovctl/host.yaml",
    "--yes",
    "--confirm-within",
    "off",
  );
  assert.equal(applied.status, 0, applied.stderr);
  const history = onDemo("history", "--json").stdout;
  assert.match(history, /"outcome": "done"/);
  const kept = (): void => {
    assert.deepEqual(readFileSync(spec), readFileSync(join(project, "examples/demo.yaml")));
    assert.ok(existsSync(own));
    assert.ok(lstatSync(wanted).isSymbolicLink());
    assert.equal(onDemo("history", "--json").stdout, history);
    const drift = onDemo("drift", "-f", "/etc/sriovctl/host.yaml");
    assert.equal(drift.status, 0, drift.stdout);
  };
  root.dpkg("--install", packed("99.0.0"));
  kept();
  const shown = (): string => root.dpkg("--status", "sriovctl").stdout;
  assert.match(shown(), /^Version: 99\.0\.0$/m);
  root.dpkg("--install", packed("0.0.1-rc1"));
  kept();
  assert.match(shown(), /^Version: 0\.0\.1~rc1$/m);
  root.dpkg("--remove", "sriovctl");
  assert.ok(existsSync(spec) && existsSync(own), "removing keeps them");
  assert.ok(existsSync(join(root.directory, "var/lib/sriovctl/emulated")));
  assert.ok(!existsSync(join(root.directory, "usr/bin/sriovctl")));
  assert.equal(lstatSync(wanted, { throwIfNoEntry: false }), undefined, "it would lead nowhere");
  root.dpkg("--purge", "sriovctl");
  assert.ok(existsSync(foreign), "a file that does not say that it is ours stays");
  rmSync(foreign);
  const left = root.listing().filter((path) => !before.includes(path));
  assert.deepEqual(
    left.filter((path) => statSync(join(root.directory, path)).isFile() || /sriov/.test(path)),
    [],
  );
});
