// The registers of the PCI Express capability (0x10) as field tables, in the order of their
// offsets. One table a register; what they mean together is in pcie.ts.

/** +0x02 */
export const pcieFlags = {
  version: [3, 0],
  portType: [7, 4],
  slotImplemented: 8,
  interruptMessage: [13, 9],
  flitModeSupported: 15,
} as const;

/** +0x04. Payload sizes are codes: 128 << code bytes. */
export const deviceCapabilities = {
  maxPayloadSizeCode: [2, 0],
  /** Function number bits that phantom functions take: 2^n - 1 of them. */
  phantomFunctionBits: [4, 3],
  extendedTag: 5,
  l0sAcceptableLatencyCode: [8, 6],
  l1AcceptableLatencyCode: [11, 9],
  attentionButton: 12,
  attentionIndicator: 13,
  powerIndicator: 14,
  roleBasedErrorReporting: 15,
  errCorSubclass: 16,
  capturedSlotPowerLimit: [25, 18],
  capturedSlotPowerScale: [27, 26],
  functionLevelReset: 28,
  mixedModePower: 29,
  teeIo: 30,
} as const;

/** +0x08. Bit 15 starts a function-level reset, and always reads 0 (on a PCIe-to-PCI bridge it is
 * Bridge Configuration Retry Enable). */
export const deviceControl = {
  correctableErrorReporting: 0,
  nonFatalErrorReporting: 1,
  fatalErrorReporting: 2,
  unsupportedRequestReporting: 3,
  relaxedOrdering: 4,
  maxPayloadSizeCode: [7, 5],
  extendedTag: 8,
  phantomFunctions: 9,
  auxPower: 10,
  noSnoop: 11,
  maxReadRequestSizeCode: [14, 12],
  functionLevelResetOrRetry: 15,
} as const;

/** +0x0a */
export const deviceStatus = {
  correctableErrorDetected: 0,
  nonFatalErrorDetected: 1,
  fatalErrorDetected: 2,
  unsupportedRequestDetected: 3,
  auxPowerDetected: 4,
  transactionsPending: 5,
  emergencyPowerReductionDetected: 6,
} as const;

/** +0x0c. Speeds are codes: 1 to 6 for 2.5, 5, 8, 16, 32 and 64 GT/s. */
export const linkCapabilities = {
  maxSpeedCode: [3, 0],
  maxWidth: [9, 4],
  aspmSupport: [11, 10],
  l0sExitLatencyCode: [14, 12],
  l1ExitLatencyCode: [17, 15],
  clockPowerManagement: 18,
  surpriseDownReporting: 19,
  dataLinkActiveReporting: 20,
  bandwidthNotification: 21,
  aspmOptionalityCompliance: 22,
  portNumber: [31, 24],
} as const;

/** +0x10 */
export const linkControl = {
  aspmControl: [1, 0],
  ptmPropagationDelayAdaptation: 2,
  readCompletionBoundary128: 3,
  linkDisable: 4,
  retrainLink: 5,
  commonClock: 6,
  extendedSynch: 7,
  clockPowerManagement: 8,
  autonomousWidthDisable: 9,
  bandwidthManagementInterrupt: 10,
  autonomousBandwidthInterrupt: 11,
  sriSris: 12,
  flitModeDisable: 13,
  drsSignaling: [15, 14],
} as const;

/** +0x12 */
export const linkStatus = {
  speedCode: [3, 0],
  width: [9, 4],
  training: 11,
  slotClock: 12,
  dataLinkActive: 13,
  bandwidthManagement: 14,
  autonomousBandwidth: 15,
} as const;

/** +0x14 */
export const slotCapabilities = {
  attentionButton: 0,
  powerController: 1,
  mrlSensor: 2,
  attentionIndicator: 3,
  powerIndicator: 4,
  hotPlugSurprise: 5,
  hotPlugCapable: 6,
  powerLimit: [14, 7],
  powerLimitScale: [16, 15],
  electromechanicalInterlock: 17,
  noCommandCompleted: 18,
  physicalSlotNumber: [31, 19],
} as const;

/** +0x18 */
export const slotControl = {
  attentionButtonEnable: 0,
  powerFaultEnable: 1,
  mrlSensorChangedEnable: 2,
  presenceDetectChangedEnable: 3,
  commandCompletedInterrupt: 4,
  hotPlugInterrupt: 5,
  attentionIndicatorControl: [7, 6],
  powerIndicatorControl: [9, 8],
  powerOff: 10,
  interlockControl: 11,
  linkStateChangedEnable: 12,
  autoSlotPowerLimitDisable: 13,
  inBandPresenceDetectDisable: 14,
} as const;

/** +0x1a */
export const slotStatus = {
  attentionButtonPressed: 0,
  powerFault: 1,
  mrlSensorChanged: 2,
  presenceDetectChanged: 3,
  commandCompleted: 4,
  mrlOpen: 5,
  presenceDetect: 6,
  interlockEngaged: 7,
  linkStateChanged: 8,
} as const;

/** +0x1c */
export const rootControl = {
  systemErrorOnCorrectable: 0,
  systemErrorOnNonFatal: 1,
  systemErrorOnFatal: 2,
  pmeInterrupt: 3,
  configRequestRetryVisible: 4,
  noNfmSubtreeBelow: 5,
} as const;

/** +0x1e */
export const rootCapabilities = { configRequestRetryVisible: 0 } as const;

/** +0x20 */
export const rootStatus = { pmeRequester: [15, 0], pmeStatus: 16, pmePending: 17 } as const;

/** +0x24 */
export const deviceCapabilities2 = {
  completionTimeoutRanges: [3, 0],
  completionTimeoutDisable: 4,
  ariForwarding: 5,
  atomicOpRouting: 6,
  atomicOp32Completer: 7,
  atomicOp64Completer: 8,
  cas128Completer: 9,
  noRelaxedOrderingPrToPr: 10,
  ltr: 11,
  tphCompleter: [13, 12],
  tenBitTagCompleter: 16,
  tenBitTagRequester: 17,
  obff: [19, 18],
  extendedFmt: 20,
  endEndTlpPrefix: 21,
  maxEndEndTlpPrefixes: [23, 22],
  emergencyPowerReduction: [25, 24],
  emergencyPowerReductionInitialization: 26,
  dmwrCompleter: 28,
  dmwrLengths: [30, 29],
  frs: 31,
} as const;

/** +0x28 */
export const deviceControl2 = {
  completionTimeoutValue: [3, 0],
  completionTimeoutDisable: 4,
  ariForwarding: 5,
  atomicOpRequester: 6,
  atomicOpEgressBlocking: 7,
  idoRequest: 8,
  idoCompletion: 9,
  ltr: 10,
  emergencyPowerReductionRequest: 11,
  tenBitTagRequester: 12,
  obff: [14, 13],
  endEndTlpPrefixBlocking: 15,
} as const;

/** +0x2c */
export const linkCapabilities2 = {
  /** Bit n: speed code n + 1. */
  supportedSpeeds: [7, 1],
  crosslink: 8,
  lowerSkpGeneration: [15, 9],
  lowerSkpReception: [22, 16],
  retimerPresence: 23,
  twoRetimersPresence: 24,
  drs: 31,
} as const;

/** +0x30 */
export const linkControl2 = {
  targetSpeedCode: [3, 0],
  enterCompliance: 4,
  autonomousSpeedDisable: 5,
  selectableDeemphasis: 6,
  transmitMargin: [9, 7],
  enterModifiedCompliance: 10,
  complianceSos: 11,
  compliancePreset: [15, 12],
} as const;

/** +0x32 */
export const linkStatus2 = {
  deemphasis3_5: 0,
  equalizationComplete: 1,
  equalizationPhase1: 2,
  equalizationPhase2: 3,
  equalizationPhase3: 4,
  equalizationRequest: 5,
  retimerPresence: 6,
  twoRetimersPresence: 7,
  crosslinkResolution: [9, 8],
  flitMode: 10,
  downstreamComponentPresence: [14, 12],
  drsReceived: 15,
} as const;

/** +0x34 */
export const slotCapabilities2 = { inBandPresenceDetectDisable: 0 } as const;
