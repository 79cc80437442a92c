// MSI-X of an emulated card's functions: a vector that is masked, or whose function is, sets its
// pending bit; when the mask goes, the message goes out (PCI Express Base Specification 6.0,
// 6.1.4). Messages are counted by vector.

export const vectorOf = { transmit: 0, receive: 1, mailbox: 2 } as const;
export const vectorCount = 3;

export class Msix {
  readonly #messages: Uint32Array;
  readonly #isMasked: Uint8Array;
  readonly #isPending: Uint8Array;
  /** By function: MSI-X Enable, and not Function Mask. */
  readonly #isOpen: Uint8Array;

  constructor(numFunctions: number) {
    this.#messages = new Uint32Array(numFunctions * vectorCount);
    this.#isMasked = new Uint8Array(numFunctions * vectorCount);
    this.#isPending = new Uint8Array(numFunctions * vectorCount);
    this.#isOpen = new Uint8Array(numFunctions);
    for (let port = 0; port < numFunctions; port++) this.clear(port);
  }

  /** After a reset vectors are masked and nothing is pending; what was counted stays. */
  clear(port: number): void {
    const first = port * vectorCount;
    this.#isMasked.fill(1, first, first + vectorCount);
    this.#isPending.fill(0, first, first + vectorCount);
    this.#isOpen[port] = 0;
  }

  raise(port: number, vector: number): void {
    const at = port * vectorCount + vector;
    if (this.#isOpen[port] === 1 && this.#isMasked[at] === 0) {
      this.#messages[at] = (this.#messages[at] ?? 0) + 1;
    } else this.#isPending[at] = 1;
  }

  messagesOf(port: number, vector: number): number {
    return this.#messages[port * vectorCount + vector] ?? 0;
  }

  setMask(port: number, vector: number, isMasked: boolean): void {
    this.#isMasked[port * vectorCount + vector] = Number(isMasked);
    this.#flush(port, vector);
  }

  isMasked(port: number, vector: number): boolean {
    return this.#isMasked[port * vectorCount + vector] === 1;
  }

  /** Message Control of the capability: enabled and not masked as a whole. */
  setOpen(port: number, isOpen: boolean): void {
    this.#isOpen[port] = Number(isOpen);
    for (let vector = 0; vector < vectorCount; vector++) this.#flush(port, vector);
  }

  isPending(port: number, vector: number): boolean {
    return this.#isPending[port * vectorCount + vector] === 1;
  }

  #flush(port: number, vector: number): void {
    if (!this.isPending(port, vector)) return;
    this.#isPending[port * vectorCount + vector] = 0;
    this.raise(port, vector);
  }
}
