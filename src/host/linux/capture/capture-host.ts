// Makes a capture: the inventory with all its details and the facts are read once through sources
// that note what they are told. Nothing is read for the capture alone but the host's name, which is
// taken out of it again.

import type { CaptureHeader, Evidence } from "../../../capture/evidence.ts";
import { byRealPath } from "../../../capture/recorded-files.ts";
import { hostNameFile } from "../../../capture/redact.ts";
import type { FactGap } from "../../../model/host-facts.ts";
import type { Problem } from "../../../model/problem.ts";
import { fullInventory } from "../../host.ts";
import { readFacts } from "../facts/read-facts.ts";
import { readIdentity } from "../identity.ts";
import { readInventory } from "../inventory.ts";
import type { LinuxPaths } from "../paths.ts";
import type { HostSources } from "../sources.ts";
import { TreeReader } from "../tree-reader.ts";
import { Recording } from "./recording.ts";

type CaptureQuestion = {
  readonly paths: LinuxPaths;
  readonly sources: HostSources;
  readonly header: CaptureHeader;
};

export type CaptureResult = {
  readonly evidence: Evidence;
  /** What is not in it, and why. */
  readonly gaps: readonly FactGap[];
  readonly problems: readonly Problem[];
};

export async function captureHost({
  paths,
  sources: given,
  header,
}: CaptureQuestion): Promise<CaptureResult> {
  const recording = new Recording(given, paths.prefix);
  const { sources } = recording;
  const identity = readIdentity(paths, "capture", sources.files);
  new TreeReader(sources.files).textIfThere(`${paths.prefix}${hostNameFile}`, ["EACCES"]);
  const question = { paths, identity, sources };
  const bare = { ...fullInventory, census: false, netdevAttributes: false };
  const { physicalFunctions } = await readInventory(question, bare);
  const detailOf = physicalFunctions.map(({ address }) => address);
  const inventory = await readInventory(question, { ...fullInventory, detailOf });
  await sources.configFiles();
  for (const depth of ["defined", "everything"] as const) await sources.readWishes(depth);
  const reader = new TreeReader(sources.files);
  const { gaps } = await readFacts({ ...sources, paths, reader }, inventory);
  const { files, answers, isCut } = recording;
  return {
    evidence: {
      header: { ...header, isCut: header.isCut || isCut },
      files: byRealPath(files),
      answers,
    },
    gaps,
    problems: inventory.problems,
  };
}
