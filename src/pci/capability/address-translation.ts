// ATS (extended, 0x000f), PRI (0x0013) and PASID (0x001b): a function that asks the IOMMU for
// translations itself. A VF has at most ATS of its own; page requests and PASID belong to the PF.

import type { Fields } from "../register-fields.ts";
import { decodeFields } from "../register-fields.ts";
import type { CapabilityDecoder } from "./capability-decoder.ts";

const atsCapability = {
  invalidateQueueDepth: [4, 0],
  pageAlignedRequest: 5,
  globalInvalidate: 6,
  relaxedOrdering: 7,
} as const;

const atsControl = { smallestTranslationUnit: [4, 0], enable: 15 } as const;

export type AddressTranslationServices = {
  readonly kind: "addressTranslationServices";
  /** 1 to 32; a VF shares its PF's queue, and its own number means nothing. */
  readonly invalidateQueueDepth: number;
  readonly pageAlignedRequest: boolean;
  readonly globalInvalidate: boolean;
  readonly relaxedOrdering: boolean;
  readonly enable: boolean;
  readonly smallestTranslationUnitBytes: number;
};

export const addressTranslationServices: CapabilityDecoder<AddressTranslationServices> = {
  lengthOf: () => 8,
  decode(registers) {
    const capability = decodeFields(atsCapability, registers.u16(4));
    const { smallestTranslationUnit, enable } = decodeFields(atsControl, registers.u16(6));
    return {
      kind: "addressTranslationServices",
      ...capability,
      invalidateQueueDepth: capability.invalidateQueueDepth || 32,
      enable,
      smallestTranslationUnitBytes: 2 ** (smallestTranslationUnit + 12),
    };
  },
};

const priControl = { enable: 0, reset: 1 } as const;
const priStatus = {
  responseFailure: 0,
  unexpectedGroupIndex: 1,
  stopped: 8,
  responsePasidRequired: 15,
} as const;

export type PageRequestInterface = {
  readonly kind: "pageRequestInterface";
  /** Page requests that may be outstanding, and how many software allows. */
  readonly capacity: number;
  readonly allocation: number;
} & Fields<typeof priControl> &
  Fields<typeof priStatus>;

export const pageRequestInterface: CapabilityDecoder<PageRequestInterface> = {
  lengthOf: () => 16,
  decode: (registers) => ({
    kind: "pageRequestInterface",
    ...decodeFields(priControl, registers.u16(4)),
    ...decodeFields(priStatus, registers.u16(6)),
    capacity: registers.u32(8),
    allocation: registers.u32(12),
  }),
};

const pasidCapability = {
  executePermission: 1,
  privilegedMode: 2,
  translatedRequests: 3,
  maxWidth: [12, 8],
} as const;

const pasidControl = {
  enable: 0,
  executePermissionEnable: 1,
  privilegedModeEnable: 2,
  translatedRequestsEnable: 3,
} as const;

export type ProcessAddressSpaceId = { readonly kind: "processAddressSpaceId" } & Fields<
  typeof pasidCapability
> &
  Fields<typeof pasidControl>;

export const processAddressSpaceId: CapabilityDecoder<ProcessAddressSpaceId> = {
  lengthOf: () => 8,
  decode(registers, _context, report) {
    const capability = decodeFields(pasidCapability, registers.u16(4));
    if (capability.maxWidth > 20) {
      report("pasid-width", 4, `PASID width is ${capability.maxWidth} bits: 20 is the most`);
    }
    return {
      kind: "processAddressSpaceId",
      ...capability,
      ...decodeFields(pasidControl, registers.u16(6)),
    };
  },
};
