// Device Serial Number (extended, 0x0003): 64 bits, low dword first. Written as eight bytes from
// the top, as lspci and Linux name it: all functions of a card show the same.

import type { RegisterWriter } from "../config-space.ts";
import type { CapabilityDecoder } from "./capability-decoder.ts";

export type DeviceSerialNumber = {
  readonly kind: "deviceSerialNumber";
  /** `b4-96-91-ff-ff-00-00-10`. */
  readonly serial: string;
};

export const deviceSerialNumber: CapabilityDecoder<DeviceSerialNumber> = {
  lengthOf: () => 12,
  decode(registers) {
    const octets = Array.from(registers.slice(4, 8), (octet) =>
      octet.toString(16).padStart(2, "0"),
    );
    return { kind: "deviceSerialNumber", serial: octets.toReversed().join("-") };
  },
};

export type DeviceSerialNumberDescription = DeviceSerialNumber;

export function encodeDeviceSerialNumber(
  writer: RegisterWriter,
  { serial }: DeviceSerialNumberDescription,
): void {
  const octets = serial.split("-").toReversed();
  octets.forEach((octet, index) => writer.u8(4 + index, Number.parseInt(octet, 16)));
}
