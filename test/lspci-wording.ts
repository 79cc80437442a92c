// What lspci 3.9.0 prints about each capability, made from our decoded fields: every sentence must
// be found in lspci's own text. Two decoders that read a bit differently cannot both be
// right, so this checks fields far beyond offsets. Long because it is a table.

import type { ExtendedBody, StandardBody } from "../src/pci/capability/capability-table.ts";
import type { Pcie } from "../src/pci/capability/pcie.ts";
import { linkSpeedGtps, payloadBytes } from "../src/pci/capability/pcie.ts";

type Body = StandardBody | ExtendedBody;

type Wording = {
  readonly [Kind in Exclude<Body["kind"], "sriov">]: (
    body: Extract<Body, { kind: Kind }>,
  ) => readonly string[];
};

const hex = (value: number | bigint, digits: number): string =>
  value.toString(16).padStart(digits, "0");

/** `Enable+ MSE-`, in the order given. */
const flags = (values: Readonly<Record<string, boolean>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}${value ? "+" : "-"}`)
    .join(" ");

const speed = (code: number): string => {
  const gtps = linkSpeedGtps(code);
  return gtps === null ? "unknown" : `${gtps}GT/s`;
};

const portNames: Readonly<Record<number, string>> = {
  0: "Endpoint",
  1: "Legacy Endpoint",
  4: "Root Port",
  5: "Upstream Port",
  6: "Downstream Port",
  7: "PCI-Express to PCI/PCI-X Bridge",
  8: "PCI/PCI-X to PCI-Express Bridge",
  9: "Root Complex Integrated Endpoint",
  10: "Root Complex Event Collector",
};

/** An absent Link Control 2 reads 0, which lspci takes for the lowest speed. */
const targetSpeed = (code: number): string => speed(code === 0 ? 1 : code);

function pcieDevice(body: Pcie): string[] {
  const { deviceCapabilities: caps, deviceControl: control, deviceStatus: status } = body;
  const isEndpoint = [0, 1, 9].includes(body.portType);
  const sizes = [control.maxPayloadSizeCode, control.maxReadRequestSizeCode].map(payloadBytes);
  return [
    `Express (v${body.version}) ${portNames[body.portType]}`,
    `MSI ${hex(body.interruptMessage, 2)}`,
    `DevCap: MaxPayload ${payloadBytes(caps.maxPayloadSizeCode)} bytes, PhantFunc ${2 ** caps.phantomFunctionBits - 1}`,
    flags({ ExtTag: caps.extendedTag }),
    flags({ RBE: caps.roleBasedErrorReporting }),
    ...(isEndpoint ? [flags({ FLReset: caps.functionLevelReset })] : []),
    `DevCtl: ${flags({
      CorrErr: control.correctableErrorReporting,
      NonFatalErr: control.nonFatalErrorReporting,
      FatalErr: control.fatalErrorReporting,
      UnsupReq: control.unsupportedRequestReporting,
      RlxdOrd: control.relaxedOrdering,
      ExtTag: control.extendedTag,
      PhantFunc: control.phantomFunctions,
      AuxPwr: control.auxPower,
      NoSnoop: control.noSnoop,
    })}`,
    `MaxPayload ${sizes[0]} bytes, MaxReadReq ${sizes[1]} bytes`,
    `DevSta: ${flags({
      CorrErr: status.correctableErrorDetected,
      NonFatalErr: status.nonFatalErrorDetected,
      FatalErr: status.fatalErrorDetected,
      UnsupReq: status.unsupportedRequestDetected,
      AuxPwr: status.auxPowerDetected,
      TransPend: status.transactionsPending,
    })}`,
  ];
}

function pcieLink({ link }: Pcie): string[] {
  if (link === null) return [];
  const { capabilities: caps, control, status } = link;
  return [
    `LnkCap: Port #${caps.portNumber}, Speed ${speed(caps.maxSpeedCode)}, Width x${caps.maxWidth}`,
    flags({
      ClockPM: caps.clockPowerManagement,
      Surprise: caps.surpriseDownReporting,
      LLActRep: caps.dataLinkActiveReporting,
      BwNot: caps.bandwidthNotification,
      ASPMOptComp: caps.aspmOptionalityCompliance,
    }),
    `${flags({ CommClk: control.commonClock })} ${flags({
      ExtSynch: control.extendedSynch,
      ClockPM: control.clockPowerManagement,
      AutWidDis: control.autonomousWidthDisable,
      BWInt: control.bandwidthManagementInterrupt,
      AutBWInt: control.autonomousBandwidthInterrupt,
    })}`,
    `LnkSta: Speed ${speed(status.speedCode)}, Width x${status.width}`,
    flags({
      Train: status.training,
      SlotClk: status.slotClock,
      DLActive: status.dataLinkActive,
      BWMgmt: status.bandwidthManagement,
      ABWMgmt: status.autonomousBandwidth,
    }),
  ];
}

function pcieSlotAndRoot({ slot, root }: Pcie): string[] {
  const sentences: string[] = [];
  if (slot !== null) {
    const { capabilities: caps, control, status } = slot;
    sentences.push(
      `SltCap: ${flags({
        AttnBtn: caps.attentionButton,
        PwrCtrl: caps.powerController,
        MRL: caps.mrlSensor,
        AttnInd: caps.attentionIndicator,
        PwrInd: caps.powerIndicator,
        HotPlug: caps.hotPlugCapable,
        Surprise: caps.hotPlugSurprise,
      })} Slot #${caps.physicalSlotNumber}, `,
      flags({ Interlock: caps.electromechanicalInterlock, NoCompl: caps.noCommandCompleted }),
      `SltCtl: Enable: ${flags({
        AttnBtn: control.attentionButtonEnable,
        PwrFlt: control.powerFaultEnable,
        MRL: control.mrlSensorChangedEnable,
        PresDet: control.presenceDetectChangedEnable,
        CmdCplt: control.commandCompletedInterrupt,
        HPIrq: control.hotPlugInterrupt,
        LinkChg: control.linkStateChangedEnable,
      })}`,
      `Status: ${flags({
        AttnBtn: status.attentionButtonPressed,
        PowerFlt: status.powerFault,
        MRL: status.mrlOpen,
        CmdCplt: status.commandCompleted,
        PresDet: status.presenceDetect,
        Interlock: status.interlockEngaged,
      })}`,
      `Changed: ${flags({
        MRL: status.mrlSensorChanged,
        PresDet: status.presenceDetectChanged,
        LinkState: status.linkStateChanged,
      })}`,
    );
  }
  if (root !== null) {
    sentences.push(
      `RootCap: ${flags({ CRSVisible: root.capabilities.configRequestRetryVisible })}`,
      `RootCtl: ${flags({
        "ErrCorrectable": root.control.systemErrorOnCorrectable,
        "ErrNon-Fatal": root.control.systemErrorOnNonFatal,
        "ErrFatal": root.control.systemErrorOnFatal,
        "PMEIntEna": root.control.pmeInterrupt,
        "CRSVisible": root.control.configRequestRetryVisible,
      })}`,
      `RootSta: PME ReqID ${hex(root.status.pmeRequester, 4)}, ${flags({
        PMEStatus: root.status.pmeStatus,
        PMEPending: root.status.pmePending,
      })}`,
    );
  }
  return sentences;
}

function pcieVersion2({ portType, device2, link2 }: Pcie): string[] {
  const sentences: string[] = [];
  const forwards = portType === 4 || portType === 6;
  if (device2 !== null) {
    const { capabilities: caps, control } = device2;
    sentences.push(
      flags({ NROPrPrP: caps.noRelaxedOrderingPrToPr, LTR: caps.ltr }),
      flags({ "10BitTagComp": caps.tenBitTagCompleter, "10BitTagReq": caps.tenBitTagRequester }),
      flags({ ExtFmt: caps.extendedFmt, EETLPPrefix: caps.endEndTlpPrefix }),
      flags({ FRS: caps.frs }),
      ...(forwards ? [`DevCap2: .*${flags({ ARIFwd: caps.ariForwarding })} .*DevCtl2`] : []),
      `DevCtl2: .*${flags({ LTR: control.ltr })} ${flags({ "10BitTagReq": control.tenBitTagRequester })}`,
      ...(forwards ? [`DevCtl2: .*${flags({ ARIFwd: control.ariForwarding })}`] : []),
    );
  }
  if (link2 !== null && portType !== 5) {
    const { control, status } = link2;
    sentences.push(
      `LnkCtl2: Target Link Speed: ${targetSpeed(control.targetSpeedCode)}, ${flags({
        EnterCompliance: control.enterCompliance,
        SpeedDis: control.autonomousSpeedDisable,
      })}`,
      flags({
        EqualizationComplete: status.equalizationComplete,
        EqualizationPhase1: status.equalizationPhase1,
        EqualizationPhase2: status.equalizationPhase2,
        EqualizationPhase3: status.equalizationPhase3,
        LinkEqualizationRequest: status.equalizationRequest,
      }),
    );
  }
  return sentences;
}

type Aer = Extract<Body, { kind: "advancedErrorReporting" }>;

const uncorrectableFlags = (errors: Aer["uncorrectableStatus"]): string =>
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

const correctableFlags = (errors: Aer["correctableStatus"]): string =>
  flags({
    RxErr: errors.receiver,
    BadTLP: errors.badTlp,
    BadDLLP: errors.badDllp,
    Rollover: errors.replayNumRollover,
    Timeout: errors.replayTimerTimeout,
    AdvNonFatalErr: errors.advisoryNonFatal,
  });

function aerRoot({ root }: Aer): string[] {
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

type Acs = Extract<Body, { kind: "acs" }>;

const acsFlags = (services: Acs["supported"] | Acs["enabled"]): string =>
  flags({
    SrcValid: services.sourceValidation,
    TransBlk: services.translationBlocking,
    ReqRedir: services.requestRedirect,
    CmpltRedir: services.completionRedirect,
    UpstreamFwd: services.upstreamForwarding,
    EgressCtrl: services.egressControl,
    DirectTrans: services.directTranslated,
  });

const barSize = (bytes: number): string =>
  bytes >= 2 ** 40
    ? `${bytes / 2 ** 40}TB`
    : bytes >= 2 ** 30
      ? `${bytes / 2 ** 30}GB`
      : `${bytes / 2 ** 20}MB`;

const resizable = ({
  entries,
}: {
  entries: Extract<Body, { kind: "resizableBar" }>["entries"];
}): string[] =>
  entries.map(
    ({ bar, sizeBytes, supportedSizesBytes }) =>
      `BAR ${bar}: current size: ${barSize(sizeBytes)}, supported: ${supportedSizesBytes.map(barSize).join(" ")}`,
  );

const auxCurrentMa = [0, 55, 100, 160, 220, 270, 320, 375];

const wording: Wording = {
  powerManagement: (body) => [
    `Power Management version ${body.version}`,
    `Flags: ${flags({
      PMEClk: body.pmeClock,
      DSI: body.deviceSpecificInitialization,
      D1: body.d1Support,
      D2: body.d2Support,
    })} AuxCurrent=${auxCurrentMa[body.auxCurrent]}mA PME(${["D0", "D1", "D2", "D3hot", "D3cold"]
      .map((state, at) => `${state}${((body.pmeSupport >>> at) & 1) === 1 ? "+" : "-"}`)
      .join(",")})`,
    `Status: D${body.powerState} ${flags({
      "NoSoftRst": body.noSoftReset,
      "PME-Enable": body.pmeEnable,
    })} DSel=${body.dataSelect} DScale=${body.dataScale} ${flags({ PME: body.pmeStatus })}`,
  ],
  msi: (body) => [
    `MSI: ${flags({ Enable: body.enable })} Count=${body.vectorsEnabled}/${body.vectorsCapable} ${flags(
      { "Maskable": body.perVectorMasking, "64bit": body.is64Bit },
    )}`,
    `Address: ${hex(body.address, body.is64Bit ? 16 : 8)} Data: ${hex(body.data, 4)}`,
    ...(body.mask === null || body.pending === null
      ? []
      : [`Masking: ${hex(body.mask, 8)} Pending: ${hex(body.pending, 8)}`]),
  ],
  msix: ({ enable, tableSize, functionMask, table, pendingBitArray: pba }) => [
    `MSI-X: ${flags({ Enable: enable })} Count=${tableSize} ${flags({ Masked: functionMask })}`,
    `Vector table: BAR=${table.bar} offset=${hex(table.offset, 8)}`,
    `PBA: BAR=${pba.bar} offset=${hex(pba.offset, 8)}`,
  ],
  pcie: (body) => [
    ...pcieDevice(body),
    ...pcieLink(body),
    ...pcieSlotAndRoot(body),
    ...pcieVersion2(body),
  ],
  vitalProductData: () => ["Vital Product Data"],
  vendorSpecific: () => ["Vendor Specific Information"],
  enhancedAllocation: ({ entries }) => [
    `NumEntries=${entries.length}`,
    ...entries.map(
      ({ enable, writable, base, maxOffset }, index) =>
        `Entry ${index}: ${flags({ Enable: enable, Writable: writable })} EntrySize=.*Base: ${hex(base ?? 0n, 1)} MaxOffset: .*${hex(maxOffset ?? 0n, 1)}`,
    ),
  ],
  advancedErrorReporting: (body) => [
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
  ],
  deviceSerialNumber: ({ serial }) => [`Device Serial Number ${serial}`],
  acs: ({ supported, enabled }) => [
    `ACSCap: ${acsFlags(supported)}`,
    `ACSCtl: ${acsFlags(enabled)}`,
  ],
  ari: (body) => [
    `ARICap: ${flags({ MFVC: body.mfvcFunctionGroups, ACS: body.acsFunctionGroups })}, Next Function: ${body.nextFunction}`,
    `ARICtl: ${flags({ MFVC: body.mfvcFunctionGroupsEnable, ACS: body.acsFunctionGroupsEnable })}, Function Group: ${body.functionGroup}`,
  ],
  addressTranslationServices: (body) => [
    `Invalidate Queue Depth: ${hex(body.invalidateQueueDepth % 32, 2)}`,
    `ATSCtl: ${flags({ Enable: body.enable })}, Smallest Translation Unit: ${hex(
      Math.log2(body.smallestTranslationUnitBytes) - 12,
      2,
    )}`,
  ],
  pageRequestInterface: (body) => [
    `PRICtl: ${flags({ Enable: body.enable, Reset: body.reset })}`,
    `PRISta: ${flags({
      RF: body.responseFailure,
      UPRGI: body.unexpectedGroupIndex,
      Stopped: body.stopped,
    })}`,
    `Page Request Capacity: ${hex(body.capacity, 8)}, Page Request Allocation: ${hex(body.allocation, 8)}`,
  ],
  processAddressSpaceId: (body) => [
    `PASIDCap: ${flags({ Exec: body.executePermission, Priv: body.privilegedMode })}, Max PASID Width: ${hex(body.maxWidth, 2)}`,
    `PASIDCtl: ${flags({
      Enable: body.enable,
      Exec: body.executePermissionEnable,
      Priv: body.privilegedModeEnable,
    })}`,
  ],
  latencyToleranceReporting: ({ maxSnoopLatencyNs, maxNoSnoopLatencyNs }) => [
    `Max snoop latency: ${maxSnoopLatencyNs}ns`,
    `Max no snoop latency: ${maxNoSnoopLatencyNs}ns`,
  ],
  l1PmSubstates: ({ supported, enabled }) => [
    `L1SubCap: ${flags({
      "PCI-PM_L1.2": supported.pciPmL12,
      "PCI-PM_L1.1": supported.pciPmL11,
      "ASPM_L1.2": supported.aspmL12,
      "ASPM_L1.1": supported.aspmL11,
      "L1_PM_Substates": supported.l1PmSubstates,
    })}`,
    `L1SubCtl1: ${flags({
      "PCI-PM_L1.2": enabled.pciPmL12,
      "PCI-PM_L1.1": enabled.pciPmL11,
      "ASPM_L1.2": enabled.aspmL12,
      "ASPM_L1.1": enabled.aspmL11,
    })}`,
    ...(supported.pciPmL12 || supported.aspmL12
      ? [
          `PortCommonModeRestoreTime=${supported.commonModeRestoreUs}us PortTPowerOnTime=${supported.powerOnUs}us`,
          `T_CommonMode=${enabled.commonModeRestoreUs}us`,
          `L1SubCtl2: T_PwrOn=${enabled.powerOnUs}us`,
        ]
      : []),
    ...(supported.aspmL12 ? [`LTR1.2_Threshold=${enabled.ltrL12ThresholdNs}ns`] : []),
  ],
  resizableBar: resizable,
  vfResizableBar: resizable,
  vendorSpecificExtended: ({ vendorSpecificId: id, revision, lengthBytes }) => [
    `Vendor Specific Information: ID=${hex(id, 4)} Rev=${revision} Len=${hex(lengthBytes, 3)}`,
  ],
  designatedVendorSpecific: ({ dvsecVendorId: vendor, dvsecId: id, revision, lengthBytes }) => [
    `Vendor=${hex(vendor, 4)} ID=${hex(id, 4)} Rev=${revision} Len=${lengthBytes}`,
  ],
};

/** lspci's remarks on link speeds; whether it makes them depends on the port above. */
const remarks = / \((?:ok|downgraded|overdriven|strange)\)/g;

function isFound(text: string, sentence: string): boolean {
  let from = 0;
  for (const part of sentence.split(".*")) {
    const at = text.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return true;
}

/** Sentences that lspci does not say about this capability; `.*` stands for any text. */
export function missingSentences(body: Exclude<Body, { kind: "sriov" }>, text: string): string[] {
  const plain = text.replaceAll(remarks, "");
  // The row is of the body's own kind.
  const sentences = (wording[body.kind] as (body: Body) => readonly string[])(body);
  // Of a device's functions, lspci shows Link Control 2 in the first one only.
  const isSaid = (sentence: string): boolean =>
    isFound(plain, sentence) || (sentence.startsWith("LnkCtl2:") && !plain.includes("LnkCtl2:"));
  return sentences.filter((sentence) => !isSaid(sentence));
}
