// The guest of a measurement as data: QEMU's arguments, its initramfs, and its init. It is a server
// only: it answers iperf3 and sockperf, and says its CPU time when asked, so every clock that counts
// is the host's. It boots without a NIC and is saved then; each round restores it and plugs one in.

/** How a guest's one NIC is attached. */
export type GuestNic =
  | { readonly kind: "tap"; readonly model: "e1000" | "virtio-net-pci"; readonly isVhost: boolean }
  /** `device` is in `netns`; QEMU is given its file open. */
  | {
      readonly kind: "macvtap";
      readonly netns: string;
      readonly device: string;
      readonly isVhost: boolean;
    }
  | { readonly kind: "vfio"; readonly address: string };

export type Accel = "kvm" | "tcg";

/** Of the end that answers, in a guest or a namespace: RFC 2544 C.2.2. */
export const receiverAddress = "198.18.0.2";
export const receiverMac = "02:53:52:00:00:02";
/** What it says again and again until it has a NIC, and once when that is up. */
export const guestWaits = "bench: waits for a NIC";
export const guestReady = "bench: ready";
export const guestPorts = { iperf3: "5201", sockperf: "11111" } as const;

const memoryMib = 256;
/** The file of a macvtap interface, as QEMU is given it. */
const macvtapFd = 3;

/** The same for the guest that is saved and for those that are restored. Its console is standard input
 * and output. */
export const machineArguments = (accel: Accel): string[] =>
  [
    ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    // Without KVM, newer instructions take longer than the older ones that do the same.
    ["-machine", "q35", "-accel", accel, "-cpu", accel === "kvm" ? "host" : "qemu64"],
    ["-smp", "1", "-m", `${memoryMib}M`, "-name", "sriovctl-bench", "-serial", "stdio"],
    // Software emulation on a busy host: a guest's timers are late, and it does nothing but chase them.
    accel === "kvm" ? [] : ["-icount", "shift=3,sleep=on"],
    ["-device", "pcie-root-port,id=nic-port,chassis=1,slot=1"],
  ].flat();

export const bootArguments = (kernel: string, initramfs: string): string[] => [
  "-kernel",
  kernel,
  "-initrd",
  initramfs,
  "-append",
  "console=ttyS0 quiet loglevel=3 panic=-1 tsc=reliable no_timer_check",
];

/** The host's end of the NIC, where it has one. */
export function netdevArguments(nic: GuestNic): string[] {
  if (nic.kind === "vfio") return [];
  const from = nic.kind === "macvtap" ? `fd=${macvtapFd}` : "ifname=tap0,script=no,downscript=no";
  return ["-netdev", `tap,id=bench,${from}${nic.isVhost ? ",vhost=on" : ""}`];
}

/** What `device_add` is told. A macvtap interface passes frames for its own address only. */
export const deviceOf = (nic: GuestNic, mac: string): Readonly<Record<string, string>> => ({
  id: "nic",
  bus: "nic-port",
  ...(nic.kind === "vfio"
    ? { driver: "vfio-pci", host: nic.address }
    : { driver: nic.kind === "tap" ? nic.model : "virtio-net-pci", netdev: "bench", mac }),
});

export function nicWords(nic: GuestNic): string {
  if (nic.kind === "vfio") return `vfio-pci ${nic.address}`;
  const model = nic.kind === "tap" ? nic.model : "virtio-net-pci on macvtap";
  return nic.isVhost ? `${model}, vhost` : model;
}

/** What init needs of programs; each is copied with its libraries. */
export const guestPrograms = ["sh", "mount", "sleep", "ip", "iperf3", "sockperf"];
/** `modprobe` loads one by its name, but the names are in files that are not worth copying. */
export const moduleLoader = "insmod";

/** Builtins where that goes: each program that is started takes long in software emulation. */
export const guestInit = (): string => `#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done < /modules/order
ip link set lo up
iperf3 --server --port ${guestPorts.iperf3} > /dev/null 2>&1 &
sockperf server -i 0.0.0.0 -p ${guestPorts.sockperf} > /dev/null 2>&1 &
sleep 1
nic=
while [ -z "$nic" ]; do
  echo "${guestWaits}"
  sleep 0.2
  for found in /sys/class/net/*/device; do [ -e "$found" ] && nic=$found; done
done
nic=\${nic%/device}
nic=\${nic##*/}
ip link set "$nic" up
ip address add ${receiverAddress}/24 dev "$nic"
echo "${guestReady} on $nic"
while read -r _; do read -r stat < /proc/stat; echo "$stat"; done
`;

export type CpioEntry = {
  readonly name: string;
  readonly mode: number;
  readonly content: Uint8Array;
};

const pad4 = (length: number): number => (4 - (length % 4)) % 4;

/** Linux Documentation/driver-api/early-userspace/buffer-format.rst: 13 fields of 8 hex digits. */
function entryBytes({ name, mode, content }: CpioEntry, inode: number): Uint8Array[] {
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  const head = new TextEncoder().encode(`070701${header}${name}\0`);
  return [head, new Uint8Array(pad4(head.length)), content, new Uint8Array(pad4(content.length))];
}

export function cpioArchive(entries: readonly CpioEntry[]): Uint8Array[] {
  const trailer = { name: "TRAILER!!!", mode: 0, content: new Uint8Array(0) };
  return [...entries, trailer].flatMap((entry, at) => entryBytes(entry, at + 1));
}

/** `ldd`: the files that a program needs; empty for a static one. */
export const librariesOf = (ldd: string): string[] =>
  [...ldd.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, path = ""]) => path);

/** `modprobe --show-depends`: files in the order of loading; what is built in has none. */
export const moduleFiles = (shown: string): string[] =>
  [...shown.matchAll(/^insmod (\/\S+)/gm)].map(([, path = ""]) => path);
