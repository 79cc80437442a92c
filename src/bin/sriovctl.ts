// The program: wires the process and the hosts to main() and nothing else. A bundle is also its own
// writer child (host/linux/writer-child.ts), which must not load the command line.

if (process.argv[2] === "__perform") {
  const { runWriter } = await import("../host/linux/writer-child.ts");
  const [root = "/", runDirectory = "/run/sriovctl"] = process.argv.slice(3);
  runWriter(root, runDirectory);
} else {
  const { main, reportCrash } = await import("../cli/main.ts");
  const { processIo } = await import("../cli/io.ts");
  const { hosts } = await import("./hosts.ts");
  const argv = process.argv.slice(2);
  const io = processIo();
  process.on("uncaughtException", (error) => process.exit(reportCrash(error, argv, io)));
  process.exitCode = await main(argv, io, hosts);
}
