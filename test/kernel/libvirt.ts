// libvirt in a lab: its daemon without systemd, D-Bus or security drivers, and domains of 64 MiB in
// software emulation that have nothing but a VF. On a machine without libvirt the packages are
// downloaded and unpacked into the lab's root, which is memory; none is ever installed.

import { run } from "./kernel-cache.ts";
import type { Lab } from "./lab.ts";
import { lackingPackages, unpacked } from "./unpacked-packages.ts";

const packages = [
  "libvirt-clients",
  "libvirt-daemon",
  "libvirt-daemon-driver-network",
  "libvirt-daemon-driver-qemu",
];

/** Folder of what apt would install here to have libvirt, unpacked; null: all of it is installed. */
function missingPackages(): string | null {
  const policy = run("apt-cache", ["policy", ...packages]);
  // Which daemon has which driver is each release's own matter.
  const priority = /^ \*\*\* |^ {5}\S+ (?:5|9)\d\d$/m;
  const known = policy
    .split(/^(?=\S)/m)
    .filter((about) => priority.test(about))
    .map((about) => about.split(":")[0] ?? "");
  const lacking = lackingPackages(known);
  return lacking.length === 0 ? null : unpacked(lacking, "libvirt-daemon");
}

const configuration = `user = "root"
group = "root"
security_driver = "none"
namespaces = []
stdio_handler = "file"
remember_owner = 0
`;

const timeoutMs = 240_000;

/** Starts libvirtd; again: after hooks were installed, as it looks for them when it starts. */
export async function startLibvirt(lab: Lab): Promise<void> {
  const root = missingPackages();
  if (root !== null) {
    await lab.check(
      `tar -C ${root} --exclude=./usr/share/doc -c . | tar -C / -x --keep-directory-symlink`,
      { timeoutMs },
    );
  }
  await lab.check(
    `mkdir -p /etc/libvirt /var/log/libvirt/qemu /run/libvirt
    # Each emulator that it finds costs it seconds, and another machine's cache proves nothing.
    rm -rf /usr/bin/qemu-system-i386 /var/cache/libvirt/qemu /etc/libvirt/qemu
    printf '%s' '${configuration}' > /etc/libvirt/qemu.conf
    libvirtd -d && virsh version`,
    { timeoutMs },
  );
}

/** A q35 machine with the devices and no disk: its firmware finds nothing to boot and waits, unless `rom`
 * is there in its place. */
export const domainXml = (name: string, devices: string, rom = ""): string => `<domain type='qemu'>
  <name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>${rom}</os><features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/>
    ${devices}
  </devices>
</domain>
`;

/** `<source>` of a function `01:10.4`. */
export function addressXml(shortBdf: string): string {
  const [bus = "", slot = "", fn = ""] = shortBdf.split(/[:.]/);
  return `<address type='pci' domain='0' bus='0x${bus}' slot='0x${slot}' function='0x${fn}'/>`;
}

/** Three root ports that take a device while the guest runs. */
export const rootPortsXml = `<controller type='usb' model='none'/>
    <controller type='pci' model='pcie-root'/>
    ${"<controller type='pci' model='pcie-root-port'/>".repeat(3)}`;

/**
 * Firmware that is the whole guest: 18 times a second it looks whether a device is wanted back, and
 * lets it go. QEMU docs/specs/acpi_pci_hotplug.rst: bus at +16 of the registers, slots wanted at +4,
 * eject at +8; on q35 they are at 0xcc0 (hw/acpi/ich9.c). Linux takes minutes to boot in here.
 */
const listeningGuest = [
  // Data and stack in the first 64 KiB.
  "31c0 8ed8 8ed0 bc0070",
  // Local APIC off, so that the 8259 reaches the processor: IA32_APIC_BASE without its bit 11.
  "66b91b000000 0f32 80e4f7 0f30",
  // Interrupt 8 goes to f000:0066.
  "c70620006600 c706220000f0",
  // 8259: interrupts from 8, the timer's alone; 8254: as slow as it gets.
  "b011e620 b008e621 b004e621 b001e621 b0fee621 b034e643 30c0e640 e640",
  // Wait for a tick; then for each of 32 buses: select it, read what is wanted back, eject that.
  "fbf4 6631db bad00c 6689d8 66ef bac40c 66ed 6685c0 7405 bac80c 66ef 6643 6683fb20 72e1 ebda",
  // The interrupt: acknowledge, and back.
  "50 b020 e620 58 cf",
].join("");

/** An image for `<loader type='rom'>`: a processor starts 16 bytes below its end. */
export function listeningGuestRom(): Buffer {
  const image = Buffer.alloc(64 * 1024);
  Buffer.from(listeningGuest.replaceAll(" ", ""), "hex").copy(image);
  // jmp to the image's first byte.
  Buffer.from("e90d00", "hex").copy(image, image.length - 16);
  return image;
}
