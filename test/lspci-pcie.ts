// What lspci says about the PCI Express capability, made from our decoded fields: a row of lspci's
// names and our fields for each register that it prints.

import type { Pcie } from "../src/pci/capability/pcie.ts";
import { linkSpeedGtps, payloadBytes } from "../src/pci/capability/pcie.ts";
import { flags, hex } from "./lspci-phrases.ts";

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

/** What lspci 3.9.0 prints about the PCI Express capability. */
export const pcieSentences = (body: Pcie): string[] => [
  ...pcieDevice(body),
  ...pcieLink(body),
  ...pcieSlotAndRoot(body),
  ...pcieVersion2(body),
];
