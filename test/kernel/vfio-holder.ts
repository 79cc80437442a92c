// Runs in the lab: opens a VF through vfio as a VM monitor does and keeps it until it is killed, so
// that tests meet a VF in use. Needs an IOMMU and the VF on vfio-pci. Prints "holding" once it does;
// usage: node vfio-holder.ts 0000:01:10.0

import { constants, openSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import koffi from "koffi";

// Linux include/uapi/linux/vfio.h: _IO(';', 100 + n).
const requests = { setIommu: 0x3b66, setContainer: 0x3b68, getDeviceFd: 0x3b6a } as const;
const type1v2Iommu = 3;

type Call = (file: number, request: number, argument: unknown) => number;

const libc = koffi.load("libc.so.6");
const ioctlNumber: Call = libc.func("int ioctl(int file, unsigned long request, long argument)");
const ioctlBytes: Call = libc.func("int ioctl(int file, unsigned long request, void *argument)");

function checked(what: string, result: number): number {
  if (result < 0) throw new Error(`Cannot ${what}: errno ${koffi.errno()}`);
  return result;
}

function holdThroughVfio(address: string): void {
  const group = basename(readlinkSync(`/sys/bus/pci/devices/${address}/iommu_group`));
  const container = openSync("/dev/vfio/vfio", constants.O_RDWR);
  const groupFile = openSync(`/dev/vfio/${group}`, constants.O_RDWR);
  const containerNumber = Buffer.from(Int32Array.of(container).buffer);
  checked("join the container", ioctlBytes(groupFile, requests.setContainer, containerNumber));
  checked("set the IOMMU type", ioctlNumber(container, requests.setIommu, type1v2Iommu));
  const name = Buffer.from(`${address}\0`);
  checked(`open ${address}`, ioctlBytes(groupFile, requests.getDeviceFd, name));
  console.log("holding");
  setInterval(() => undefined, 2 ** 30);
}

const [address] = process.argv.slice(2);
if (import.meta.main && address !== undefined) holdThroughVfio(address);
