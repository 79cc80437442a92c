// Which lines of a kernel log matter to SR-IOV. A capture is looked through before it is passed on,
// and a whole log tells of users, mounts and devices that have nothing to do with it.

const wanted: readonly RegExp[] = [
  /^(?:Linux version|Booting Linux|Command line:|Kernel command line:)/,
  /\b[0-9a-f]{4,8}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]\b/i,
  /\b(?:DMAR|DMAR-IR|AMD-Vi|IVRS|IORT|IOMMU|iommu|SMMU|arm-smmu|VFIO|vfio|iommufd)\b/,
  /\bsr-?iov\b|\bvirtual function|numvfs|max_vfs|mlx5/i,
  /\b(?:VFs?|ARI|ACS)\b/,
  /^(?:pci|pcieport|PCI|ACPI: PCI|acpi PNP0A0[38])\b/,
  /remapping|x2apic|secure boot|lockdown|\bhugepages?\b|HugeTLB/i,
  /\bKVM\b|\bkvm(?:_intel|_amd)?:|hypervisor/i,
];

/** Other people's words that hold an address by chance. */
const unwanted = /\baudit\b|apparmor|systemd|USB|usb |SerialNumber|segfault|snd_|bluetooth/i;

export const linesThatMatter = (lines: readonly string[]): string[] =>
  lines.filter((line) => wanted.some((pattern) => pattern.test(line)) && !unwanted.test(line));
