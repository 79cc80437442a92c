// What hardware a lab has, as data, and how QEMU is told. Bus numbers follow from the order: the
// firmware numbers buses depth first by slot, so a root port's function is at bus 1, 2, ...

type LabFunction =
  /** Intel 82576, the one NIC with SR-IOV that QEMU emulates: 7 VFs under Linux. */
  | { readonly kind: "igb"; readonly mac: string; readonly ports?: 1 | 2 }
  /** An NVMe controller with one 64 MiB namespace. */
  | {
      readonly kind: "nvme";
      readonly serial: string;
      readonly maxVfs: number;
      /** MSI-X vectors that each VF has room for: above 256 its BAR takes 32 KiB, not 16. */
      readonly maxVectorsOfVf?: number;
    };

type LabSlot =
  /** A root port; `acs: false` hides its ACS capability. `holds: null` is free for hot-plug. */
  | {
      readonly at: "root-port";
      readonly id: string;
      readonly acs: boolean;
      readonly holds: LabFunction | null;
    }
  /** A switch below a root port with ACS; its own downstream ports have none. */
  | { readonly at: "switch"; readonly id: string; readonly holds: readonly LabFunction[] }
  /** On the root bus itself: a root-complex integrated endpoint. */
  | { readonly at: "root-bus"; readonly id: string; readonly holds: LabFunction };

export type LabTopology = {
  readonly memory: string;
  /** `no-remapping`: without interrupt remapping; absent: everything. */
  readonly iommu?: "no-remapping" | "none";
  /** More words of the kernel's command line. */
  readonly kernelArguments?: string;
  readonly processors: number;
  readonly slots: readonly LabSlot[];
};

/** Ports sit at 00:09.0, 00:0a.0 ... in the order of the topology, and so do the buses below. */
const firstPortSlot = 9;
/** The one place on the root bus for igb: its VFs, 0x80 routing IDs on, are at 00:16.0 to 17.4. */
const integratedSlot = 6;

const igb = (last: string): LabFunction => ({ kind: "igb", mac: `52:54:00:aa:00:${last}` });

/**
 * Everything at once, as one boot is cheaper than many. Addresses:
 * 01:00.0 and 02:00.0 igb, root ports with ACS; 03:00.0 nvme; 04:00.0 igb below a root port
 * without ACS; 05 to 08 a switch without ACS, igb at 07:00.0 and 08:00.0; 00:06.0 igb on the root
 * bus; 09:00.0 and 09:00.1 one card of two ports; bus 0a empty, for hot-plug (port "free").
 */
export const fullTopology: LabTopology = {
  // At 4G the VF BARs land above 4 GiB, where VF MMIO is dead in QEMU 10.0.
  memory: "2G",
  // With two, the second one's timer stops at times in software emulation ("Possible timer handling
  // issue on cpu=1") and what runs there sleeps for ever. It is no slower on a host of two cores.
  processors: 1,
  slots: [
    { at: "root-port", id: "port0", acs: true, holds: igb("00") },
    { at: "root-port", id: "port1", acs: true, holds: igb("10") },
    {
      at: "root-port",
      id: "port2",
      acs: true,
      holds: { kind: "nvme", serial: "lab0", maxVfs: 127 },
    },
    { at: "root-port", id: "noacs", acs: false, holds: igb("20") },
    { at: "switch", id: "switch", holds: [igb("30"), igb("40")] },
    { at: "root-bus", id: "integrated", holds: igb("50") },
    {
      at: "root-port",
      id: "card",
      acs: true,
      holds: { kind: "igb", mac: "52:54:00:aa:00:60", ports: 2 },
    },
    { at: "root-port", id: "free", acs: true, holds: null },
  ],
};

/** Only what the main job needs: two igb on one wire and an nvme; boots a little faster. */
export const smallTopology: LabTopology = {
  ...fullTopology,
  slots: fullTopology.slots.slice(0, 3),
};

const nextMac = (mac: string): string =>
  mac.slice(0, -1) + ((Number.parseInt(mac.slice(-1), 16) + 1) % 16).toString(16);

class Arguments {
  readonly list: string[] = [];
  #wires = 0;
  readonly #runDirectory: string;

  constructor(runDirectory: string) {
    this.#runDirectory = runDirectory;
  }

  device(properties: string): void {
    this.list.push("-device", properties);
  }

  /** One more port of the hub that joins all NICs: a wire on which everybody hears everybody. */
  wire(): string {
    const id = `wire${this.#wires++}`;
    this.list.push("-netdev", `hubport,id=${id},hubid=0`);
    return id;
  }

  place(device: LabFunction, bus: string, address: string): void {
    if (device.kind === "nvme") this.#placeNvme(device, bus, address);
    else if (device.ports === 2) {
      const options = `bus=${bus},multifunction=on`;
      // Otherwise function 0 says in its ARI capability that it is alone.
      const next = "x-pcie-ari-nextfn-1=on";
      this.device(
        `igb,${options},${next},addr=${address}.0,netdev=${this.wire()},mac=${device.mac}`,
      );
      const second = nextMac(device.mac);
      this.device(`igb,${options},addr=${address}.1,netdev=${this.wire()},mac=${second}`);
    } else {
      this.device(`igb,bus=${bus},addr=${address}.0,netdev=${this.wire()},mac=${device.mac}`);
    }
  }

  #placeNvme(device: LabFunction & { kind: "nvme" }, bus: string, address: string): void {
    const { serial, maxVfs, maxVectorsOfVf = 0 } = device;
    // QEMU hw/nvme/ctrl.c nvme_check_params(): two queues and one vector a VF, and the PF's own.
    const vectors = Math.max(maxVfs, maxVectorsOfVf);
    const limits =
      `sriov_max_vfs=${maxVfs},sriov_vq_flexible=${2 * maxVfs},sriov_vi_flexible=${vectors},` +
      `max_ioqpairs=${2 * maxVfs + 2},msix_qsize=${vectors + 1},` +
      `sriov_max_vi_per_vf=${maxVectorsOfVf}`;
    const file = `${this.#runDirectory}/${serial}.img`;
    this.list.push("-drive", `if=none,id=${serial}-disk,file=${file},format=raw,cache=unsafe`);
    this.device(`nvme-subsys,id=${serial}-subsystem`);
    this.device(
      `nvme,id=${serial},bus=${bus},addr=${address},serial=${serial},` +
        `subsys=${serial}-subsystem,${limits}`,
    );
    this.device(`nvme-ns,drive=${serial}-disk,bus=${serial},nsid=1`);
  }
}

/** QEMU's arguments for the devices; `runDirectory` has a disk image a nvme serial. */
export function deviceArguments(topology: LabTopology, runDirectory: string): string[] {
  const args = new Arguments(runDirectory);
  // The peer on the wire, an ordinary NIC of the lab, sits below the ports under test.
  args.device(`virtio-net-pci,addr=8.0,netdev=${args.wire()},mac=52:54:00:cc:00:00`);
  topology.slots.forEach((slot, index) => {
    const address = (firstPortSlot + index).toString(16);
    const port = `id=${slot.id},bus=pcie.0,addr=${address}.0,chassis=${index + 1}`;
    if (slot.at === "root-bus") {
      args.place(slot.holds, "pcie.0", integratedSlot.toString(16));
    } else if (slot.at === "root-port") {
      const acs = slot.acs ? "" : ",disable-acs=on";
      args.device(`pcie-root-port,${port},slot=${index + 1}${acs}`);
      if (slot.holds !== null) args.place(slot.holds, slot.id, "0");
    } else {
      args.device(`pcie-root-port,${port},slot=${index + 1}`);
      args.device(`x3130-upstream,id=${slot.id}-up,bus=${slot.id}`);
      slot.holds.forEach((device, downstream) => {
        const id = `${slot.id}-down${downstream}`;
        const chassis = `chassis=${100 + index * 8 + downstream},slot=${100 + downstream}`;
        args.device(
          `xio3130-downstream,id=${id},bus=${slot.id}-up,addr=${downstream}.0,${chassis}`,
        );
        args.place(device, id, "0");
      });
    }
  });
  return args.list;
}

export function nvmeSerials(topology: LabTopology): string[] {
  const functions = topology.slots.flatMap((slot) => slot.holds ?? []);
  return functions.flatMap((device) => (device.kind === "nvme" ? [device.serial] : []));
}
