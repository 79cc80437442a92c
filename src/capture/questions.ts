// How answers are named in a capture. The words are part of the file's format.

const configWord = "other-config ";

export const question = {
  changing: "changing-pfs",
  /** What netlink's replies come to: of a machine without a kernel, by ip(8), or in format 1. */
  netlink: "netlink",
  netlinkReplies: "netlink-replies",
  census: "census",
  /** What is defined, and what managers say of what runs beside that. */
  reservations: "reservations",
  runningReservations: "reservations-running",
  kernelLog: "kernel-log",
  configProblems: "other-config-problems",
  run: (words: readonly string[]): string => `run ${words.join(" ")}`,
  configFile: (path: string): string => `${configWord}${path}`,
} as const;

/** What Mellanox's tool is asked about the VFs that a card gives. */
export const firmwareQuestion = (address: string): string[] =>
  `mstconfig -d ${address} -e query SRIOV_EN NUM_OF_VFS`.split(" ");

/** Why a program says nothing: whoever made the capture did not ask it. */
export const notInCapture = "not in the capture";

/** Path of the other manager's file that the answer is; null for other answers. */
export const configFileOf = (text: string): string | null =>
  text.startsWith(configWord) ? text.slice(configWord.length) : null;
