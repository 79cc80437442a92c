// What lspci 3.9.0 prints about each capability, made from our decoded fields: every sentence must
// be found in lspci's own text. Two decoders that read a bit differently cannot both be
// right, so this checks fields far beyond offsets.

import type { ExtendedBody, StandardBody } from "../src/pci/capability/capability-table.ts";
import { errorSentences } from "./lspci-errors.ts";
import { pcieSentences } from "./lspci-pcie.ts";
import { flags, hex } from "./lspci-phrases.ts";

type Body = StandardBody | ExtendedBody;

type Wording = {
  readonly [Kind in Exclude<Body["kind"], "sriov">]: (
    body: Extract<Body, { kind: Kind }>,
  ) => readonly string[];
};

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
  pcie: pcieSentences,
  vitalProductData: () => ["Vital Product Data"],
  vendorSpecific: () => ["Vendor Specific Information"],
  enhancedAllocation: ({ entries }) => [
    `NumEntries=${entries.length}`,
    ...entries.map(
      ({ enable, writable, base, maxOffset }, index) =>
        `Entry ${index}: ${flags({ Enable: enable, Writable: writable })} EntrySize=.*Base: ${hex(base ?? 0n, 1)} MaxOffset: .*${hex(maxOffset ?? 0n, 1)}`,
    ),
  ],
  advancedErrorReporting: errorSentences,
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
