// devlink over generic netlink, as far as SR-IOV needs it: a PF's eswitch mode. The family's
// number is given out at boot, so it is asked for by name first.
//
//   nlmsghdr | cmd u8, version u8, u16 reserved | attributes

import type { EswitchMode } from "../model/inventory.ts";
import {
  concatBytes,
  decodeText,
  encodeAttribute,
  encodeText,
  encodeU16,
  isLittleEndian,
  viewOf,
  walkAttributes,
} from "./attribute.ts";
import {
  controllerFamilyId,
  devlinkNumber,
  genericNumber,
  netlinkNumber,
} from "./kernel-numbers.ts";
import type { Request } from "./link-request.ts";
import type { Message } from "./message.ts";

const genericHeaderLength = 4;
const devlinkVersion = 1;

/** How devlink names a PF: bus `pci`, name `0000:3b:00.0`. */
export type DevlinkHandle = { readonly bus: string; readonly name: string };

type GenericRequest = {
  readonly family: number;
  readonly command: number;
  readonly version: number;
  readonly flags: number;
};

const generic = (
  { family, command, version, flags }: GenericRequest,
  attributes: readonly Uint8Array[],
): Request => ({
  type: family,
  flags: netlinkNumber.NLM_F_REQUEST | flags,
  payload: concatBytes([Uint8Array.of(command, version, 0, 0), ...attributes]),
});

/** Asks for the number of a family. */
export const familyByName = (name: string): Request =>
  generic(
    { family: controllerFamilyId, command: genericNumber.CTRL_CMD_GETFAMILY, version: 1, flags: 0 },
    [encodeAttribute(genericNumber.CTRL_ATTR_FAMILY_NAME, encodeText(name))],
  );

/** The family's number, null when the message says none. */
export function decodeFamilyId({ type, payload }: Message): number | null {
  if (type !== controllerFamilyId) return null;
  const view = viewOf(payload);
  let id: number | null = null;
  walkAttributes(view, genericHeaderLength, payload.length, (attribute, start, end) => {
    if (attribute === genericNumber.CTRL_ATTR_FAMILY_ID && end - start >= 2) {
      id = view.getUint16(start, isLittleEndian);
    }
  });
  return id;
}

const handleAttributes = ({ bus, name }: DevlinkHandle): Uint8Array[] => [
  encodeAttribute(devlinkNumber.DEVLINK_ATTR_BUS_NAME, encodeText(bus)),
  encodeAttribute(devlinkNumber.DEVLINK_ATTR_DEV_NAME, encodeText(name)),
];

/** Wants CAP_NET_ADMIN. EOPNOTSUPP: the driver has no eswitch; ENODEV: devlink knows it not. */
export const eswitchQuery = (family: number, handle: DevlinkHandle): Request =>
  generic(
    {
      family,
      command: devlinkNumber.DEVLINK_CMD_ESWITCH_GET,
      version: devlinkVersion,
      flags: netlinkNumber.NLM_F_ACK,
    },
    handleAttributes(handle),
  );

const modeNumbers: Readonly<Record<EswitchMode, number>> = {
  legacy: devlinkNumber.DEVLINK_ESWITCH_MODE_LEGACY,
  switchdev: devlinkNumber.DEVLINK_ESWITCH_MODE_SWITCHDEV,
};

export const eswitchChange = (family: number, handle: DevlinkHandle, mode: EswitchMode): Request =>
  generic(
    {
      family,
      command: devlinkNumber.DEVLINK_CMD_ESWITCH_SET,
      version: devlinkVersion,
      flags: netlinkNumber.NLM_F_ACK,
    },
    [
      ...handleAttributes(handle),
      encodeAttribute(devlinkNumber.DEVLINK_ATTR_ESWITCH_MODE, encodeU16(modeNumbers[mode])),
    ],
  );

type DevlinkReport = {
  readonly handle: DevlinkHandle;
  /** null when the message says none, or one that the model has no word for. */
  readonly eswitchMode: EswitchMode | null;
};

/** What a message of the devlink family says; null when it names no function. */
export function decodeDevlink(message: Message, family: number): DevlinkReport | null {
  const { type, payload } = message;
  if (type !== family) return null;
  const view = viewOf(payload);
  let bus: string | null = null;
  let name: string | null = null;
  let eswitchMode: EswitchMode | null = null;
  walkAttributes(view, genericHeaderLength, payload.length, (attribute, start, end) => {
    const bytes = payload.subarray(start, end);
    if (attribute === devlinkNumber.DEVLINK_ATTR_BUS_NAME) bus = decodeText(bytes);
    if (attribute === devlinkNumber.DEVLINK_ATTR_DEV_NAME) name = decodeText(bytes);
    if (attribute === devlinkNumber.DEVLINK_ATTR_ESWITCH_MODE && bytes.length >= 2) {
      eswitchMode = modeOf(view.getUint16(start, isLittleEndian));
    }
  });
  return bus === null || name === null ? null : { handle: { bus, name }, eswitchMode };
}

function modeOf(number: number): EswitchMode | null {
  if (number === devlinkNumber.DEVLINK_ESWITCH_MODE_LEGACY) return "legacy";
  return number === devlinkNumber.DEVLINK_ESWITCH_MODE_SWITCHDEV ? "switchdev" : null;
}
