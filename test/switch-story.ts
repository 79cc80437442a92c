// Hosts and frames for stories about a card's switch: two VFs of two VMs on an E810, and whatever a
// story changes of that.

import assert from "node:assert/strict";
import type { Frame, Port } from "../src/eswitch/frame.ts";
import { switchStateOf, type SwitchState } from "../src/eswitch/switch-state.ts";
import type { HostFacts, NicFacts } from "../src/model/host-facts.ts";
import type { Pf, Vf } from "../src/model/inventory.ts";
import type { VfPolicy } from "../src/model/vf-attribute.ts";
import { freshIgbPolicy, netdevOf, pfOf, vfOf, vmOwner } from "./inventory-of.ts";

const pf = "0000:3b:00.0";
export const macs = { vf0: "52:54:00:00:00:00", vf1: "52:54:00:00:00:01", pf: "b4:96:91:00:00:10" };
export const guest = "52:54:00:00:00:77";
export const stranger = "52:54:00:00:00:99";

export const vlan = (id: number): Partial<VfPolicy> => ({
  vlan: { id, qos: 0, protocol: "802.1q" },
});

export function vf(vfIndex: number, policy: Partial<VfPolicy> = {}, part: Partial<Vf> = {}): Vf {
  const mac = `52:54:00:00:00:0${vfIndex}`;
  return vfOf(pf, vfIndex, {
    driver: "vfio-pci",
    owners: [vmOwner(vfIndex === 0 ? "web1" : `db${vfIndex}`)],
    policy: { ...freshIgbPolicy, mac, linkState: "auto", ...policy },
    ...part,
  });
}

export type Given = {
  readonly driver?: string;
  readonly vfs?: readonly Vf[];
  readonly pf?: Partial<Pf>;
  readonly nic?: Partial<NicFacts>;
};

export function stateOf({
  driver = "ice",
  vfs = [vf(0), vf(1)],
  pf: part,
  nic,
}: Given): SwitchState {
  const host = pfOf(pf, vfs.length, {
    driver,
    classCode: 0x020000,
    deviceId: 0x159b,
    netdevs: [netdevOf({ name: "ens1f0", mac: macs.pf })],
    virtualFunctions: vfs,
    ...part,
  });
  const bare = { pf, netdev: "ens1f0", selfFdb: [], ...nic } as unknown as NicFacts;
  const state = switchStateOf(host, { nics: [bare] } as unknown as HostFacts);
  assert.ok(state !== null);
  return state;
}

export const vfPort = (vfIndex: number): Port => ({ kind: "vf", vfIndex });
export const frame = (destination: string, part: Partial<Frame> = {}): Frame => ({
  destination,
  source: macs.vf0,
  tag: null,
  etherType: 0x0800,
  sizeBytes: 64,
  ...part,
});
export const tagged = (id: number) => ({ tag: { id, qos: 0, protocol: "802.1q" as const } });

export const bridged: Given = {
  nic: { bridge: { name: "br0", guests: [{ mac: guest, port: "vnet3" }] } },
};
