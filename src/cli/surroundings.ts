// What the program says of itself besides its commands: --help, the manual page and
// docs/commands.md all take it from here.

type Row = readonly [term: string, meaning: string];

export const tagline = "SR-IOV for Linux hosts, as one file";

export const description = `${tagline}.

Say which PFs, how many VFs and which policy in a spec; see the plan and whom it hits; apply it.`;

export const exitCodes: readonly Row[] = [
  ["0", "done"],
  ["1", "failed"],
  ["2", "usage or spec problem"],
  ["3", "refused (would harm someone)"],
  ["4", "drift, findings of the doctor, or something to look at"],
  ["5", "nothing is wrong, but the rest waits for a reboot of the host"],
];

export const environment: readonly Row[] = [
  ["SRIOVCTL_CONFIG_DIR", "folder of the specs, instead of /etc/sriovctl"],
  ["SRIOVCTL_STATE_DIR", "folder of journals, leases and emulated machines"],
  ["SRIOVCTL_RUN_DIR", "folder of locks, and of the marks of kernel writes in flight"],
  ["SRIOVCTL_WRITE_DEADLINE", "seconds after which a kernel write counts as stuck"],
  ["NO_COLOR", "print without colour, as --no-color does"],
];

export const files: readonly Row[] = [
  ["/etc/sriovctl", "specs"],
  ["/var/lib/sriovctl", "journals of applies, leases, and emulated machines"],
  ["/run/sriovctl", "locks; empty after a boot"],
  [
    "~/.config/sriovctl, ~/.local/state/sriovctl, $XDG_RUNTIME_DIR/sriovctl",
    "the same for everybody but root",
  ],
];
