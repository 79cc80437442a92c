// libvirt in a lab: its daemon without systemd, D-Bus or security drivers, and domains of 64 MiB in
// software emulation that have nothing but a VF. On a machine without libvirt the packages are
// downloaded and unpacked into the lab's root, which is memory; none is ever installed.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./kernel-cache.ts";
import type { Lab } from "./lab.ts";
import { listeningGuestRom } from "./listening-guest.ts";
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

type Machine = { readonly type?: "qemu" | "kvm"; readonly machine?: string; readonly rom?: string };

/** A machine with the devices and no disk: its firmware finds nothing to boot and waits, unless `rom`
 * is there in its place. */
export const domainXml = (
  name: string,
  devices: string,
  { type = "qemu", machine = "q35", rom = "" }: Machine = {},
): string => `<domain type='${type}'>
  <name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='${machine}'>hvm</type>${rom}</os><features><acpi/></features>
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

/** Defines a domain that listens, in `type`'s emulation, and starts it. */
export async function startListeningDomain(lab: Lab, name: string, type: "qemu" | "kvm") {
  const write = (file: string, data: string | Buffer): void =>
    writeFileSync(join(lab.resultsDirectory, file), data);
  write("guest.rom", listeningGuestRom());
  // libvirt wants it on a file system of the machine's own.
  const rom = "<loader type='rom' readonly='yes'>/root/guest.rom</loader>";
  write(`${name}.xml`, domainXml(name, rootPortsXml, { type, rom }));
  const script = `cp /results/guest.rom /root
    virsh define /results/${name}.xml && virsh start ${name}`;
  await lab.check(script, { timeoutMs });
}
