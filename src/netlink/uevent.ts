// Kernel uevents: what a device did, as `ACTION@DEVPATH` and then KEY=VALUE, each ended by NUL
// (lib/kobject_uevent.c). They say that something changed; what it is now, sysfs says.

import { decodeText } from "./attribute.ts";

export type Uevent = {
  /** `add`, `remove`, `change`, `bind`, `unbind`, `move`, `online`, `offline`. */
  readonly action: string;
  /** Below /sys: `/devices/pci0000:00/...`. */
  readonly devicePath: string;
  /** `pci`, `net`, `vfio` ... */
  readonly subsystem: string;
  readonly sequence: number | null;
  readonly properties: ReadonlyMap<string, string>;
};

/** Decodes one datagram; null when it is not a kernel uevent (udev's begin with `libudev`). */
export function decodeUevent(bytes: Uint8Array): Uevent | null {
  const properties = new Map<string, string>();
  let start = 0;
  while (start < bytes.length) {
    const nul = bytes.indexOf(0, start);
    const end = nul === -1 ? bytes.length : nul;
    const text = decodeText(bytes.subarray(start, end));
    const equals = text.indexOf("=");
    if (start > 0 && equals > 0) properties.set(text.slice(0, equals), text.slice(equals + 1));
    start = end + 1;
  }
  const action = properties.get("ACTION");
  const devicePath = properties.get("DEVPATH");
  if (action === undefined || devicePath === undefined) return null;
  if (decodeText(bytes) !== `${action}@${devicePath}`) return null;
  const sequence = Number(properties.get("SEQNUM") ?? Number.NaN);
  return {
    action,
    devicePath,
    subsystem: properties.get("SUBSYSTEM") ?? "",
    sequence: Number.isSafeInteger(sequence) ? sequence : null,
    properties,
  };
}
