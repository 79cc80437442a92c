// The program: wires the process and the hosts to main() and nothing else. A bundle is also its own
// writer child (host/linux/writer-child.ts), which must not load the command line.

if (process.argv[2] === "__perform") {
  const { runWriter } = await import("../host/linux/writer-child.ts");
  const [root = "/", runDirectory = "/run/sriovctl"] = process.argv.slice(3);
  runWriter(root, runDirectory);
} else {
  const { main } = await import("../cli/main.ts");
  const { processIo } = await import("../cli/io.ts");
  const { hosts } = await import("./hosts.ts");
  process.exitCode = await main(process.argv.slice(2), processIo(), hosts);
}
