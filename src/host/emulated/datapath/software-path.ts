// The ways around which SR-IOV goes: a NIC that the hypervisor plays, and virtio with vhost. Both
// end in the host's bridge. Guests have the same rings as on a VF; here it is the host's CPU that
// reads them and copies frames, and each copy is made and counted. What is counted and which
// program does it so stands in docs/data-path.md.

import { vlanIdOf } from "../../../eswitch/compiled-switch.ts";
import {
  destinationHighAt,
  destinationLowAt,
  emptyBatch,
  ownTagAt,
  sizeAt,
  sourceHighAt,
  sourceLowAt,
} from "../../../eswitch/frame-batch.ts";
import { frameMost, headerBytes, readHeader } from "./frame-bytes.ts";
import { endCode, frameEnds } from "./frame-ends.ts";
import { devicePages, GuestDriver, type RegisterBus } from "./guest-driver.ts";
import { GuestMemory } from "./guest-memory.ts";
import { HostBridge, type BridgePort } from "./host-bridge.ts";
import { Iommu } from "./iommu.ts";
import { pageBytes, Ram } from "./ram.ts";
import { descriptor, descriptorStatus, register, rowWords } from "./registers.ts";

export type SoftwareKind = "virtio" | "emulated";

type SoftwareGuest = BridgePort & {
  /** As a number of 48 bits; null: none. */
  readonly mac: number | null;
};

type SoftwareShape = {
  readonly ringLength: number;
  readonly bufferBytes: number;
  /** Of the bridge; null: none that is known. */
  readonly mtu: number | null;
};

/** Buffers of the kernel and of the device model, behind the guests' memory. */
const buffer = { socket: 0, sending: 1, receiving: 2 } as const;
const bufferStride = 1 << 14;
const bufferBytes = Object.keys(buffer).length * bufferStride;

/** Registers that only the emulated NIC's driver touches in an interrupt: cause and mask. */
const interruptCause = rowWords - 2;
const interruptMask = rowWords - 1;

export class SoftwarePath {
  readonly kind: SoftwareKind;
  readonly drivers: readonly GuestDriver[];
  readonly bridge: HostBridge;
  readonly ends = new Float64Array(frameEnds.length);
  /** Since the guests were started. */
  exits = 0;
  copies = 0;
  interrupts = 0;
  readonly #ram: Ram;
  readonly #memories: readonly GuestMemory[];
  readonly #registers: Int32Array;
  readonly #header = emptyBatch(1);
  /** Bytes of a frame without tag that pass the bridge. */
  readonly #largest: number;
  #rung: number[] = [];
  readonly #receivers = new Set<number>();

  constructor(
    kind: SoftwareKind,
    guests: readonly SoftwareGuest[],
    { mtu, ...shape }: SoftwareShape,
  ) {
    this.kind = kind;
    this.#largest = (mtu ?? frameMost) + headerBytes;
    this.bridge = new HostBridge(guests);
    const pages = devicePages(shape.ringLength, shape.bufferBytes);
    this.#ram = new Ram(guests.length * pages, bufferBytes);
    // Nothing here is translated by an IOMMU: the CPU has the guests' page tables.
    const tables = new Iommu(0, null);
    this.#memories = guests.map(() => new GuestMemory(this.#ram, tables, pages));
    this.#registers = new Int32Array(guests.length * rowWords);
    const mmio = this.#bus();
    this.drivers = this.#memories.map(
      (memory, port) => new GuestDriver({ mmio, port, memory, firstPage: 0, ...shape }),
    );
    for (const driver of this.drivers) driver.start();
    // Who comes up says so in all its VLANs.
    guests.forEach(({ mac, tagged }, port) => {
      if (mac === null) return;
      for (const vlan of [0, ...tagged]) this.bridge.learn(port, { source: mac, vlan });
    });
    [this.exits, this.copies, this.interrupts] = [0, 0, 0];
  }

  #bus(): RegisterBus {
    const rows = this.#registers;
    return {
      registerAddress: (port, at) => port * rowWords + at,
      vectorControlAddress: () => -1,
      read: (address) => {
        if (this.kind === "emulated") this.exits++;
        return rows[address] ?? 0;
      },
      write: (address, value) => {
        if (address < 0) return;
        const at = address % rowWords;
        // virtio's receive ring is shared memory: only what wakes the host up leaves the guest.
        if (this.kind === "emulated" || at === register.txTail) this.exits++;
        rows[address] = value;
        if (at === register.txTail) this.#rung.push(Math.floor(address / rowWords));
      },
    };
  }

  /** What the host does when it was woken up. */
  run(): void {
    const rung = this.#rung;
    this.#rung = [];
    for (const port of rung) this.#take(port);
    for (const port of this.#receivers) this.#interrupt(port);
    this.#receivers.clear();
  }

  /** The guest takes what has come, as its driver does in an interrupt. */
  #interrupt(port: number): void {
    this.interrupts++;
    const driver = this.drivers[port];
    if (this.kind === "emulated") {
      driver?.readRegister(interruptCause);
      driver?.writeRegister(interruptMask, 1);
    }
    driver?.receive();
    if (this.kind === "emulated") driver?.writeRegister(interruptMask, 0);
  }

  #take(port: number): void {
    const row = port * rowWords;
    const rows = this.#registers;
    const size = rows[row + register.txLength] ?? 0;
    const ring = this.#memories[port]?.hostAddress(rows[row + register.txBaseLow] ?? 0) ?? 0;
    const tail = rows[row + register.txTail] ?? 0;
    let head = rows[row + register.txHead] ?? 0;
    while (head !== tail) {
      this.#send(port, (ring >>> 2) + head * descriptor.words);
      head = head + 1 === size ? 0 : head + 1;
    }
    rows[row + register.txHead] = head;
  }

  #send(port: number, at: number): void {
    const { words } = this.#ram;
    const length = words[at + descriptor.length] ?? 0;
    words[at + descriptor.status] = descriptorStatus.done;
    if (length < headerBytes || length > frameMost) return this.#end(endCode.malformed);
    const socket = this.#buffer(buffer.socket);
    const address = words[at] ?? 0;
    if (this.kind === "virtio") this.#fromGuest(port, address, { to: socket, length });
    else {
      // The device model reads the frame, then writes it to its tap device.
      const sending = this.#buffer(buffer.sending);
      this.#fromGuest(port, address, { to: sending, length });
      this.#copy(socket, sending, length);
    }
    this.#end(this.#forward(port, length));
  }

  #forward(port: number, length: number): number {
    const header = this.#header;
    readHeader(this.#ram.bytes, { address: this.#buffer(buffer.socket), length }, header, 0);
    if (sizeAt(header, 0) > this.#largest) return endCode["too-long"];
    const mac = (high: number, low: number): number => high * 2 ** 32 + (low >>> 0);
    const takers = this.bridge.forward(port, {
      destination: mac(destinationHighAt(header, 0), destinationLowAt(header, 0)),
      source: mac(sourceHighAt(header, 0), sourceLowAt(header, 0)),
      vlan: vlanIdOf(ownTagAt(header, 0)),
    });
    const ends = takers.map((taker) =>
      taker === this.bridge.wire ? endCode["to-wire"] : this.#receive(taker, length),
    );
    return Math.min(endCode["nobody-takes-it"], ...ends);
  }

  #receive(port: number, length: number): number {
    const row = port * rowWords;
    const rows = this.#registers;
    const head = rows[row + register.rxHead] ?? 0;
    const size = rows[row + register.rxLength] ?? 0;
    const isFull = head === rows[row + register.rxTail];
    if (isFull || length > (rows[row + register.rxBufferBytes] ?? 0)) return endCode["no-buffer"];
    const { words } = this.#ram;
    const ring = this.#memories[port]?.hostAddress(rows[row + register.rxBaseLow] ?? 0) ?? 0;
    const at = (ring >>> 2) + head * descriptor.words;
    let from = this.#buffer(buffer.socket);
    if (this.kind === "emulated") {
      const receiving = this.#buffer(buffer.receiving);
      this.#copy(receiving, from, length);
      from = receiving;
    }
    this.#toGuest(port, words[at] ?? 0, { from, length });
    words[at + descriptor.length] = length;
    words[at + descriptor.status] = descriptorStatus.done;
    rows[row + register.rxHead] = head + 1 === size ? 0 : head + 1;
    this.#receivers.add(port);
    return endCode.delivered;
  }

  #buffer(nth: number): number {
    return this.#ram.end + nth * bufferStride;
  }

  #copy(to: number, from: number, length: number): void {
    this.copies++;
    this.#ram.copy(to, from, length);
  }

  #fromGuest(port: number, address: number, { to, length }: { to: number; length: number }): void {
    this.copies++;
    for (const part of this.#parts(port, address, length)) {
      this.#ram.copy(to + part.done, part.at, part.length);
    }
  }

  #toGuest(port: number, address: number, { from, length }: { from: number; length: number }) {
    this.copies++;
    for (const part of this.#parts(port, address, length)) {
      this.#ram.copy(part.at, from + part.done, part.length);
    }
  }

  /** A frame of the guest's, page by page. */
  #parts(port: number, address: number, length: number) {
    const parts: { at: number; done: number; length: number }[] = [];
    const memory = this.#memories[port];
    if (memory === undefined) return parts;
    for (let done = 0; done < length;) {
      const place = address + done;
      const here = Math.min(length - done, pageBytes - (place % pageBytes));
      parts.push({ at: memory.hostAddress(place), done, length: here });
      done += here;
    }
    return parts;
  }

  #end(end: number): void {
    this.ends[end] = (this.ends[end] ?? 0) + 1;
  }
}
