// A guest of 109 bytes that lets go of devices when it is asked, and does nothing else.

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
