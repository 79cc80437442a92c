// Guests that are up to no good on the emulated card: whatever they write ends, and reaches nobody
// else's memory and nobody else's frames.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cardWith, endsOf, frameTo, macOf, send, stateOf, vf } from "./nic.arbitrary.ts";
import { register } from "./registers.ts";

test("frames that fault leave the packet buffer to the others", () => {
  const card = cardWith(stateOf([vf(0), vf(1), vf(2)]), { ringLength: 256, bufferBytes: 2048 });
  const { driverOf, nic, wire } = card;
  const sent = frameTo(9, macOf(2));
  for (let nth = 0; nth < 255; nth++) {
    for (const port of [0, 1])
      driverOf(port).postAddress(driverOf(port).memory.sizeBytes - 64, 9000);
    driverOf(2).post(sent);
  }
  for (const port of [0, 1, 2]) driverOf(port).kick();
  nic.run();
  assert.deepEqual(endsOf(card), { "faulted": 510, "to-wire": 255 });
  assert.ok(wire.every((frame) => Buffer.compare(frame, sent) === 0));
});

test("what arrives is what was checked, though its sender has it overwritten meanwhile", () => {
  const card = cardWith(stateOf([vf(0), vf(1)]));
  const [first, second] = [card.driverOf(0), card.driverOf(1)];
  const ring = second.readRegister(register.rxBaseLow);
  const buffer = new DataView(second.memory.read(ring, 4).buffer).getUint32(0, true);
  second.memory.write(buffer, frameTo(0, macOf(1)));
  second.postAddress(buffer, 64);
  first.post(frameTo(1));
  first.kick();
  second.kick();
  card.nic.run();
  const seen: Uint8Array[] = [];
  first.receive(({ address, length }) => seen.push(first.memory.read(address, length)));
  assert.deepEqual(seen, [frameTo(0, macOf(1))]);
});

test("a ring that is made shorter starts anew, and the card stays inside of it", () => {
  const card = cardWith(stateOf([vf(0), vf(1)]));
  const [first, second] = [card.driverOf(0), card.driverOf(1)];
  for (let nth = 0; nth < 10; nth++) first.post(frameTo(1));
  first.kick();
  card.nic.run();
  second.receive();
  for (const at of [register.txLength, register.rxLength]) {
    first.writeRegister(at, 8);
    second.writeRegister(at, 8);
  }
  const ring = second.readRegister(register.rxBaseLow);
  const behind = second.memory.read(ring + 8 * 16, 4096 - 8 * 16);
  second.writeRegister(register.rxTail, 7);
  first.writeRegister(register.txTail, 5);
  card.nic.run();
  assert.deepEqual(endsOf(card), { delivered: 15 });
  assert.deepEqual(second.memory.read(ring + 8 * 16, behind.length), behind);
});

test("any registers, messages and descriptors of a guest end, and touch nobody else", () => {
  const word = fc.oneof(fc.constantFrom(0, 1, 3, 16, 255, 256, 0x2000, -1), fc.integer());
  const wrote = fc.tuple(fc.nat(31), word);
  const described = fc.tuple(fc.nat(15), fc.nat(3), word);
  const ofRings = fc.tuple(
    fc.constantFrom(register.txLength, register.rxLength, register.rxTail),
    fc.nat(20),
  );
  const drawn = fc.tuple(
    fc.array(fc.oneof(wrote, ofRings)),
    fc.array(described),
    fc.integer({ min: 0, max: 15 }),
  );
  const fromWire = Array.from({ length: 12 }, () => frameTo(0, macOf(9)));
  fc.assert(
    fc.property(drawn, ([writes, descriptors, tail]) => {
      const card = cardWith(stateOf([vf(0), vf(1)]));
      const [own, other] = [card.driverOf(0).memory, card.driverOf(1).memory];
      // The rings have gone some way before.
      for (let nth = 0; nth < 12; nth++) send(card, 0, frameTo(9));
      card.nic.receiveFromWire(fromWire);
      card.driverOf(0).receive();
      const txWords = own.hostAddress(0) >>> 2;
      for (const [slot, at, value] of descriptors) card.ram.words[txWords + slot * 4 + at] = value;
      const before = other.read(0, other.sizeBytes);
      for (const [at, value] of writes) card.driverOf(0).writeRegister(at, value);
      card.driverOf(0).writeRegister(register.txTail, tail);
      card.nic.run();
      card.nic.receiveFromWire(fromWire);
      if (card.nic.functions.read(1, register.received) > 0) return;
      assert.deepEqual(other.read(0, other.sizeBytes), before);
    }),
    { numRuns: 100 },
  );
});
