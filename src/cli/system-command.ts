// Programs of the system that we ask for something on the side: systemctl, udevadm. Arguments are
// an array, output is for messages only, and none may keep us waiting.

import { spawnSync } from "node:child_process";

type CommandOutcome =
  | { readonly status: "done" }
  | { readonly status: "missing" }
  | { readonly status: "failed"; readonly words: string };

const timeoutMs = 30_000;

export function runSystemCommand([program = "", ...args]: readonly string[]): CommandOutcome {
  const { status, signal, stderr, error } = spawnSync(program, args, {
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
    timeout: timeoutMs,
    env: { ...process.env, LC_ALL: "C" },
  });
  if (error !== undefined && "code" in error && error.code === "ENOENT") {
    return { status: "missing" };
  }
  if (status === 0) return { status: "done" };
  const [line = ""] = stderr?.trim().split("\n") ?? [];
  const end = signal === null ? `exit code ${status}` : `signal ${signal}`;
  return { status: "failed", words: line === "" ? end : line };
}
