// A capture, from a file's text or straight from the machine that made it, as what a LinuxHost reads.

import type { Evidence } from "../../../capture/evidence.ts";
import { parseEvidence } from "../../../capture/format.ts";
import { SriovError } from "../../../model/errors.ts";
import type { Problem } from "../../../model/problem.ts";
import { LinuxHost } from "../linux-host.ts";
import { replaySources } from "./replay.ts";

type CaptureName = {
  /** As the host is named on the command line: `snapshot:host.capture`. */
  readonly name: string;
  readonly runDirectory: string;
};

export function hostOfEvidence(
  evidence: Evidence,
  { name, runDirectory }: CaptureName,
  problems: readonly Problem[] = [],
): LinuxHost {
  const sources = replaySources(evidence);
  const capture = { name, header: evidence.header, sources, problems };
  return new LinuxHost({ root: "/", runDirectory, capture });
}

/** Throws SriovError `file-format` where the text is no capture at all. */
export function hostOfCapture(text: string, file: string, where: CaptureName): LinuxHost {
  const parsed = parseEvidence(text, file);
  if (parsed !== null) return hostOfEvidence(parsed.evidence, where, parsed.problems);
  throw new SriovError("file-format", `Cannot use ${file}: it is no capture of this version`, {
    operation: "open capture",
    target: file,
    hint: "Make one with: sriovctl capture -o FILE",
  });
}
