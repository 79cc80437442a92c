// Where things are kept, for root, for others, and overridden.

import { awayFolder } from "../install/udev-rules.ts";
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { hostPaths, pathsFor } from "./paths.ts";

test("pathsFor() gives root the system folders", () => {
  assert.deepEqual(pathsFor({ HOME: "/root", XDG_STATE_HOME: "/x" }, true), {
    runDir: "/run/sriovctl",
    stateDir: "/var/lib/sriovctl",
    configDir: "/etc/sriovctl",
    systemRunDir: "/run/sriovctl",
  });
});

test("pathsFor() gives others their XDG folders", () => {
  assert.deepEqual(pathsFor({ HOME: "/home/a", XDG_RUNTIME_DIR: "/run/user/7" }, false), {
    runDir: "/run/user/7/sriovctl",
    stateDir: "/home/a/.local/state/sriovctl",
    configDir: "/home/a/.config/sriovctl",
    systemRunDir: "/run/sriovctl",
  });
  const env = { HOME: "/home/a", XDG_STATE_HOME: "/s", XDG_CONFIG_HOME: "/c", XDG_RUNTIME_DIR: "" };
  assert.deepEqual(pathsFor(env, false), {
    runDir: "/s/sriovctl/run",
    stateDir: "/s/sriovctl",
    configDir: "/c/sriovctl",
    systemRunDir: "/run/sriovctl",
  });
});

test("pathsFor() lets the environment override each folder", () => {
  const env = { SRIOVCTL_RUN_DIR: "/r", SRIOVCTL_STATE_DIR: "/s", SRIOVCTL_CONFIG_DIR: "/c" };
  const dirs = { runDir: "/r", stateDir: "/s", configDir: "/c", systemRunDir: "/r" };
  assert.deepEqual(pathsFor(env, true), dirs);
});

test("pathsFor() takes its own variables from where we stand, and ignores relative XDG folders", () => {
  const env = { SRIOVCTL_RUN_DIR: "r", SRIOVCTL_STATE_DIR: "./s", SRIOVCTL_CONFIG_DIR: "../c" };
  const found = pathsFor(env, false);
  const wanted = { runDir: "r", stateDir: "s", configDir: "../c", systemRunDir: "r" };
  for (const [name, path] of Object.entries(wanted)) {
    assert.equal(found[name as keyof typeof wanted], join(process.cwd(), path), name);
  }
  const xdg = { HOME: "/h", XDG_STATE_HOME: "s", XDG_CONFIG_HOME: "c", XDG_RUNTIME_DIR: "r" };
  assert.deepEqual(pathsFor(xdg, false), {
    runDir: "/h/.local/state/sriovctl/run",
    stateDir: "/h/.local/state/sriovctl",
    configDir: "/h/.config/sriovctl",
    systemRunDir: "/run/sriovctl",
  });
});

test("pathsFor() refuses folders that nobody can make", () => {
  for (const path of ["/proc/x", "/sys", "/tmp/../proc/1/x"]) {
    assert.throws(
      () => pathsFor({ SRIOVCTL_STATE_DIR: path }, true),
      /Cannot use SRIOVCTL_STATE_DIR/,
    );
  }
});

const paths = pathsFor({ SRIOVCTL_RUN_DIR: "/r", SRIOVCTL_STATE_DIR: "/s" }, true);
const rows: readonly (readonly [hostName: string, lockFile: string])[] = [
  ["linux", "/r/linux/apply.lock"],
  ["emulated:demo", "/r/emulated/demo/apply.lock"],
  ["emulated:..", "/r/emulated/%2E./apply.lock"],
  ["emulated:../../etc", "/r/emulated/%2E.%2F..%2Fetc/apply.lock"],
  ["linux:/srv/capture", "/r/linux/%2Fsrv%2Fcapture/apply.lock"],
];

test("hostPaths() keeps every host apart and inside its folder", () => {
  for (const [hostName, lockFile] of rows) {
    assert.equal(hostPaths(paths, hostName).lockFile, lockFile, hostName);
  }
  const { journalDir, awayDir } = hostPaths(paths, "linux");
  assert.equal(journalDir, "/s/linux/journal");
  assert.equal(awayDir, awayFolder(paths.systemRunDir), "where udev looks");
});
