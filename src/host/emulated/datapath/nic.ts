// An emulated SR-IOV card: it takes frames from the rings that doorbells were rung for, a burst from
// each function in turn, asks the switch, and hands them to the rings of the receivers. All that
// happens between two writes of a register happens in run(); nothing takes time.

import {
  compileSwitch,
  unknown,
  untagged,
  vlanPort,
  yes,
  type CompiledSwitch,
} from "../../../eswitch/compiled-switch.ts";
import {
  certaintyOf,
  fateAt,
  fromAt,
  ownTagAt,
  portOf,
  tagAt,
  takerAt,
  takersAt,
  type BatchResult,
} from "../../../eswitch/frame-batch.ts";
import { fates, SwitchRun } from "../../../eswitch/switch-frames.ts";
import type { SwitchState } from "../../../eswitch/switch-state.ts";
import { copyFrame, lengthAfter, type FrameCopy } from "./frame-bytes.ts";
import { endCode, endsOfFates, frameEnds } from "./frame-ends.ts";
import { Functions } from "./functions.ts";
import type { Iommu } from "./iommu.ts";
import { vectorOf } from "./msix.ts";
import { PacketBuffer } from "./packet-buffer.ts";
import type { PfDriver } from "./pf-driver.ts";
import type { Ram } from "./ram.ts";
import { ReceiveRings } from "./receive-rings.ts";
import { descriptor, descriptorStatus, messageWords, register, rowWords } from "./registers.ts";
import { batchFrames, TransmitRings, turnFrames } from "./transmit-rings.ts";

export const packetBufferBytes = PacketBuffer.bytesFor(batchFrames);

type NicParts = {
  readonly driver: PfDriver;
  readonly ram: Ram;
  /** Where its packet buffer is, behind the host's memory. */
  readonly packetBuffer: number;
  readonly iommu: Iommu;
  /** Is given what goes to the wire; absent: it is only counted. */
  readonly onWire?: (frame: Uint8Array) => void;
};

const endOfFate = endsOfFates(fates);

export class Nic {
  readonly functions: Functions;
  /** Frames by how they ended, `frameEnds`. */
  readonly ends = new Float64Array(frameEnds.length);
  lookups = 0;
  readonly #parts: NicParts;
  readonly #packets: PacketBuffer;
  readonly #transmit: TransmitRings;
  readonly #receive: ReceiveRings;
  #switch: CompiledSwitch;
  #run: SwitchRun;
  /** Functions whose doorbell was rung, and those that have a letter for the PF. */
  #waiting: number[] = [];
  readonly #isWaiting: Uint8Array;
  readonly #letters: number[] = [];

  constructor(parts: NicParts) {
    this.#parts = parts;
    const { ram, iommu } = parts;
    const { state } = parts.driver;
    this.functions = new Functions(state.vfs.length + 1, ram, iommu);
    this.#packets = new PacketBuffer(parts.packetBuffer);
    this.#transmit = new TransmitRings(this.functions, this.#packets, (end) => this.#end(end));
    this.#receive = new ReceiveRings(this.functions, this.#packets);
    this.#isWaiting = new Uint8Array(this.functions.count);
    this.#switch = compileSwitch(state);
    this.#run = new SwitchRun(this.#switch);
    this.setSwitch(state);
  }

  /** Number of the PF's own function; those below it are the VFs. */
  get pf(): number {
    return this.#switch.pf;
  }

  get copies(): ReceiveRings["copies"] {
    return this.#receive.copies;
  }

  /** The same VFs with other settings. */
  setSwitch(state: SwitchState): void {
    this.#switch = compileSwitch(state);
    this.#run = new SwitchRun(this.#switch);
    for (let port = 0; port <= this.pf; port++) {
      this.functions.setLink(port, this.#switch.link[port] === yes);
    }
  }

  /** A driver's write of a register, by its place in the row. */
  write(port: number, at: number, value: number): void {
    this.functions.write(port, at, value);
    if (at === register.txTail) this.#ring(port);
    if (at === register.mailbox && value !== 0) this.#letters.push(port);
  }

  #ring(port: number): void {
    if (this.#isWaiting[port] === 1) return;
    this.#isWaiting[port] = 1;
    this.#waiting.push(port);
  }

  /** Does all there is to do. */
  run(): void {
    for (const port of this.#letters.splice(0)) this.#openLetter(port);
    const changed = this.#parts.driver.takeChange();
    if (changed !== null) this.setSwitch(changed);
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const port of waiting) {
        if (this.#transmit.count + turnFrames > batchFrames) this.#settleBatch();
        this.#isWaiting[port] = 0;
        if (this.#transmit.fetch(port)) this.#ring(port);
      }
    }
    this.#settleBatch();
  }

  /** Frames that come in from the network. */
  receiveFromWire(frames: readonly Uint8Array[]): void {
    for (const frame of frames) {
      if (this.#transmit.count === batchFrames) this.#settleBatch();
      this.#transmit.takeFromWire(this.#switch.uplink, frame);
    }
    this.#settleBatch();
  }

  #openLetter(port: number): void {
    const { registers, msix, filters } = this.functions;
    const row = port * rowWords;
    if (registers[row + register.mailbox] === 0) return;
    const first = row + register.message;
    msix.raise(this.pf, vectorOf.mailbox);
    const message = [...registers.subarray(first, first + messageWords)];
    const answer = this.#parts.driver.answer(port, message, filters);
    for (let word = 0; word < messageWords; word++) registers[first + word] = answer[word] ?? 0;
    registers[row + register.mailbox] = 0;
    msix.raise(port, vectorOf.mailbox);
  }

  #settleBatch(): void {
    const { count, batch } = this.#transmit;
    if (count > 0) {
      this.#transmit.load();
      const result = this.#run.run(batch, count);
      this.lookups += count;
      for (let at = 0; at < count; at++) this.#settle(at, result);
    }
    this.#transmit.count = 0;
    this.#receive.finishWrites();
    this.#packets.clear();
    this.#receive.interrupt();
  }

  #settle(at: number, result: BatchResult): void {
    const { batch, descriptor: descriptors } = this.#transmit;
    const from = fromAt(batch, at);
    const ended = endOfFate[fateAt(result, at)] ?? 0;
    const end = ended === endCode.delivered ? this.#forward(at, result) : ended;
    this.#end(end);
    if (from > this.pf) return;
    const isSent = end <= endCode["to-wire"];
    this.functions.increment(from, isSent ? register.sent : register.dropped);
    if (end === endCode["spoofed-mac"]) this.functions.increment(from, register.spoofed);
    const place = (descriptors[at] ?? 0) + descriptor.status;
    this.#parts.ram.words[place] = descriptorStatus.done;
  }

  #end(end: number): void {
    this.ends[end] = (this.ends[end] ?? 0) + 1;
  }

  /** To every receiver. The best that came of it is the frame's end. */
  #forward(at: number, result: BatchResult): number {
    const tag = tagAt(result, at);
    const takers = takersAt(result, at);
    let best: number = frameEnds.length;
    for (let nth = 0; nth < takers; nth++) {
      const delivery = takerAt(result, at, nth);
      const port = portOf(delivery);
      const sure = certaintyOf(delivery);
      const end =
        sure === yes ? this.#deliver(at, port, tag) : this.#deliverIf({ at, port, tag, sure });
      if (end < best) best = end;
    }
    return best;
  }

  #deliverIf(asked: { at: number; port: number; tag: number; sure: number }): number {
    const { at, port, tag, sure } = asked;
    if (sure === unknown) return endCode["not-known"];
    const { batch } = this.#transmit;
    const end = this.functions.filters.judge(this.#switch, batch, { frame: at, port, tag });
    return end === endCode.delivered ? this.#deliver(at, port, tag) : end;
  }

  #deliver(at: number, port: number, tag: number): number {
    const { pf, uplink, vlanKind } = this.#switch;
    const { batch, address, length } = this.#transmit;
    const from = fromAt(batch, at);
    const isTagged = from < pf && vlanKind[from] === vlanPort;
    const isTagTaken = port < pf && vlanKind[port] === vlanPort;
    const copy: FrameCopy = {
      from: address[at] ?? 0,
      length: length[at] ?? 0,
      insert: isTagged && !isTagTaken ? tag : untagged,
      isStripped: !isTagged && isTagTaken && ownTagAt(batch, at) !== untagged,
    };
    return port === uplink ? this.#sendToWire(copy) : this.#receive.deliver(port, copy);
  }

  #sendToWire(copy: FrameCopy): number {
    const { onWire, ram } = this.#parts;
    if (onWire !== undefined) {
      const at = this.#packets.free;
      copyFrame(ram, at, copy);
      onWire(ram.bytes.slice(at, at + lengthAfter(copy)));
    }
    return endCode["to-wire"];
  }
}
