// How a VF comes and goes, and how drivers take and leave functions: the small effects that the
// verbs are made of. Nothing here waits; time is the operations' business.

import { cardOf } from "./cards.ts";
import { isUserDriver, pfDriverOf, vfDrivers } from "./drivers.ts";
import { groupToJoin } from "./groups.ts";
import type { Machine } from "./machine.ts";
import { addressOfVf, findPort, groupMembers, nodeOfVf, touchVf } from "./machine.ts";
import { freshNetdev, nameForVf, randomMac } from "./netdevs.ts";
import { emitUevent, holderOf, logLine } from "./state.ts";
import type { PfState, VfState } from "./state.ts";

export function createVf(machine: Machine, pf: PfState, vfIndex: number): void {
  const vf: VfState = {};
  if (machine.state.core.hasIommu) {
    const joined = groupToJoin(nodeOfVf(machine, pf), []);
    if (joined === null) vf.group = machine.groupIds.take();
    else machine.groupIds.join((vf.group = joined));
  }
  pf.vfs[vfIndex] = vf;
  touchVf(machine, pf, vfIndex);
  const address = addressOfVf(machine, pf, vfIndex);
  // iov.c pci_iov_add_virtfn(): the links come between the two.
  emitUevent(machine.state, "add", address);
  emitUevent(machine.state, "change", address);
}

export function destroyVf(machine: Machine, pf: PfState, vfIndex: number): void {
  const vf = pf.vfs[vfIndex];
  if (!vf) return;
  if (vf.group !== undefined) machine.groupIds.leave(vf.group);
  pf.vfs[vfIndex] = null;
  touchVf(machine, pf, vfIndex);
  emitUevent(machine.state, "remove", addressOfVf(machine, pf, vfIndex));
}

const normalized = (name: string): string => name.replaceAll("_", "-");

/** `vfio_pci` and `vfio-pci` are one module. */
export const isLoaded = (machine: Machine, driver: string): boolean =>
  machine.state.core.loadedDrivers.some((loaded) => normalized(loaded) === normalized(driver));

/** A function with a driver slot: a PF, or one of its VFs. */
type Probed = { readonly pf: PfState; readonly vf: VfState | null };

/**
 * Whether a loaded driver may take the function (drivers/pci/pci-driver.c pci_match_device(),
 * pci_device_can_probe()). An override beats identifiers, and it also lifts
 * `sriov_drivers_autoprobe` = 0.
 */
export function isMatch(machine: Machine, { pf, vf }: Probed, driver: string): boolean {
  if (!isLoaded(machine, driver)) return false;
  const override = vf === null ? pf.override : (vf.override ?? null);
  if (override !== null) return normalized(override) === normalized(driver);
  if (vf !== null && !pf.autoprobe) return false;
  const card = cardOf(pf.card);
  if (driver === (vf === null ? card.driver : card.vfDriver)) return true;
  const deviceId = vf === null ? card.deviceId : card.vfDeviceId;
  return machine.state.core.dynamicIds.some(
    (id) => id.driver === driver && id.vendorId === card.vendorId && id.deviceId === deviceId,
  );
}

/** Driver that a probe of the function would call, the first to match; null when none does. */
export const driverToProbe = (machine: Machine, probed: Probed): string | null =>
  machine.state.core.loadedDrivers.find((driver) => isMatch(machine, probed, driver)) ?? null;

/** Whether somebody has the function's group open through vfio. */
function isGroupHeld(machine: Machine, group: number | null | undefined): boolean {
  if (group === undefined || group === null) return false;
  if (machine.state.core.guests.every(({ holds }) => holds.length === 0)) return false;
  return groupMembers(machine, group).some((member) => holderOf(machine.state, member) !== null);
}

export function probeMsOf(pf: PfState, driver: string): number {
  const row = vfDrivers[driver];
  if (row === undefined) return 1;
  return pf.netdev?.isUp === false ? row.probeMsWhilePfDown : row.probeMs;
}

type VfProbe = {
  readonly vfIndex: number;
  readonly driver: string;
  /** From the fault plan: the probe fails, or the netdev never comes. */
  readonly fails: boolean;
  readonly hasNoNetdev: boolean;
};

/** The end of a probe: bound, or not and why is in the log. */
export function finishVfProbe(machine: Machine, pf: PfState, probe: VfProbe): void {
  const { vfIndex, driver } = probe;
  const vf = pf.vfs[vfIndex];
  if (!vf || vf.driver !== undefined) return;
  const address = addressOfVf(machine, pf, vfIndex);
  const row = vfDrivers[driver];
  const fail = (errno: number, why: string): void =>
    logLine(machine.state, `${driver} ${address}: probe failed with error ${errno}${why}`);
  if (probe.fails) return fail(-5, "");
  if (row?.alwaysFails === true) return fail(-19, ": Device not ready, CSTS=0x2");
  if (driver === "vfio-pci" && !machine.state.core.hasIommu) return fail(-22, "");
  if (!isUserDriver(driver) && isGroupHeld(machine, vf.group)) return fail(-16, "");
  vf.driver = driver;
  touchVf(machine, pf, vfIndex);
  emitUevent(machine.state, "bind", address);
  if (row?.isNetwork !== true || probe.hasNoNetdev) return;
  const adminMac = vf.policy?.mac;
  const hasAdminMac = typeof adminMac === "string" && adminMac !== "00:00:00:00:00:00";
  const mac = hasAdminMac ? adminMac : randomMac(machine);
  vf.netdev = freshNetdev(machine, { name: nameForVf(machine, pf, vfIndex), mac, isUp: false });
}

export function unbindVf(machine: Machine, pf: PfState, vfIndex: number): void {
  const vf = pf.vfs[vfIndex];
  if (vf?.driver === undefined) return;
  emitUevent(machine.state, "unbind", addressOfVf(machine, pf, vfIndex));
  delete vf.driver;
  delete vf.netdev;
  touchVf(machine, pf, vfIndex);
}

/** Errno text of a probe of a PF, or null when the driver has taken it. */
export function finishPfProbe(machine: Machine, pf: PfState, driver: string): void {
  const { core } = machine.state;
  if (pf.driver !== null) return;
  if (driver === "vfio-pci" && (!core.hasIommu || pf.vfEnable)) return;
  if (!isUserDriver(driver) && isGroupHeld(machine, pf.group)) return;
  pf.driver = driver;
  emitUevent(machine.state, "bind", pf.address);
  const isOwnDriver = driver === cardOf(pf.card).driver;
  const { port } = pf;
  if (!isOwnDriver || port === null) return;
  pf.netdev = freshNetdev(machine, { name: port.name, mac: port.mac, isUp: port.isUp });
  pf.netdev.mtu = port.mtu ?? 1500;
  openNetdev(machine, pf);
  if (pfDriverOf(driver)?.eswitch !== "none") pf.eswitchMode = "legacy";
}

/** The PF's netdev is opened, or closed and opened again: the carrier comes after a while. */
export function openNetdev(machine: Machine, pf: PfState): void {
  if (pf.netdev === null) return;
  pf.netdev.linkUpAtMs = machine.state.core.clockMs + (pfDriverOf(pf.driver)?.linkUpMs ?? 0);
}

export function unbindPf(machine: Machine, pf: PfState): void {
  emitUevent(machine.state, "unbind", pf.address);
  pf.driver = null;
  pf.netdev = null;
  pf.eswitchMode = null;
  logLine(machine.state, `${cardOf(pf.card).driver} ${pf.address}: removed`);
}

/** Highest bus number below the port that the PF sits in. */
export const lastBusFor = (machine: Machine, pf: PfState): number =>
  findPort(machine, pf.below)?.subordinateBus ?? 0xff;
