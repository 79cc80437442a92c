// Every path that host/linux touches, under one root, so that a captured tree is read by the same
// code as the running machine. Nothing else in the program names a place under /sys, /proc or /dev.

import { resolve } from "node:path";
import type { Address } from "../../model/bdf.ts";

export type LinuxPaths = {
  /** Absolute, without a trailing slash: empty for the running machine. */
  readonly prefix: string;
  /** The running machine, not a captured tree. */
  readonly isLive: boolean;
  readonly sys: string;
  readonly pciFunctions: string;
  readonly pciDrivers: string;
  readonly pciDriversProbe: string;
  readonly netdevs: string;
  readonly blockDevices: string;
  readonly iommuGroups: string;
  readonly modules: string;
  readonly firmware: string;
  readonly securityfs: string;
  readonly hugepages: string;
  readonly iommuInstances: string;
  readonly proc: string;
  /** Where our own processes are, whatever tree is read. */
  readonly ownProc: string;
  readonly vfioNodes: string;
  readonly namedNetns: string;
  readonly osRelease: readonly string[];
  /** Where a captured tree may hold its kernel's log. */
  readonly kernelLogs: readonly string[];
  readonly machineId: string;
  readonly bootId: string;
  readonly kernelRelease: string;
  /** One file per write in flight, kept by the process that writes. */
  readonly writers: string;
};

/** Where our own processes are, whatever tree is read. */
export const ownProc = "/proc";

/** `isCapture`: the paths are the running machine's, but they are read from somewhere else. */
export function linuxPaths(root: string, runDirectory: string, isCapture = false): LinuxPaths {
  const absolute = resolve(root);
  const isLive = absolute === "/" && !isCapture;
  const prefix = absolute === "/" ? "" : absolute;
  return {
    prefix,
    isLive,
    sys: `${prefix}/sys`,
    pciFunctions: `${prefix}/sys/bus/pci/devices`,
    pciDrivers: `${prefix}/sys/bus/pci/drivers`,
    pciDriversProbe: `${prefix}/sys/bus/pci/drivers_probe`,
    netdevs: `${prefix}/sys/class/net`,
    blockDevices: `${prefix}/sys/dev/block`,
    iommuGroups: `${prefix}/sys/kernel/iommu_groups`,
    modules: `${prefix}/sys/module`,
    firmware: `${prefix}/sys/firmware`,
    securityfs: `${prefix}/sys/kernel/security`,
    hugepages: `${prefix}/sys/kernel/mm/hugepages`,
    iommuInstances: `${prefix}/sys/class/iommu`,
    proc: `${prefix}/proc`,
    ownProc,
    vfioNodes: `${prefix}/dev/vfio`,
    namedNetns: `${prefix}/run/netns`,
    osRelease: [`${prefix}/usr/lib/os-release`, `${prefix}/etc/os-release`],
    kernelLogs: [`${prefix}/dmesg.txt`, `${prefix}/var/log/dmesg`],
    machineId: `${prefix}/etc/machine-id`,
    bootId: `${prefix}/proc/sys/kernel/random/boot_id`,
    kernelRelease: `${prefix}/proc/sys/kernel/osrelease`,
    writers: `${runDirectory}/writers`,
  };
}

/** A file of a PCI function, by the bus's link: right for any function, present or not. */
export const functionFile = (paths: LinuxPaths, address: Address, name: string): string =>
  `${paths.pciFunctions}/${address}/${name}`;
