// Runs in the lab: opens a VF through vfio as a VM monitor does and keeps it until it is killed, so
// that tests meet a VF in use. Needs an IOMMU and the VF on vfio-pci. Prints "holding" once it does;
// usage: node vfio-holder.ts 0000:01:10.0

import { dlopen, getInt32 } from "node:ffi";
import { constants, openSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

// Linux include/uapi/linux/vfio.h: _IO(';', 100 + n).
const requests = { setIommu: 0x3b66n, setContainer: 0x3b68n, getDeviceFd: 0x3b6an } as const;
const type1v2Iommu = 3n;

// Twice, because ioctl(2) takes a number or a pointer to bytes.
const { functions: withNumber } = dlopen(null, {
  ioctl: { arguments: ["int32", "uint64", "int64"], return: "int32" },
  __errno_location: { arguments: [], return: "pointer" },
});
const { ioctl: ioctlNumber, __errno_location: errnoLocation } = withNumber;
const { functions: withBytes } = dlopen(null, {
  ioctl: { arguments: ["int32", "uint64", "buffer"], return: "int32" },
});

function checked(what: string, result: number): number {
  if (result < 0) {
    throw new Error(`Cannot ${what}: errno ${getInt32(errnoLocation())}`);
  }
  return result;
}

function holdThroughVfio(address: string): void {
  const group = basename(readlinkSync(`/sys/bus/pci/devices/${address}/iommu_group`));
  const container = openSync("/dev/vfio/vfio", constants.O_RDWR);
  const groupFile = openSync(`/dev/vfio/${group}`, constants.O_RDWR);
  const containerNumber = Buffer.from(Int32Array.of(container).buffer);
  const { setContainer, setIommu, getDeviceFd } = requests;
  checked("join the container", withBytes.ioctl(groupFile, setContainer, containerNumber));
  checked("set the IOMMU type", ioctlNumber(container, setIommu, type1v2Iommu));
  const name = Buffer.from(`${address}\0`);
  checked(`open ${address}`, withBytes.ioctl(groupFile, getDeviceFd, name));
  console.log("holding");
  setInterval(() => undefined, 2 ** 30);
}

const [address] = process.argv.slice(2);
if (import.meta.main && address !== undefined) holdThroughVfio(address);
