// One PF as a running apply sees it. Reading a PF with 256 VFs before each of its thousand
// settings would cost more than the settings, so the last reading is kept until something changes
// that it cannot know: whoever makes such a change calls `forget`.

import type { Host } from "../host/host.ts";
import type { Address } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import { vfAt, type Pf, type Vf } from "../model/inventory.ts";

export class PfView {
  readonly host: Host;
  readonly address: Address;
  #pf: Pf | null = null;

  constructor(host: Host, address: Address) {
    this.host = host;
    this.address = address;
  }

  /** Throws `not-found` when the PF is gone. */
  async read(): Promise<Pf> {
    if (this.#pf !== null) return this.#pf;
    const only = [this.address];
    const options = { census: false, netdevAttributes: true, detailOf: only, only };
    const { physicalFunctions } = await this.host.inventory(options);
    const pf = physicalFunctions.find(({ address }) => address === this.address);
    if (pf === undefined) {
      throw new SriovError("not-found", `Cannot find PF ${this.address}: it is gone`, {
        operation: "read PF",
        target: this.address,
      });
    }
    this.#pf = pf;
    return pf;
  }

  /** Throws `not-found` when the VF is gone. */
  async readVf(vfIndex: number): Promise<Vf> {
    const pf = await this.read();
    const vf = vfAt(pf, vfIndex);
    if (vf !== null) return vf;
    const words = `Cannot find VF ${vfIndex} of ${this.address}: it has ${pf.numVfs} VFs`;
    const target = `${this.address}/vf${vfIndex}`;
    throw new SriovError("not-found", words, { operation: "read VF", target });
  }

  forget(): void {
    this.#pf = null;
  }
}
