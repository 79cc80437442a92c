// Writes test/machines/*.txt: config space of the lab's functions as `lspci -vvv -xxxx` prints it,
// bytes and lspci's reading of them side by side, so that the codec is tested on device bytes
// wherever the project is cloned. Run by hand when the lab's hardware changes; review the diff.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bootLab } from "./lab.ts";
import { fullTopology } from "./topology.ts";

const machinesDirectory = join(import.meta.dirname, "..", "machines");

type Machine = {
  readonly name: string;
  /** VFs to enable first, by PF. */
  readonly numVfs: Readonly<Record<string, number>>;
  readonly functions: readonly string[];
};

const machines: readonly Machine[] = [
  { name: "igb-idle", numVfs: {}, functions: ["02:00.0"] },
  { name: "igb-7-vfs", numVfs: { "01:00.0": 7 }, functions: ["01:00.0", "01:10.0", "01:11.4"] },
  {
    name: "igb-two-ports",
    numVfs: { "09:00.0": 1, "09:00.1": 2 },
    functions: ["09:00.0", "09:00.1", "09:10.3"],
  },
  { name: "igb-on-root-bus", numVfs: { "00:06.0": 1 }, functions: ["00:06.0", "00:16.0"] },
  {
    name: "nvme-127-vfs",
    numVfs: { "03:00.0": 127 },
    functions: ["03:00.0", "03:00.1", "03:0f.7"],
  },
  // Root port with and without ACS; switch ports, the downstream one without ACS.
  { name: "bridges", numVfs: {}, functions: ["00:09.0", "00:0c.0", "05:00.0", "06:00.0"] },
  // 256 bytes of config space: a PCI host bridge, three functions of one device, a virtio device.
  {
    name: "platform",
    numVfs: {},
    functions: ["00:00.0", "00:1f.0", "00:1f.2", "00:1f.3", "00:01.0"],
  },
];

const lab = await bootLab({ topology: fullTopology });
try {
  mkdirSync(machinesDirectory, { recursive: true });
  await lab.check("modprobe igb; modprobe nvme");
  const versions = await lab.check("uname -r; lspci --version");
  for (const { name, numVfs, functions } of machines) {
    for (const [pf, count] of Object.entries(numVfs)) {
      const directory = `/sys/bus/pci/devices/0000:${pf}`;
      await lab.check(
        `echo 0 > ${directory}/sriov_drivers_autoprobe; echo ${count} > ${directory}/sriov_numvfs`,
      );
    }
    const script = functions.map((each) => `lspci -D -nn -vvv -xxxx -s ${each}`).join("; ");
    const text = await lab.check(script);
    const [kernel, pciutils] = versions.split("\n");
    const origin = `# QEMU's emulated devices in the kernel lab; Linux ${kernel}, ${pciutils}\n`;
    writeFileSync(join(machinesDirectory, `${name}.txt`), `${origin}${text.trimEnd()}\n`);
  }
} finally {
  await lab.close();
}
