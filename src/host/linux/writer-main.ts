// Entry of the writer child in a checkout: a small program of its own, so that it starts without
// loading the command line. A bundle starts itself with `__perform` instead.

import { runWriter, writerArgument } from "./writer-child.ts";

const [, , mode, root = "/", runDirectory = "/run/sriovctl"] = process.argv;
if (mode === writerArgument) runWriter(root, runDirectory);
else process.exitCode = 2;
