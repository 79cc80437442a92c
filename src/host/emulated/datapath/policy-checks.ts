// What the policy of each VF should stop, tried with frames on a copy of the machine. Each check
// starts from a card of its own, so none sees what another left behind.

import type { SwitchState, VfPort } from "../../../eswitch/switch-state.ts";
import { isPortVlan } from "../../../eswitch/vf-checks.ts";
import type { Machine } from "../machine.ts";
import { macOfPort, openCard, type EmulatedCard } from "./emulated-card.ts";
import { endCode, frameEnds, type FrameEnd } from "./frame-ends.ts";
import type { GuestDriver } from "./guest-driver.ts";
import { register } from "./registers.ts";
import { frameBytes, machineForRun, shapeFor } from "./traffic.ts";
import type { PolicyCheck, PolicyReport } from "./traffic-report.ts";

const strangeMac = "02:00:5e:66:66:66";
const nobodysMac = "02:00:5e:77:77:77";
const sizeBytes = 64;

type Verdict = Pick<PolicyCheck, "outcome" | "found">;
type Tried = {
  readonly card: EmulatedCard;
  readonly driver: GuestDriver;
  readonly port: number;
  readonly vf: VfPort;
};

const wanted = (found: string): Verdict => ({ outcome: "as-wanted", found });
const wrong = (found: string): Verdict => ({ outcome: "wrong", found });
const verdict = (isWanted: boolean, found: string): Verdict =>
  isWanted ? wanted(found) : wrong(found);

/** One frame, and how it ended; null: it is still in its ring. */
function sendOne(
  { card, driver, port }: Tried,
  to: string,
  source: string | null,
): FrameEnd | null {
  const before = [...card.nic.ends];
  const from = source ?? macOfPort(card, port) ?? nobodysMac;
  driver.post(frameBytes({ destination: to, source: from, tag: null, sizeBytes }));
  driver.kick();
  card.nic.run();
  return frameEnds.find((_, at) => card.nic.ends[at] !== before[at]) ?? null;
}

const isThrough = (end: FrameEnd | null): boolean => end === "delivered" || end === "to-wire";

const words = (end: FrameEnd | null): string =>
  end === null ? "stays in the ring" : end.replaceAll("-", " ");

/** Somebody of the same VLAN, otherwise the wire. */
function friendOf({ card, port, vf }: Tried): string {
  const id = vf.vlan?.id ?? 0;
  const friend = card.devices.find(
    (device) => device.port !== port && card.state().vfs[device.port]?.vlan?.id === id,
  );
  return (friend === undefined ? null : macOfPort(card, friend.port)) ?? nobodysMac;
}

function ownMac(tried: Tried): Verdict {
  const end = sendOne(tried, friendOf(tried), null);
  if (isThrough(end)) return wanted(words(end));
  if (end === "no-link") return { outcome: "not-tried", found: tried.vf.link.why };
  return end === "not-known" ? { outcome: "not-tried", found: words(end) } : wrong(words(end));
}

function spoofedMac(tried: Tried): Verdict {
  const end = sendOne(tried, friendOf(tried), strangeMac);
  if (end === "spoofed-mac") return wanted("dropped");
  if (!isThrough(end)) return { outcome: "not-tried", found: words(end) };
  return tried.vf.spoofCheck === false
    ? { outcome: "passes", found: "the spoof check is off" }
    : wrong(words(end));
}

function otherVlan(tried: Tried): Verdict {
  const { card, vf } = tried;
  const others = card.devices.flatMap(({ port }) => {
    const other = card.state().vfs[port];
    const isApart = other !== undefined && idOf(other) !== 0 && idOf(other) !== idOf(vf);
    return isApart ? [{ port, mac: macOfPort(card, port) }] : [];
  });
  if (others.length === 0) return { outcome: "not-tried", found: "there is no other VLAN" };
  for (const { port, mac } of others) {
    const before = card.nic.functions.read(port, register.received);
    const end = mac === null ? null : sendOne(tried, mac, null);
    if (card.nic.functions.read(port, register.received) !== before) {
      return wrong(`VF ${card.state().vfs[port]?.vfIndex} got it: ${words(end)}`);
    }
  }
  return wanted(`${others.length} VF${others.length === 1 ? "" : "s"} got nothing`);
}

const idOf = ({ vlan }: VfPort): number => (vlan !== null && isPortVlan(vlan) ? vlan.id : 0);

function foreignMemory({ card, driver }: Tried): Verdict {
  const outside = driver.memory.sizeBytes + 4096;
  driver.postAddress(outside, sizeBytes);
  driver.kick();
  card.nic.run();
  const [fault] = card.iommu.faults;
  const isFaulted = fault !== undefined && card.nic.ends[endCode.faulted] === 1;
  return verdict(isFaulted, isFaulted ? `fault: ${fault.reason}` : "no fault was recorded");
}

function busMasterOff(tried: Tried): Verdict {
  tried.card.nic.functions.canMaster[tried.port] = 0;
  const end = sendOne(tried, friendOf(tried), null);
  return verdict(end === null, words(end));
}

function resetBeforeSending(tried: Tried): Verdict {
  const { card, driver, port } = tried;
  driver.post(
    frameBytes({ destination: friendOf(tried), source: strangeMac, tag: null, sizeBytes }),
  );
  card.nic.functions.reset(port);
  driver.kick();
  card.nic.run();
  const isSent = card.nic.ends.some((frames) => frames !== 0);
  const isClear = driver.readRegister(register.txBaseLow) === 0;
  if (isSent) return wrong("it was sent all the same");
  return verdict(isClear, isClear ? "stays in the ring" : "registers are not cleared");
}

const checks: readonly (readonly [PolicyCheck["check"], (tried: Tried) => Verdict])[] = [
  ["own MAC", ownMac],
  ["spoofed MAC", spoofedMac],
  ["other VLAN", otherVlan],
  ["foreign memory", foreignMemory],
  ["bus master off", busMasterOff],
  ["reset", resetBeforeSending],
];

const stateOfPort = ({ vfs }: SwitchState, port: number): VfPort | null => vfs[port] ?? null;

export function runPolicyChecks(original: Machine, pf: string): PolicyReport {
  const { machine, testGuests, leftOut } = machineForRun(original, pf, null);
  const shape = shapeFor({ sizeBytes, burst: 1 });
  const devices = openCard(machine, pf, shape).devices;
  const found = checks.map(([check, run]) => {
    // Resets and faults of one VF must not be seen by the next.
    const card = openCard(machine, pf, shape);
    return devices.flatMap(({ port, vfIndex, guest }): PolicyCheck[] => {
      const driver = card.drivers[port];
      const vf = stateOfPort(card.state(), port);
      if (!driver || vf === null) return [];
      card.nic.ends.fill(0);
      card.iommu.faults.length = 0;
      return [{ vfIndex, guest, check, ...run({ card, driver, port, vf }) }];
    });
  });
  return { kind: "checks", pf, testGuests, leftOut, checks: found.flat() };
}
