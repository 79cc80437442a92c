#!/usr/bin/env node
// The command of a checkout. It may be started by any Node (npx uses the caller's), but the
// program is TypeScript that only Node 26 runs as it is: so this shim runs it in place under a
// new enough Node, and hands over to the Node 26 that `npm ci` installed otherwise. Stripped and
// compiled code is kept in the checkout's .cache: a start then takes a third of the time.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const main = new URL("../src/bin/sriovctl.ts", import.meta.url);
const ownNode = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url));

if (Number.parseInt(process.versions.node, 10) >= 26) {
  module.enableCompileCache(fileURLToPath(new URL("../.cache/compile", import.meta.url)));
  await import(main.href);
} else if (existsSync(ownNode)) {
  const child = spawn(ownNode, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    // A terminal sends Ctrl-C to the child itself; twice would mean "leave everything as it is".
    const isSentToBoth = signal === "SIGINT" && process.stdin.isTTY === true;
    process.on(signal, () => isSentToBoth || child.kill(signal));
  }
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
} else {
  console.error(
    `sriovctl: Cannot start: this is Node ${process.versions.node}, wanted 26 or newer. ` +
      "Run npm ci in the checkout, which installs it",
  );
  process.exitCode = 2;
}
