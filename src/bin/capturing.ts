// Captures of every kind of host. An emulated machine tells all it has at once, so what a reader
// would have asked it for is found by reading that.

import type { CaptureResult } from "../host/linux/capture/capture-host.ts";
import { hostOfCapture, hostOfEvidence } from "../host/linux/capture/open-capture.ts";
import type { EmulatedHost } from "../host/emulated/emulated-host.ts";
import { evidenceOf } from "../host/emulated/evidence.ts";
import type { Host } from "../host/host.ts";
import { LinuxHost } from "../host/linux/linux-host.ts";
import { SriovError } from "../model/errors.ts";
import type { CaptureStamp } from "../cli/context.ts";
import { readText } from "../cli/read-file.ts";

/** Twice what a capture is cut to: line heads and escapes count too. */
const captureBytesMax = 32 << 20;

/** Throws SriovError `file-unreadable` or `file-format`. */
export const openSnapshot = (file: string, runDirectory: string): Host =>
  hostOfCapture(readText(file, captureBytesMax), file, { name: `snapshot:${file}`, runDirectory });

export async function captureOpened(
  host: Host,
  { madeBy, at }: CaptureStamp,
): Promise<CaptureResult> {
  if (host instanceof LinuxHost) return await host.capture(madeBy, at);
  const header = { madeBy, at, identifiers: "raw", user: "root", isCut: false } as const;
  const { name } = host.identity;
  if (!isEmulated(host)) {
    throw new SriovError("usage", `Cannot capture ${name}: it is no host of a known kind`, {
      operation: "capture",
      target: name,
    });
  }
  const evidence = host.store.transact((machine) => evidenceOf(machine, header));
  return await hostOfEvidence(evidence, { name, runDirectory: "/nonexistent" }).capture(madeBy, at);
}

const isEmulated = (host: Host): host is EmulatedHost => "store" in host;
