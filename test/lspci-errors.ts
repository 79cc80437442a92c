// What lspci says about Advanced Error Reporting, made from our decoded fields.

import type { AdvancedErrorReporting } from "../src/pci/capability/advanced-error-reporting.ts";
import { flags, hex } from "./lspci-phrases.ts";

const uncorrectableFlags = (errors: AdvancedErrorReporting["uncorrectableStatus"]): string =>
  flags({
    DLP: errors.dataLinkProtocol,
    SDES: errors.surpriseDown,
    TLP: errors.poisonedTlp,
    FCP: errors.flowControlProtocol,
    CmpltTO: errors.completionTimeout,
    CmpltAbrt: errors.completerAbort,
    UnxCmplt: errors.unexpectedCompletion,
    RxOF: errors.receiverOverflow,
    MalfTLP: errors.malformedTlp,
    ECRC: errors.ecrc,
    UnsupReq: errors.unsupportedRequest,
    ACSViol: errors.acsViolation,
  });

const correctableFlags = (errors: AdvancedErrorReporting["correctableStatus"]): string =>
  flags({
    RxErr: errors.receiver,
    BadTLP: errors.badTlp,
    BadDLLP: errors.badDllp,
    Rollover: errors.replayNumRollover,
    Timeout: errors.replayTimerTimeout,
    AdvNonFatalErr: errors.advisoryNonFatal,
  });

function aerRoot({ root }: AdvancedErrorReporting): string[] {
  if (root === null) return [];
  const { command, status } = root;
  return [
    `RootCmd: ${flags({
      CERptEn: command.correctableEnable,
      NFERptEn: command.nonFatalEnable,
      FERptEn: command.fatalEnable,
    })}`,
    `RootSta: ${flags({
      CERcvd: status.correctableReceived,
      MultCERcvd: status.multipleCorrectable,
      UERcvd: status.uncorrectableReceived,
      MultUERcvd: status.multipleUncorrectable,
      FirstFatal: status.firstUncorrectableFatal,
      NonFatalMsg: status.nonFatalReceived,
      FatalMsg: status.fatalReceived,
    })} IntMsg ${status.interruptMessage}`,
    `ERR_COR: ${hex(root.correctableSource, 4)} ERR_FATAL/NONFATAL: ${hex(root.uncorrectableSource, 4)}`,
  ];
}

/** What lspci 3.9.0 prints about the Advanced Error Reporting capability. */
export const errorSentences = (body: AdvancedErrorReporting): string[] => [
  `UESta: ${uncorrectableFlags(body.uncorrectableStatus)}`,
  `UEMsk: ${uncorrectableFlags(body.uncorrectableMask)}`,
  `UESvrt: ${uncorrectableFlags(body.uncorrectableSeverity)}`,
  `CESta: ${correctableFlags(body.correctableStatus)}`,
  `CEMsk: ${correctableFlags(body.correctableMask)}`,
  `AERCap: First Error Pointer: ${hex(body.control.firstErrorPointer, 2)}, ${flags({
    ECRCGenCap: body.control.ecrcGenerationCapable,
    ECRCGenEn: body.control.ecrcGenerationEnable,
    ECRCChkCap: body.control.ecrcCheckCapable,
    ECRCChkEn: body.control.ecrcCheckEnable,
    MultHdrRecCap: body.control.multipleHeaderRecordingCapable,
    MultHdrRecEn: body.control.multipleHeaderRecordingEnable,
    TLPPfxPres: body.control.tlpPrefixLogPresent,
    HdrLogCap: body.control.completionTimeoutPrefixLogCapable,
  })}`,
  `HeaderLog: ${body.headerLog.map((word) => hex(word, 8)).join(" ")}`,
  ...aerRoot(body),
];
