// Config space of the PFs of an inventory: on the thread pool, with a deadline, and by a child where
// a change is known to be in flight, so that no thread of ours is caught in it.

import type { Address } from "../../model/bdf.ts";
import { configFacts, type ConfigFacts } from "./config-facts.ts";
import { type ConfigRead, readConfigs, readPlainFile } from "./config-reader.ts";
import { readLockedBytes } from "./locked-reader.ts";
import type { ScannedPf } from "./scan.ts";
import type { TreeReader } from "./tree-reader.ts";

/** A config read is given up after this: the kernel's own pauses are 100 ms and 1 s. */
const configDeadlineMs = 1200;

async function readConfigInChild(file: string): Promise<ConfigRead> {
  const bytes = await readLockedBytes(file, configDeadlineMs);
  return bytes.length === 0 ? { status: "late" } : { status: "read", bytes };
}

type ConfigCircumstances = {
  readonly changing: ReadonlySet<Address>;
  /** false: a captured tree, whose files answer at once. */
  readonly isLive: boolean;
};

/** Config space of each PF, by a child where a change is known to be in flight. A read that does
 * not come back is a sign of a change under way. */
export async function readPfConfigs(
  pfs: readonly ScannedPf[],
  { changing, isLive }: ConfigCircumstances,
  reader: TreeReader,
): Promise<{ facts: ConfigFacts | null; isLate: boolean }[]> {
  const fileOf = ({ fn }: ScannedPf): string => `${fn.folder}/config`;
  const readable = pfs.filter(({ fn }) => fn.files.has("config"));
  const mayWait = ({ fn }: ScannedPf): boolean => isLive && changing.has(fn.address);
  const settled = readable.filter((pf) => !mayWait(pf));
  const unsettled = readable.filter(mayWait);
  const [reads, lockedReads] = await Promise.all([
    isLive
      ? readConfigs(settled.map(fileOf), configDeadlineMs)
      : settled.map((pf) => readPlainFile(fileOf(pf))),
    Promise.all(unsettled.map((pf) => readConfigInChild(fileOf(pf)))),
  ]);
  const configOf = new Map<ScannedPf, ConfigRead | undefined>([
    ...settled.map((pf, index) => [pf, reads[index]] as const),
    ...unsettled.map((pf, index) => [pf, lockedReads[index]] as const),
  ]);
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
