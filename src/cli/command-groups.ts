// What the commands are for, in the order in which a person meets them: --help, the manual page and
// docs/commands.md show them so.

import { commandTable, type CommandRow } from "./command-table.ts";

const groups: readonly (readonly [title: string, names: readonly string[]])[] = [
  ["What is here", ["list", "show", "who", "doctor", "decode", "capture"]],
  [
    "A spec, and the host as it says",
    [
      ["plan", "apply", "confirm", "status", "drift", "history", "rollback", "recover"],
      ["import", "export", "schema"],
    ].flat(),
  ],
  [
    "VFs for VMs, namespaces and applications",
    ["attach", "detach", "without-vfs", "qemu-args", "lease", "hook"],
  ],
  ["At every boot", ["enable", "disable"]],
  ["Frames: where they go, and how fast", ["trace", "bench", "traffic"]],
  ["Other", ["demo", "completion"]],
];

type CommandGroup = { readonly title: string; readonly rows: readonly CommandRow[] };

/** Every command of the table once. */
export const commandGroups: readonly CommandGroup[] = groups.map(([title, names]) => ({
  title,
  rows: names.flatMap((name) => commandTable.filter((row) => row.name === name)),
}));
