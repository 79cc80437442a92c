// The program: wires the process and the hosts to main() and nothing else.

import { main } from "../cli/main.ts";
import { processIo } from "../cli/io.ts";
import { hosts } from "./hosts.ts";

process.exitCode = await main(process.argv.slice(2), processIo(), hosts);
