// The three facts that an inventory wants from config space: serial number, TotalVFs and the MSI-X
// table size. The walk takes a register reader instead of bytes, so that a function without the
// capability costs a few four-byte reads and not its whole config space (a read is a round trip
// to the device for every dword). The full decode is pci/.

export type ReadRegister = (offset: number) => number | null;

export type ConfigFacts = {
  /** Device Serial Number as eight dash-separated bytes, most significant first. */
  readonly serial: string | null;
  readonly capabilityTotalVfs: number | null;
  readonly firstVfOffset: number | null;
  readonly vfStride: number | null;
  readonly vfDeviceId: number | null;
  readonly msixCount: number | null;
  /** The reader saw extended config space: absence of a capability means something. */
  readonly isExtendedSeen: boolean;
};

const extendedId = { serialNumber: 0x0003, sriov: 0x0010 };
const msixId = 0x11;
/** As many entries as fit, so that a loop ends (drivers/pci/pci.c pci_find_next_ext_capability()). */
const extendedEntriesMax = (4096 - 256) / 8;
const standardEntriesMax = 48;

export const registersOf =
  (bytes: Uint8Array): ReadRegister =>
  (offset) => {
    if (offset + 4 > bytes.length) return null;
    const at = (index: number): number => bytes[offset + index] ?? 0;
    return (at(0) | (at(1) << 8) | (at(2) << 16) | (at(3) << 24)) >>> 0;
  };

/** Offset of an extended capability; null when the list does not hold it. */
function findExtended(read: ReadRegister, wanted: number): number | null {
  let offset = 0x100;
  for (let entry = 0; entry < extendedEntriesMax; entry++) {
    const header = read(offset);
    if (header === null || header === 0 || header === 0xffffffff) return null;
    if ((header & 0xffff) === wanted) return offset;
    offset = (header >>> 20) & ~3;
    if (offset < 0x100) return null;
  }
  return null;
}

export const hasSriovCapability = (read: ReadRegister): boolean =>
  findExtended(read, extendedId.sriov) !== null;

function findStandard(read: ReadRegister, wanted: number): number | null {
  const status = read(0x04);
  if (status === null || ((status >>> 16) & 0x10) === 0) return null;
  let pointer = (read(0x34) ?? 0) & 0xfc;
  for (let entry = 0; entry < standardEntriesMax && pointer >= 0x40; entry++) {
    const header = read(pointer);
    if (header === null || (header & 0xff) === 0xff) return null;
    if ((header & 0xff) === wanted) return pointer;
    pointer = (header >>> 8) & 0xfc;
  }
  return null;
}

/** MSI-X vectors: the table size field holds one less. */
export function msixCountOf(read: ReadRegister): number | null {
  const offset = findStandard(read, msixId);
  const header = offset === null ? null : read(offset);
  return header === null ? null : ((header >>> 16) & 0x7ff) + 1;
}

function serialOf(read: ReadRegister): string | null {
  const offset = findExtended(read, extendedId.serialNumber);
  const low = offset === null ? null : read(offset + 4);
  const high = offset === null ? null : read(offset + 8);
  if (low === null || high === null) return null;
  const isBlank = (low === 0 && high === 0) || (low === 0xffffffff && high === 0xffffffff);
  if (isBlank) return null;
  const digits = [high, low].map((word) => word.toString(16).padStart(8, "0")).join("");
  return (digits.match(/../g) ?? []).join("-");
}

/** Facts of a PF from what could be read of its config space: 64 to 4096 bytes. */
export function configFacts(bytes: Uint8Array): ConfigFacts {
  const read = registersOf(bytes);
  const sriov = findExtended(read, extendedId.sriov);
  const at = (offset: number): number | null => (sriov === null ? null : read(sriov + offset));
  const [counts, places, identity] = [at(0x0c), at(0x14), at(0x18)];
  return {
    serial: serialOf(read),
    capabilityTotalVfs: counts === null ? null : counts >>> 16,
    firstVfOffset: places === null ? null : places & 0xffff,
    vfStride: places === null ? null : places >>> 16,
    vfDeviceId: identity === null ? null : identity >>> 16,
    msixCount: msixCountOf(read),
    isExtendedSeen: bytes.length > 0x100,
  };
}
