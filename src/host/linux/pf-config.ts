// Config space of the PFs of an inventory: on the thread pool, with a deadline, and by a child where
// a change is known to be in flight, so that no thread of ours is caught in it.

import type { Address } from "../../model/bdf.ts";
import { configFacts, type ConfigFacts } from "./config-facts.ts";
import { type ConfigRead, readConfigs } from "./config-reader.ts";
import { readLockedBytes } from "./locked-reader.ts";
import type { ScannedPf } from "./scan.ts";
import type { HostSources } from "./sources.ts";
import type { TreeReader } from "./tree-reader.ts";

/** A config read is given up after this: the kernel's own pauses are 100 ms and 1 s. */
const configDeadlineMs = 1200;

async function readConfigInChild(file: string, deadlineMs: number): Promise<ConfigRead> {
  const bytes = await readLockedBytes(file, deadlineMs);
  return bytes.length === 0 ? { status: "late" } : { status: "read", bytes };
}

export type ConfigFile = {
  readonly file: string;
  /** Somebody is changing the function: no thread of ours may ask. */
  readonly mayWait: boolean;
};

/** Config space of each file, in order, by a child where a change is known to be in flight. */
export async function readGuardedConfigs(
  files: readonly ConfigFile[],
  deadlineMs: number,
): Promise<ConfigRead[]> {
  const settled = files.filter(({ mayWait }) => !mayWait).map(({ file }) => file);
  const [reads, lockedReads] = await Promise.all([
    readConfigs(settled, deadlineMs),
    Promise.all(
      files.map(({ file, mayWait }) => (mayWait ? readConfigInChild(file, deadlineMs) : null)),
    ),
  ]);
  let next = 0;
  return lockedReads.map((locked) => locked ?? reads[next++] ?? { status: "late" });
}

type ConfigQuestion = {
  readonly changing: ReadonlySet<Address>;
  readonly readConfigs: HostSources["readConfigs"];
};

/** Config space of each PF, by a child where a change is known to be in flight. A read that does
 * not come back is a sign of a change under way. */
export async function readPfConfigs(
  pfs: readonly ScannedPf[],
  question: ConfigQuestion,
  reader: TreeReader,
): Promise<{ facts: ConfigFacts | null; isLate: boolean }[]> {
  const fileOf = ({ fn }: ScannedPf): string => `${fn.folder}/config`;
  const readable = pfs.filter(({ fn }) => fn.files.has("config"));
  const reads = await question.readConfigs(
    readable.map((pf) => ({ file: fileOf(pf), mayWait: question.changing.has(pf.fn.address) })),
    configDeadlineMs,
  );
  const configOf = new Map(readable.map((pf, index) => [pf, reads[index]] as const));
  return pfs.map((pf) => {
    const { fn } = pf;
    const where = fileOf(pf);
    const config = configOf.get(pf);
    if (config?.status === "late") {
      const message = `Cannot read ${where}: no answer in ${configDeadlineMs} ms, the PF is changing`;
      reader.report("config-late", fn.address, message);
      return { facts: null, isLate: true };
    }
    if (config?.status !== "read") {
      const because = config === undefined ? "there is none" : config.errno;
      reader.report(
        "unreadable",
        where,
        `Cannot read config space of PF ${fn.address}: ${because}`,
      );
      return { facts: null, isLate: false };
    }
    if (config.bytes.length <= 0x100) {
      const message = `Config space of PF ${fn.address} ends at byte ${config.bytes.length}: capabilities beyond are not known`;
      reader.report("config-truncated", fn.address, message);
    }
    return { facts: configFacts(config.bytes), isLate: false };
  });
}
