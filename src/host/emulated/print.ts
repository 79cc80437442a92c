// The whole machine as text that a test can compare and a person can read: one line a function, one
// line a VF with what is not a fresh VF's, then guests, requests in flight and the kernel log's end.

import { cardOf } from "./cards.ts";
import type { Machine } from "./machine.ts";
import { addressOfVf } from "./machine.ts";
import { describeRequest } from "./describe.ts";
import type { NetdevState, PfState, VfState } from "./state.ts";

const netdevText = ({ name, mac, mtu, isUp }: NetdevState): string =>
  `${name} ${mac} mtu ${mtu} ${isUp ? "up" : "down"}`;

function pfLine(pf: PfState): string {
  const parts = [
    `PF ${pf.address} ${pf.card}`,
    `driver ${pf.driver ?? "-"}`,
    `${pf.numVfsRegister}/${cardOf(pf.card).totalVfs} VFs`,
  ];
  if (pf.group !== null) parts.push(`group ${pf.group}`);
  if (pf.override !== null) parts.push(`override ${pf.override}`);
  if (!pf.autoprobe) parts.push("autoprobe off");
  if (pf.eswitchMode !== null) parts.push(pf.eswitchMode);
  if (pf.netdev !== null) parts.push(netdevText(pf.netdev));
  if (!pf.isPresent) parts.push("GONE");
  return parts.join(", ");
}

function vfLine(vf: VfState, address: string, vfIndex: number): string {
  const parts = [`  VF ${vfIndex} ${address}`, `driver ${vf.driver ?? "-"}`];
  if (vf.group !== undefined) parts.push(`group ${vf.group}`);
  if (vf.override !== undefined) parts.push(`override ${vf.override}`);
  if (vf.netdev !== undefined) parts.push(netdevText(vf.netdev));
  if (vf.policy !== undefined) parts.push(JSON.stringify(vf.policy));
  if (vf.msixCount !== undefined) parts.push(`msix ${vf.msixCount}`);
  if (vf.resets !== undefined) parts.push(`reset ${vf.resets} times`);
  if (vf.isLeaving === true) parts.push("leaving");
  return parts.join(", ");
}

export function printMachine(machine: Machine): string {
  const { core, pfs } = machine.state;
  const lines = [
    `machine ${core.name}, kernel ${core.kernelRelease}, ${core.lockModel} lock, ` +
      `${core.hasIommu ? "IOMMU" : "no IOMMU"}`,
    `drivers ${core.loadedDrivers.toSorted().join(" ")}`,
  ];
  for (const pf of pfs) {
    lines.push(pfLine(pf));
    pf.vfs.forEach((vf, vfIndex) => {
      if (vf !== null) lines.push(vfLine(vf, addressOfVf(machine, pf, vfIndex), vfIndex));
    });
  }
  for (const { name, holds, stoppedWith } of core.guests) {
    const state = stoppedWith === undefined ? "" : ", stopped";
    lines.push(`guest ${name}${state}${holds.length > 0 ? ` holds ${holds.join(" ")}` : ""}`);
  }
  for (const { request, phase, waitsFor } of core.operations) {
    if (phase === "done") continue;
    const wait = waitsFor === null ? "" : `, waits for ${waitsFor}`;
    lines.push(`in flight: ${describeRequest(request).sentence} (${phase}${wait})`);
  }
  return `${lines.join("\n")}\n`;
}
