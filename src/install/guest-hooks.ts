// The scripts that hypervisors run before a guest starts and after it has stopped. A script, so that
// a missing, broken or hanging sriovctl is not the guest's problem: only the exit code 3 refuses a
// start, unless the administrator asked to be strict. libvirt waits for its hooks, so all is bounded.

import type { InstalledFile } from "./installation.ts";
import { withHeader } from "./own-file.ts";

export type HookKind = "libvirt" | "pve";

type GuestHook = {
  /** How this program is started: absolute path and leading arguments. */
  readonly command: readonly string[];
  /** Refuses the start also when sriovctl itself fails. */
  readonly isStrict: boolean;
};

/** libvirt 6.5 and newer runs what is in its folder, in name order (docs/hooks.html); the other is
 * `local:snippets/` of Proxmox VE's default storage. */
const paths: Readonly<Record<HookKind, string>> = {
  libvirt: "/etc/libvirt/hooks/qemu.d/90-sriovctl",
  pve: "/var/lib/vz/snippets/sriovctl",
};

const managers: Readonly<Record<HookKind, string>> = { libvirt: "libvirt", pve: "Proxmox VE" };

/** How long a guest's start may be held up: then the program takes back what it did and says so,
 * and is killed after the second. */
const limitSeconds = 10;
const killSeconds = 5;

/** A word of the shell that is nothing but this text. */
const quoted = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** @param phases patterns of the shell for those in which there is something to do. */
function script({ command, isStrict }: GuestHook, kind: HookKind, phases: string): string {
  const [program = ""] = command;
  const broken = isStrict ? "exit 1" : "exit 0";
  const then = isStrict ? "so the guest is not started" : "and the guest goes on without it";
  const lines = [
    "# Sets what the specs say of a guest's VFs before it starts, and again after it has stopped.",
    `# Exit code 1 refuses the start: ${isStrict ? "strict" : "only when a VF is not as specified"}.`,
    `case "$2" in ${phases}) ;; *) exit 0 ;; esac`,
    "broken() {",
    `  words="sriovctl's hook for $1 $2 did not work ($3), ${then}"`,
    '  echo "$words" >&2',
    '  if command -v logger >/dev/null; then logger -t sriovctl -p daemon.warning -- "$words"; fi',
    `  ${broken}`,
    "}",
    `[ -x ${quoted(program)} ] || broken "$1" "$2" "there is no program"`,
    'command -v timeout >/dev/null || broken "$1" "$2" "there is no timeout(1)"',
    `limit="--preserve-status -k ${killSeconds} ${limitSeconds}"`,
    `timeout $limit ${command.map(quoted).join(" ")} hook ${kind} "$@"`,
    "status=$?",
    '[ "$status" -eq 0 ] && exit 0',
    '[ "$status" -eq 3 ] && exit 1',
    'broken "$1" "$2" "exit code $status"',
  ];
  return `#!/bin/sh\n${withHeader(lines)}`;
}

export const libvirtHook = (hook: GuestHook): string =>
  script(hook, "libvirt", "prepare | start | release");

export const pveHook = (hook: GuestHook): string => script(hook, "pve", "pre-start | post-stop");

export function hookFile(kind: HookKind, hook: GuestHook): InstalledFile {
  return {
    path: paths[kind],
    packagedPath: null,
    text: kind === "libvirt" ? libvirtHook(hook) : pveHook(hook),
    purpose: `sets the VFs of ${managers[kind]}'s guests when they start and stop`,
    isProgram: true,
  };
}
