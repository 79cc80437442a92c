// The bridge of a host whose guests have virtual NICs: by MAC and VLAN, learning, flooding what it
// does not know. Port VLANs as `bridge vlan add dev tap0 vid 120 pvid untagged` sets them; there is
// no anti-spoofing.

export type BridgePort = {
  /** Port VLAN; 0: none. */
  readonly vlan: number;
  /** VLANs that the guest tags by itself. */
  readonly tagged: readonly number[];
};

type Header = {
  readonly destination: number;
  readonly source: number;
  /** VLAN of the tag that is in the frame; 0: none. */
  readonly vlan: number;
};

const groupBit = 2 ** 40;

const isGroup = (mac: number): boolean => Math.floor(mac / groupBit) % 2 === 1;

export class HostBridge {
  lookups = 0;
  readonly #ports: readonly BridgePort[];
  /** By VLAN, MAC to port. */
  readonly #table = new Map<number, Map<number, number>>();

  constructor(ports: readonly BridgePort[]) {
    this.#ports = ports;
  }

  /** Ports are by their place; the network is the one after them. */
  get wire(): number {
    return this.#ports.length;
  }

  #vlanOf(from: number, vlan: number): number {
    const own = this.#ports[from]?.vlan ?? 0;
    return own === 0 ? vlan : own;
  }

  learn(from: number, { source, vlan }: Omit<Header, "destination">): void {
    if (isGroup(source)) return;
    const id = this.#vlanOf(from, vlan);
    const macs = this.#table.get(id) ?? new Map<number, number>();
    macs.set(source, from);
    this.#table.set(id, macs);
  }

  /** Ports that get the frame. */
  forward(from: number, header: Header): readonly number[] {
    this.lookups++;
    const id = this.#vlanOf(from, header.vlan);
    const own = this.#ports[from];
    if (own !== undefined && own.vlan !== id && !own.tagged.includes(id)) return [];
    this.learn(from, header);
    const known = this.#table.get(id)?.get(header.destination);
    if (known !== undefined) return known === from ? [] : [known];
    const takers = this.#ports.flatMap(({ vlan, tagged }, port) =>
      port !== from && (vlan === id || tagged.includes(id)) ? [port] : [],
    );
    return from === this.wire ? takers : [...takers, this.wire];
  }
}
