// The guest: what QEMU is told, and that its files arrive whole. The archive is read by its format's own
// rules here; that a kernel reads it is seen where a guest is started.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import {
  cpioArchive,
  deviceOf,
  librariesOf,
  machineArguments,
  moduleFiles,
  netdevArguments,
  nicWords,
  receiverMac,
  type GuestNic,
} from "./guest-machine.ts";

const rows: readonly (readonly [
  nic: GuestNic,
  netdev: string,
  device: Readonly<Record<string, string>>,
])[] = [
  [
    { kind: "tap", model: "virtio-net-pci", isVhost: true },
    "-netdev tap,id=bench,ifname=tap0,script=no,downscript=no,vhost=on",
    { driver: "virtio-net-pci", netdev: "bench", mac: receiverMac },
  ],
  [
    { kind: "tap", model: "e1000", isVhost: false },
    "-netdev tap,id=bench,ifname=tap0,script=no,downscript=no",
    { driver: "e1000", netdev: "bench", mac: receiverMac },
  ],
  [
    { kind: "macvtap", netns: "sriovctl-bench-s", device: "guest0", isVhost: false },
    "-netdev tap,id=bench,fd=3",
    { driver: "virtio-net-pci", netdev: "bench", mac: receiverMac },
  ],
  [{ kind: "vfio", address: "0000:3b:02.0" }, "", { driver: "vfio-pci", host: "0000:3b:02.0" }],
];

suite("a guest's NIC", () => {
  for (const [nic, netdev, device] of rows) {
    test(nicWords(nic), () => {
      assert.equal(netdevArguments(nic).join(" "), netdev);
      assert.deepEqual(deviceOf(nic, receiverMac), { id: "nic", bus: "nic-port", ...device });
    });
  }
});

test("software emulation is said where it is wanted", () => {
  assert.match(machineArguments("tcg").join(" "), /-accel tcg -cpu qemu64 .*-icount/);
  assert.match(machineArguments("kvm").join(" "), /-accel kvm -cpu host (?!.*-icount)/);
});

// ldd of glibc 2.36 and modprobe of kmod 30, as they print.
test("libraries and modules are found in what ldd and modprobe print", () => {
  const ldd = `\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f11)\n`;
  assert.deepEqual(librariesOf(ldd), [
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib64/ld-linux-x86-64.so.2",
  ]);
  assert.deepEqual(librariesOf("\tnot a dynamic executable\n"), []);
  const shown = "builtin virtio_ring\ninsmod /lib/modules/6.12/kernel/drivers/virtio_net.ko.xz \n";
  assert.deepEqual(moduleFiles(shown), ["/lib/modules/6.12/kernel/drivers/virtio_net.ko.xz"]);
});

/** Names and contents, by the field of each length. */
function readArchive(bytes: Uint8Array): (readonly [name: string, content: string])[] {
  const text = (from: number, to: number): string =>
    Buffer.from(bytes.slice(from, to)).toString("latin1");
  const found: (readonly [string, string])[] = [];
  for (let at = 0; at < bytes.length;) {
    assert.equal(at % 4, 0);
    assert.equal(text(at, at + 6), "070701");
    const field = (index: number): number =>
      Number.parseInt(text(at + 6 + index * 8, at + 14 + index * 8), 16);
    const [size, nameSize] = [field(6), field(11)];
    const contentAt = (at + 110 + nameSize + 3) & ~3;
    found.push([text(at + 110, at + 109 + nameSize), text(contentAt, contentAt + size)]);
    at = (contentAt + size + 3) & ~3;
  }
  return found;
}

test("property: what is put into an archive is in it", () => {
  const entry = fc.record({
    name: fc.stringMatching(/^[a-z/]{1,20}$/),
    content: fc.string({ maxLength: 20, unit: "binary-ascii" }),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), (entries) => {
      const bytes = Buffer.concat(
        cpioArchive(
          entries.map(({ name, content }) => {
            return { name, mode: 0o100644, content: Buffer.from(content, "latin1") };
          }),
        ),
      );
      assert.deepEqual(readArchive(bytes), [
        ...entries.map(({ name, content }) => [name, content]),
        ["TRAILER!!!", ""],
      ]);
    }),
    { numRuns: 50 },
  );
});
