// A file that we put into somebody else's folder (systemd's, udev's, a network manager's). Its
// first line names us: what carries that line may be rewritten and removed, nothing else may.

export type OwnFile = {
  /** Absolute, below the root that is being set up. */
  readonly path: string;
  readonly text: string;
  /** Somebody runs it. */
  readonly isProgram?: true;
  /** What it is for, to end the sentence "a file that ...". */
  readonly purpose: string;
};

const mark = "# This file is sriovctl's:";

/** All of these formats know `#` comments. */
export const withHeader = (lines: readonly string[]): string =>
  [
    `${mark} changes are overwritten; sriovctl disable, or its package, removes it.`,
    ...lines,
    "",
  ].join("\n");

/** Whether the text of a file says that it is ours. A script says so in its second line. */
export const isOwnText = (text: string): boolean => text.replace(/^#!.*\n/, "").startsWith(mark);
