// What keeps guests apart on the emulated card, one thing a test: policy, memory, interrupts,
// resets, and the slices of the BAR.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { VfPort } from "../../../eswitch/switch-state.ts";
import { vectorOf } from "./msix.ts";
import { cardWith, endsOf, frameTo, macOf, send, stateOf, vf } from "./nic.arbitrary.ts";
import { letter, letterYes, setMacLetter } from "./pf-driver.ts";
import { controlBit, descriptorStatus, register } from "./registers.ts";
import { frameBytes } from "./traffic.ts";

const inVlan = (id: number): Partial<VfPort> => ({ vlan: { id, qos: 0, protocol: "802.1q" } });

test("a frame goes from ring to ring, and both ends have their interrupt", () => {
  const card = cardWith(stateOf([vf(0), vf(1)]));
  send(card, 0, frameTo(1));
  const seen: Uint8Array[] = [];
  const { memory } = card.driverOf(1);
  card.driverOf(1).receive(({ address, length }) => seen.push(memory.read(address, length)));
  assert.deepEqual(seen, [frameTo(1)]);
  const { msix } = card.nic.functions;
  assert.equal(msix.messagesOf(0, vectorOf.transmit), 1);
  assert.equal(msix.messagesOf(1, vectorOf.receive), 1);
  assert.equal(card.driverOf(0).statusOf(1), descriptorStatus.done);
});

test("a spoofed source is dropped and counted", () => {
  const card = cardWith(stateOf([vf(0), vf(1)]));
  send(card, 0, frameTo(1, macOf(7)));
  assert.deepEqual(endsOf(card), { "spoofed-mac": 1 });
  assert.equal(card.driverOf(0).readRegister(register.spoofed), 1);
  assert.equal(card.driverOf(1).receive(), 0);
});

test("VLANs are apart, and a port VLAN is on the wire and not in the guest", () => {
  const card = cardWith(stateOf([vf(0, inVlan(120)), vf(1, inVlan(200)), vf(2, inVlan(120))]));
  send(card, 0, frameTo(1));
  send(card, 0, frameTo(2));
  send(card, 0, frameTo(9));
  assert.deepEqual(endsOf(card), { "nobody-takes-it": 1, "delivered": 1, "to-wire": 1 });
  const tagged = frameBytes({ destination: macOf(9), source: macOf(0), tag: 120, sizeBytes: 64 });
  // The payload of the untagged frame began four bytes earlier.
  assert.deepEqual(card.wire[0]?.subarray(0, 18), tagged.subarray(0, 18));
  assert.deepEqual(card.wire[0]?.subarray(18), frameTo(9).subarray(14));
});

test("memory of nobody, and of another guest, is out of reach", () => {
  const card = cardWith(stateOf([vf(0), vf(1)]));
  const driver = card.driverOf(0);
  for (const address of [driver.memory.sizeBytes, 2 ** 31, 2 ** 40, 2 ** 52]) {
    driver.postAddress(address, 64);
  }
  driver.kick();
  card.nic.run();
  assert.deepEqual(endsOf(card), { faulted: 4 });
  assert.equal(driver.statusOf(1), descriptorStatus.done | descriptorStatus.faulted);
  assert.deepEqual(
    card.iommu.faults.map(({ port, isWrite, reason }) => [port, isWrite, reason]),
    Array.from({ length: 4 }, () => [0, false, "not mapped"]),
  );
});

test("a receiver whose buffer is read-only faults, and nothing is written", () => {
  const card = cardWith(stateOf([vf(0), vf(1)]));
  const { memory } = card.driverOf(1);
  for (let page = 2; page < memory.sizeBytes / 4096; page++) {
    const hostPage = memory.hostAddress(page * 4096) / 4096;
    card.iommu.map(memory.domain, page, { hostPage, isWritable: false });
  }
  const before = memory.read(0x2000, memory.sizeBytes - 0x2000);
  send(card, 0, frameTo(1));
  assert.deepEqual(endsOf(card), { "receiver-faulted": 1 });
  assert.deepEqual(memory.read(0x2000, memory.sizeBytes - 0x2000), before);
  const [fault] = card.iommu.faults;
  assert.deepEqual([fault?.port, fault?.isWrite, fault?.reason], [1, true, "read-only"]);
});

test("without a domain the ring itself is out of reach, and the queue stops", () => {
  const card = cardWith(stateOf([vf(0), vf(1)]));
  card.iommu.detach(0);
  send(card, 0, frameTo(1));
  assert.deepEqual(endsOf(card), {});
  assert.equal(card.driverOf(0).readRegister(register.control), controlBit.receive);
  assert.equal(card.iommu.faults[0]?.reason, "no domain");
});

test("faults are recorded up to a limit, and all are counted", () => {
  const card = cardWith(stateOf([vf(0)]));
  for (let nth = 0; nth < 100; nth++) {
    card.driverOf(0).postAddress(2 ** 40 + nth, 64);
    card.driverOf(0).kick();
    card.nic.run();
  }
  assert.deepEqual([card.iommu.faultCount, card.iommu.faults.length], [100, 64]);
});

test("without bus mastering nothing is read and nothing written", () => {
  const card = cardWith(stateOf([vf(0), vf(1)]));
  const { canMaster } = card.nic.functions;
  canMaster[0] = 0;
  send(card, 0, frameTo(1));
  assert.deepEqual(endsOf(card), {});
  canMaster[0] = 1;
  canMaster[1] = 0;
  card.driverOf(0).kick();
  card.nic.run();
  assert.deepEqual(endsOf(card), { "receiver-stopped": 1 });
});

test("a function-level reset stops a VF, clears it, and leaves the others alone", () => {
  const card = cardWith(stateOf([vf(0), vf(1), vf(2)]));
  const { nic, driverOf } = card;
  driverOf(0).post(frameTo(1));
  nic.functions.reset(0);
  driverOf(0).kick();
  nic.run();
  assert.deepEqual(endsOf(card), {});
  for (const at of [register.control, register.txBaseLow, register.rxLength, register.sent]) {
    assert.equal(driverOf(0).readRegister(at), 0);
  }
  send(card, 1, frameTo(2, macOf(1)));
  send(card, 1, frameTo(0, macOf(1)));
  assert.deepEqual(endsOf(card), { "delivered": 1, "receiver-stopped": 1 });
});

test("who posts no buffers misses frames, and a full ring does not wrap into itself", () => {
  const card = cardWith(stateOf([vf(0), vf(1)]));
  for (let nth = 0; nth < 40; nth++) send(card, 0, frameTo(1));
  assert.deepEqual(endsOf(card), { "delivered": 15, "no-buffer": 25 });
  assert.equal(card.driverOf(1).receive(), 15);
  assert.equal(card.driverOf(1).readRegister(register.missed), 25);
});

test("a masked vector is pending, and sent when the mask goes", () => {
  const card = cardWith(stateOf([vf(0), vf(1)]));
  const { mmio, nic } = card;
  const control = mmio.vectorControlAddress(1, vectorOf.receive);
  mmio.write(control, 1);
  send(card, 0, frameTo(1));
  send(card, 0, frameTo(1));
  const { msix } = nic.functions;
  assert.equal(msix.messagesOf(1, vectorOf.receive), 0);
  assert.equal(mmio.read(mmio.pendingAddress(1)), 1 << vectorOf.receive);
  mmio.write(control, 0);
  assert.equal(msix.messagesOf(1, vectorOf.receive), 1);
  assert.equal(mmio.read(mmio.pendingAddress(1)), 0);
  msix.setOpen(1, false);
  send(card, 0, frameTo(1));
  assert.equal(msix.messagesOf(1, vectorOf.receive), 1);
  msix.setOpen(1, true);
  assert.equal(msix.messagesOf(1, vectorOf.receive), 2);
});

test("each VF answers in its own slice of the BAR, and nobody outside of them", () => {
  const { mmio, driverOf } = cardWith(stateOf([vf(0), vf(1)]));
  driverOf(1).writeRegister(register.rxBufferBytes, 77);
  const at = (port: number): number => mmio.registerAddress(port, register.rxBufferBytes);
  assert.equal(mmio.read(at(1)), 77);
  assert.equal(at(1) - at(0), 1 << 14);
  assert.notEqual(mmio.read(at(0)), 77);
  for (const nowhere of [at(1) + (1 << 14), at(0) - (1 << 14), at(0) + 2, 0]) {
    assert.equal(mmio.read(nowhere), 0xffff_ffff);
    mmio.write(nowhere, 1);
  }
  mmio.areVfsMapped = false;
  assert.equal(mmio.read(at(1)), 0xffff_ffff);
});

test("the PF lets a VF change its MAC and its VLANs as far as its policy goes", () => {
  const vfs = [vf(0), vf(1, { trust: true }), vf(2, { hasReportedMac: false }), vf(3, inVlan(120))];
  const { nic, driverOf, pfDriver } = cardWith(stateOf(vfs));
  const ask = (port: number, message: readonly number[]): boolean => {
    driverOf(port).ask(message);
    nic.run();
    return ((driverOf(port).answer()[0] ?? 0) & letterYes) !== 0;
  };
  const other = "02:00:00:00:00:09";
  assert.deepEqual(
    [0, 1, 2].map((port) => ask(port, setMacLetter(other))),
    [false, true, true],
  );
  assert.deepEqual(
    pfDriver.state.vfs.map(({ mac }) => mac),
    [macOf(0), other, other, macOf(3)],
  );
  assert.equal(ask(1, setMacLetter("33:33:00:00:00:01")), false);
  assert.equal(ask(0, [letter.setVlan, 7, 1]), true);
  assert.equal(ask(3, [letter.setVlan, 7, 1]), false);
  assert.equal(ask(0, [letter.setVlan, 4095, 1]), false);
  assert.equal(ask(0, [99, 0, 0]), false);
});

test("a frame over several pages arrives whole", () => {
  const state = { ...stateOf([vf(0), vf(1)]), mtu: 9000 };
  const card = cardWith(state, { ringLength: 16, bufferBytes: 12_288 });
  const frame = frameBytes({ destination: macOf(1), source: macOf(0), tag: null, sizeBytes: 9014 });
  send(card, 0, frame);
  const { memory } = card.driverOf(1);
  const seen: Uint8Array[] = [];
  card.driverOf(1).receive(({ address, length }) => seen.push(memory.read(address, length)));
  assert.deepEqual(seen, [frame]);
});
