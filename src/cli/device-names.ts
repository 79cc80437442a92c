// Names of devices that people meet with SR-IOV, for tables only: the numbers are shown beside
// them and decide everything. Ids are public facts (the vendors' data sheets and the drivers'
// PCI id tables under drivers/net/ethernet/ and drivers/nvme/ of the kernel).

const vendors: Readonly<Record<number, string>> = {
  0x1002: "AMD",
  0x1022: "AMD",
  0x1077: "QLogic",
  0x10de: "NVIDIA",
  0x1137: "Cisco",
  0x14e4: "Broadcom",
  0x144d: "Samsung",
  0x15b3: "Mellanox",
  0x177d: "Cavium",
  0x19e5: "Huawei",
  0x19ee: "Netronome",
  0x1924: "Solarflare",
  0x1af4: "Red Hat",
  0x1b36: "QEMU",
  0x1d0f: "Amazon",
  0x1dd8: "Pensando",
  0x1e49: "YMTC",
  0x8086: "Intel",
};

const models: Readonly<Record<string, string>> = {
  "8086:10c9": "82576",
  "8086:1521": "I350",
  "8086:10fb": "82599ES",
  "8086:1528": "X540-AT2",
  "8086:1563": "X550-T2",
  "8086:15ad": "X552",
  "8086:1572": "X710",
  "8086:1583": "XL710-QDA2",
  "8086:158b": "XXV710",
  "8086:37d0": "X722",
  "8086:1592": "E810-C QSFP",
  "8086:1593": "E810-C SFP",
  "8086:159b": "E810-XXV",
  "8086:37c8": "QuickAssist C62x",
  "8086:4940": "QuickAssist 4xxx",
  "8086:56c0": "Data Center GPU Flex 170",
  "15b3:1013": "ConnectX-4",
  "15b3:1015": "ConnectX-4 Lx",
  "15b3:1017": "ConnectX-5",
  "15b3:1019": "ConnectX-5 Ex",
  "15b3:101b": "ConnectX-6",
  "15b3:101d": "ConnectX-6 Dx",
  "15b3:101f": "ConnectX-6 Lx",
  "15b3:1021": "ConnectX-7",
  "15b3:a2d6": "BlueField-2",
  "144d:a824": "PM173x NVMe",
  "1b36:0010": "NVMe",
  "14e4:1750": "BCM57508",
  "14e4:16d7": "BCM57414",
};

const classes: Readonly<Record<string, string>> = {
  "0100": "SCSI",
  "0106": "SATA",
  "0108": "NVMe",
  "0200": "Ethernet",
  "0207": "InfiniBand",
  "0280": "network",
  "0300": "VGA",
  "0302": "3D",
  "0380": "display",
  "0403": "audio",
  "0500": "memory",
  "0600": "host bridge",
  "0601": "ISA bridge",
  "0604": "PCI bridge",
  "0607": "CardBus bridge",
  "0c03": "USB",
  "0c05": "SMBus",
  "0b40": "co-processor",
  "1200": "accelerator",
};

const hex4 = (number: number): string => number.toString(16).padStart(4, "0");

/** `8086:159b`. */
export const idsOf = (vendorId: number, deviceId: number): string =>
  `${hex4(vendorId)}:${hex4(deviceId)}`;

/** `Ethernet`, or the class's number where it has no name here. */
export function className(classCode: number): string {
  const key = hex4(classCode >>> 8);
  return classes[key] ?? `class ${key}`;
}

/** `Intel E810-XXV`, as far as known: `Intel` alone, or nothing. */
export function deviceName(vendorId: number, deviceId: number): string {
  const model = models[idsOf(vendorId, deviceId)];
  return [vendors[vendorId], model].filter((word) => word !== undefined).join(" ");
}
