// Writes a sysfs tree of PCI functions from a description: PFs behind root ports, their VFs,
// drivers, IOMMU groups and netdevs, with the links and number formats of the kernel. Tests break
// such trees on purpose; the benchmark reads a large one.

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { formatBdf, parseBdf } from "../src/model/bdf.ts";
import { vfAddresses } from "../src/pci/routing-id.ts";

export type FakePf = {
  readonly address: string;
  /** Root port above; without one the PF is on the root bus. */
  readonly bridge?: string;
  readonly numVfs: number;
  readonly totalVfs: number;
  readonly capabilityTotalVfs?: number;
  readonly firstVfOffset: number;
  readonly vfStride: number;
  readonly vfDeviceId: number;
  readonly deviceId: number;
  readonly driver: string | null;
  readonly vfDriver: string | null;
  /** The PF's netdev; VFs have `NAMEvN` when they are bound to a network driver. */
  readonly netdev?: string;
  readonly hasVfNetdevs?: boolean;
  /** Low and high word of the Device Serial Number. */
  readonly serial?: readonly [number, number];
};

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

type FakeFunction = {
  readonly address: string;
  readonly folder: string;
  readonly deviceId: number;
  readonly classCode: number;
  readonly driver: string | null;
  readonly config: Uint8Array;
  readonly iommuGroup: number;
  readonly files: Readonly<Record<string, string>>;
};

const vendorId = 0x8086;

function writeText(path: string, text: string | Uint8Array): void {
  writeFileSync(path, text);
}

function link(path: string, target: string): void {
  symlinkSync(relative(dirname(path), target), path);
}

function modaliasOf(deviceId: number, classCode: number): string {
  const [vendor, device] = [vendorId, deviceId].map((id) => hex(id, 8).toUpperCase());
  const code = hex(classCode, 6).toUpperCase();
  const parts = `bc${code.slice(0, 2)}sc${code.slice(2, 4)}i${code.slice(4)}`;
  return `pci:v${vendor}d${device}sv00001AF4sd00001100${parts}`;
}

function writeFunction(root: string, fn: FakeFunction): void {
  const { address, folder, deviceId, classCode, driver } = fn;
  mkdirSync(folder, { recursive: true });
  // The first VF BAR has memory.
  const lines = Array.from({ length: 13 }, (_, at) =>
    at === 7
      ? "0x0000000080000000 0x000000008001ffff 0x000000000014220c"
      : "0x0000000000000000 0x0000000000000000 0x0000000000000000",
  );
  const ids = { vendor: vendorId, device: deviceId, subsystem_vendor: 0x1af4 };
  const texts: Record<string, string> = {
    ...Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, `0x${hex(id, 4)}`])),
    subsystem_device: "0x1100",
    class: `0x${hex(classCode, 6)}`,
    revision: "0x01",
    irq: "0",
    numa_node: "0",
    resource: lines.join("\n"),
    modalias: modaliasOf(deviceId, classCode),
    driver_override: "(null)",
    ari_enabled: "1",
    uevent: [
      ...(driver === null ? [] : [`DRIVER=${driver}`]),
      `PCI_CLASS=${hex(classCode, 1).toUpperCase()}`,
      `PCI_ID=${hex(vendorId, 4)}:${hex(deviceId, 4)}`.toUpperCase(),
      "PCI_SUBSYS_ID=1AF4:1100",
      `PCI_SLOT_NAME=${address}`,
      `MODALIAS=${modaliasOf(deviceId, classCode)}`,
    ].join("\n"),
    ...fn.files,
  };
  for (const [name, text] of Object.entries(texts)) writeText(join(folder, name), `${text}\n`);
  writeText(join(folder, "config"), fn.config);
  link(join(root, "sys/bus/pci/devices", address), folder);
  const group = join(root, "sys/kernel/iommu_groups", String(fn.iommuGroup));
  mkdirSync(join(group, "devices"), { recursive: true });
  writeText(join(group, "type"), "DMA-FQ\n");
  link(join(group, "devices", address), folder);
  link(join(folder, "iommu_group"), group);
  if (driver === null) return;
  const driverFolder = join(root, "sys/bus/pci/drivers", driver);
  mkdirSync(driverFolder, { recursive: true });
  link(join(driverFolder, address), folder);
  link(join(folder, "driver"), driverFolder);
}

function writeNetdev(root: string, folder: string, name: string, ifindex: number): void {
  const netdev = join(folder, "net", name);
  mkdirSync(netdev, { recursive: true });
  const texts = {
    ifindex: String(ifindex),
    address: `02:00:00:00:${hex(ifindex >> 8, 2)}:${hex(ifindex & 0xff, 2)}`,
    mtu: "1500",
    flags: "0x1003",
    operstate: "up",
    phys_port_name: "p0",
  };
  for (const [file, text] of Object.entries(texts)) writeText(join(netdev, file), `${text}\n`);
  link(join(root, "sys/class/net", name), netdev);
}

/** Config space with MSI-X at 0x70 and PCIe at 0xa0. */
function basicConfig(vendor: number, device: number, classCode: number): DataView {
  const view = new DataView(new ArrayBuffer(4096));
  view.setUint16(0x00, vendor, true);
  view.setUint16(0x02, device, true);
  view.setUint16(0x06, 0x0010, true);
  view.setUint32(0x08, (classCode << 8) | 0x01, true);
  view.setUint8(0x34, 0x70);
  view.setUint32(0x70, 0x0009_a011, true); // MSI-X, ten vectors, next 0xa0
  view.setUint32(0xa0, 0x0002_0010, true); // PCIe endpoint
  return view;
}

function pfConfig(pf: FakePf): Uint8Array {
  const view = basicConfig(vendorId, pf.deviceId, 0x020000);
  const [low, high] = pf.serial ?? [0, 0];
  view.setUint32(0x100, 0x1401_0003, true); // DSN, next 0x140
  view.setUint32(0x104, low, true);
  view.setUint32(0x108, high, true);
  view.setUint32(0x140, 0x0001_0010, true); // SR-IOV, last
  view.setUint16(0x14c, pf.capabilityTotalVfs ?? pf.totalVfs, true);
  view.setUint16(0x14e, pf.capabilityTotalVfs ?? pf.totalVfs, true);
  view.setUint16(0x150, pf.numVfs, true);
  view.setUint16(0x154, pf.firstVfOffset, true);
  view.setUint16(0x156, pf.vfStride, true);
  view.setUint16(0x15a, pf.vfDeviceId, true);
  return new Uint8Array(view.buffer);
}

function bridgeConfig(secondaryBus: number): Uint8Array {
  const view = basicConfig(vendorId, 0x000c, 0x060400);
  view.setUint8(0x0e, 1);
  view.setUint8(0x19, secondaryBus);
  view.setUint8(0x1a, secondaryBus);
  return new Uint8Array(view.buffer);
}

/** Writes the tree under `root`, which must be empty or absent. */
export function writeFakeSysfs(root: string, pfs: readonly FakePf[]): void {
  const folders = ["bus/pci/devices", "bus/pci/drivers", "class/net", "kernel/iommu_groups"];
  for (const folder of folders) mkdirSync(join(root, "sys", folder), { recursive: true });
  let iommuGroup = 0;
  let ifindex = 2;
  for (const pf of pfs) {
    const bdf = parseBdf(pf.address);
    if (bdf === null) throw new Error(`${pf.address} is no address`);
    const bus = bdf.routingId >> 8;
    const domain = hex(bdf.domain, 4);
    const rootBus = pf.bridge === undefined ? hex(bus, 2) : pf.bridge.split(":")[1];
    let parent = join(root, "sys/devices", `pci${domain}:${rootBus}`);
    if (pf.bridge !== undefined) {
      parent = join(parent, pf.bridge);
      writeFunction(root, {
        address: pf.bridge,
        folder: parent,
        deviceId: 0x000c,
        classCode: 0x060400,
        driver: "pcieport",
        config: bridgeConfig(bus),
        iommuGroup: iommuGroup++,
        files: { secondary_bus_number: String(bus), subordinate_bus_number: String(bus) },
      });
    }
    const folder = join(parent, formatBdf(bdf));
    writeFunction(root, {
      address: pf.address,
      folder,
      deviceId: pf.deviceId,
      classCode: 0x020000,
      driver: pf.driver,
      config: pfConfig(pf),
      iommuGroup: iommuGroup++,
      files: {
        sriov_totalvfs: String(pf.totalVfs),
        sriov_numvfs: String(pf.numVfs),
        sriov_offset: String(pf.firstVfOffset),
        sriov_stride: String(pf.vfStride),
        sriov_vf_device: hex(pf.vfDeviceId, 1),
        sriov_drivers_autoprobe: "1",
        sriov_vf_total_msix: "0",
        current_link_speed: "8.0 GT/s PCIe",
        current_link_width: "8",
        max_link_speed: "16.0 GT/s PCIe",
        max_link_width: "16",
      },
    });
    if (pf.netdev !== undefined) writeNetdev(root, folder, pf.netdev, ifindex++);
    vfAddresses(bdf, pf, pf.numVfs).forEach((address, vfIndex) => {
      const vfFolder = join(parent, address);
      writeFunction(root, {
        address,
        folder: vfFolder,
        deviceId: pf.vfDeviceId,
        classCode: 0x020000,
        driver: pf.vfDriver,
        config: new Uint8Array(basicConfig(0xffff, 0xffff, 0x020000).buffer),
        iommuGroup: iommuGroup++,
        files: {},
      });
      link(join(vfFolder, "physfn"), folder);
      link(join(folder, `virtfn${vfIndex}`), vfFolder);
      if (pf.hasVfNetdevs !== true) return;
      writeNetdev(root, vfFolder, `${pf.netdev ?? "vf"}v${vfIndex}`, ifindex++);
    });
  }
}

/** `numPfs` NICs on their own root ports with `numVfs` VFs each, all with netdevs: the benchmark's
 * host. */
export function nicHost(numPfs: number, numVfs: number): FakePf[] {
  return Array.from({ length: numPfs }, (_, index) => ({
    address: `0000:${hex(0x10 + index * 2, 2)}:00.0`,
    bridge: `0000:00:${hex(index + 1, 2)}.0`,
    numVfs,
    totalVfs: numVfs,
    firstVfOffset: 0x10,
    vfStride: 1,
    vfDeviceId: 0x1889,
    deviceId: 0x1592,
    driver: "ice",
    vfDriver: "iavf",
    netdev: `ens${index}`,
    hasVfNetdevs: true,
    serial: [0xff001000 + index, 0xb49691ff] as const,
  }));
}
