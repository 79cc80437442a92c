// Advanced Error Reporting (extended, 0x0001): which errors happened, which are masked, and the
// header of the first bad packet. A blocked peer-to-peer access shows here as an ACS violation.

import type { RegisterWriter } from "../config-space.ts";
import type { Fields } from "../register-fields.ts";
import { decodeFields } from "../register-fields.ts";
import type { Registers } from "../registers.ts";
import type { CapabilityContext, CapabilityDecoder } from "./capability-decoder.ts";

const uncorrectable = {
  dataLinkProtocol: 4,
  surpriseDown: 5,
  poisonedTlp: 12,
  flowControlProtocol: 13,
  completionTimeout: 14,
  completerAbort: 15,
  unexpectedCompletion: 16,
  receiverOverflow: 17,
  malformedTlp: 18,
  ecrc: 19,
  unsupportedRequest: 20,
  acsViolation: 21,
  internal: 22,
  mcBlockedTlp: 23,
  atomicOpEgressBlocked: 24,
  tlpPrefixBlocked: 25,
  poisonedTlpEgressBlocked: 26,
} as const;

const correctable = {
  receiver: 0,
  badTlp: 6,
  badDllp: 7,
  replayNumRollover: 8,
  replayTimerTimeout: 12,
  advisoryNonFatal: 13,
  correctedInternal: 14,
  headerLogOverflow: 15,
} as const;

const control = {
  firstErrorPointer: [4, 0],
  ecrcGenerationCapable: 5,
  ecrcGenerationEnable: 6,
  ecrcCheckCapable: 7,
  ecrcCheckEnable: 8,
  multipleHeaderRecordingCapable: 9,
  multipleHeaderRecordingEnable: 10,
  tlpPrefixLogPresent: 11,
  completionTimeoutPrefixLogCapable: 12,
} as const;

const rootCommand = { correctableEnable: 0, nonFatalEnable: 1, fatalEnable: 2 } as const;

const rootStatus = {
  correctableReceived: 0,
  multipleCorrectable: 1,
  uncorrectableReceived: 2,
  multipleUncorrectable: 3,
  firstUncorrectableFatal: 4,
  nonFatalReceived: 5,
  fatalReceived: 6,
  interruptMessage: [31, 27],
} as const;

type Uncorrectable = Fields<typeof uncorrectable>;
type Correctable = Fields<typeof correctable>;

export type AdvancedErrorReporting = {
  readonly kind: "advancedErrorReporting";
  readonly uncorrectableStatus: Uncorrectable;
  readonly uncorrectableMask: Uncorrectable;
  /** true: fatal. */
  readonly uncorrectableSeverity: Uncorrectable;
  readonly correctableStatus: Correctable;
  readonly correctableMask: Correctable;
  readonly control: Fields<typeof control>;
  readonly headerLog: readonly number[];
  /** Root ports and root-complex event collectors only. */
  readonly root: {
    readonly command: Fields<typeof rootCommand>;
    readonly status: Fields<typeof rootStatus>;
    /** Routing IDs of the first senders. */
    readonly correctableSource: number;
    readonly uncorrectableSource: number;
  } | null;
};

/** Root port, or root-complex event collector. */
const hasRootRegisters = ({ portType }: CapabilityContext): boolean =>
  portType === 4 || portType === 0xa;

function decodeRoot(registers: Registers): AdvancedErrorReporting["root"] {
  return {
    command: decodeFields(rootCommand, registers.u32(0x2c)),
    status: decodeFields(rootStatus, registers.u32(0x30)),
    correctableSource: registers.u16(0x34),
    uncorrectableSource: registers.u16(0x36),
  };
}

export const advancedErrorReporting: CapabilityDecoder<AdvancedErrorReporting> = {
  lengthOf: (_registers, context) => (hasRootRegisters(context) ? 0x38 : 0x2c),
  decode: (registers, context) => ({
    kind: "advancedErrorReporting",
    uncorrectableStatus: decodeFields(uncorrectable, registers.u32(0x04)),
    uncorrectableMask: decodeFields(uncorrectable, registers.u32(0x08)),
    uncorrectableSeverity: decodeFields(uncorrectable, registers.u32(0x0c)),
    correctableStatus: decodeFields(correctable, registers.u32(0x10)),
    correctableMask: decodeFields(correctable, registers.u32(0x14)),
    control: decodeFields(control, registers.u32(0x18)),
    headerLog: [0x1c, 0x20, 0x24, 0x28].map(registers.u32),
    root: hasRootRegisters(context) ? decodeRoot(registers) : null,
  }),
};

export type AdvancedErrorReportingDescription = { readonly kind: "advancedErrorReporting" };

/** All errors that every function must know, with the severities after reset. */
export function encodeAdvancedErrorReporting(writer: RegisterWriter): void {
  const uncorrectableBits = 0x003ff030;
  const correctableBits = 0x000031c1;
  writer.u32(0x04, 0, 0, uncorrectableBits);
  writer.u32(0x08, 0, uncorrectableBits);
  writer.u32(0x0c, 0x00062030, uncorrectableBits);
  writer.u32(0x10, 0, 0, correctableBits);
  writer.u32(0x14, 0x00002000, correctableBits);
  writer.u32(0x18, 0);
}
