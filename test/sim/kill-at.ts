// The whole program in a process that kills itself with SIGKILL at a named boundary:
// `kill-at.ts BOUNDARY ARGUMENT...`. Boundaries are `before:N`, `during:N` and `after:N` of host
// request N, counted from 0, and `never`. The last line of standard error counts the requests.

import { hosts } from "../../src/bin/hosts.ts";
import type { Host } from "../../src/host/host.ts";
import { runProgram } from "../run-program.ts";

const [boundary = "never", ...argv] = process.argv.slice(2);

const dieAt = (name: string): void => {
  if (name === boundary) process.kill(process.pid, "SIGKILL");
};

let requests = 0;

/** Between intent and request, between request and answer, between answer and result. */
const dying = (host: Host): Host => ({
  identity: host.identity,
  inventory: async (options) => await host.inventory(options),
  facts: async (inventory) => await host.facts(inventory),
  owners: async (addresses) => await host.owners(addresses),
  numaNodesOf: async (place) => await host.numaNodesOf(place),
  readConfig: async (address) => await host.readConfig(address),
  perform: async (request, options) => {
    const number = requests++;
    dieAt(`before:${number}`);
    const performing = host.perform(request, options);
    dieAt(`during:${number}`);
    const outcome = await performing;
    dieAt(`after:${number}`);
    return outcome;
  },
  awaitVfs: async (pf, numVfs, timeoutMs) => await host.awaitVfs(pf, numVfs, timeoutMs),
  now: () => host.now(),
  sleep: async (durationMs) => await host.sleep(durationMs),
  close: async () => await host.close(),
});

const { exitCode, stdout, stderr } = await runProgram(argv, {
  env: process.env as Record<string, string>,
  openHost: async (name, wish) => dying(await hosts.openHost(name, wish)),
});
process.stdout.write(stdout);
process.stderr.write(`${stderr}\nrequests ${requests}\n`);
process.exitCode = exitCode;
