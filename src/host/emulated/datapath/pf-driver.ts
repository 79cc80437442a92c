// The PF's driver as VFs know it: it answers their messages as the policy of each lets it, and
// changes the card's filters. Messages are numbered as in Linux 6.12,
// drivers/net/ethernet/intel/igb/e1000_mbox.h.

import { highOf, lowOf } from "../../../eswitch/compiled-switch.ts";
import type { SwitchState } from "../../../eswitch/switch-state.ts";
import { isPortVlan } from "../../../eswitch/vf-checks.ts";
import type { PortFilters } from "./port-filters.ts";

export const letter = { reset: 1, setMac: 2, joinGroup: 3, setVlan: 4 } as const;
export const letterYes = 1 << 31;
const letterNo = 1 << 30;

const vlanMost = 4094;

const macOf = (high: number, low: number): string =>
  [high >>> 8, high, low >>> 24, low >>> 16, low >>> 8, low]
    .map((byte) => (byte & 0xff).toString(16).padStart(2, "0"))
    .join(":");

/** A message that sets a MAC. */
export const setMacLetter = (mac: string): readonly number[] => [
  letter.setMac,
  highOf(mac),
  lowOf(mac),
];

export class PfDriver {
  #state: SwitchState;
  #isChanged = false;

  /** Guests have asked for nothing yet: what the host does not know is not there. */
  constructor(state: SwitchState) {
    this.#state = {
      ...state,
      pfPort: { ...state.pfPort, filter: state.pfPort.filter ?? [] },
      vfs: state.vfs.map((vf) => ({ ...vf, mayHaveMac: false })),
    };
  }

  get state(): SwitchState {
    return this.#state;
  }

  /** The state when it is another one than at the last call; otherwise null. */
  takeChange(): SwitchState | null {
    const isChanged = this.#isChanged;
    this.#isChanged = false;
    return isChanged ? this.#state : null;
  }

  answer(port: number, message: readonly number[], filters: PortFilters): readonly number[] {
    const [kind = 0, first = 0, second = 0] = message;
    const vf = this.#state.vfs[port];
    if (vf === undefined) return [kind | letterNo, 0, 0];
    if (kind === letter.reset) {
      filters.clear(port);
      const { mac } = vf;
      return [kind | letterYes, ...(mac === null ? [0, 0] : [highOf(mac), lowOf(mac)])];
    }
    return [
      kind | (this.#does(port, { kind, first, second }, filters) ? letterYes : letterNo),
      0,
      0,
    ];
  }

  #does(
    port: number,
    { kind, first, second }: { kind: number; first: number; second: number },
    filters: PortFilters,
  ): boolean {
    const vf = this.#state.vfs[port];
    if (vf === undefined) return false;
    if (kind === letter.setMac) return this.#setMac(port, macOf(first, second));
    if (kind === letter.joinGroup) {
      if ((first & 0x0100) === 0) return false;
      filters.joinGroup(port, first & 0xffff, second | 0);
      return true;
    }
    if (kind !== letter.setVlan || first < 0 || first > vlanMost) return false;
    if (vf.vlan === null || isPortVlan(vf.vlan)) return false;
    filters.setVlan(port, first, second !== 0);
    return true;
  }

  #setMac(port: number, mac: string): boolean {
    const vf = this.#state.vfs[port];
    if (vf === undefined || vf.mac === mac) return vf !== undefined;
    const isGroup = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
    if (isGroup || (vf.hasReportedMac && vf.trust !== true)) return false;
    const vfs = this.#state.vfs.with(port, { ...vf, mac, sendMac: mac });
    this.#state = { ...this.#state, vfs };
    this.#isChanged = true;
    return true;
  }
}
