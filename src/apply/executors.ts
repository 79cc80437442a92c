// How each kind of change is made: one or a few requests, and a look afterwards at what became of
// it. Nothing here retries, and nothing here decides who may be disrupted: `request` asks. A
// change that is so already never gets here (satisfied.ts), except to wait for VFs.

import type { HostRequest } from "../host/host.ts";
import { isOnVf, type PfChange } from "../model/action.ts";
import { vfTarget } from "../model/bdf.ts";
import type { Pf } from "../model/inventory.ts";
import { SriovError } from "../model/errors.ts";
import { changeWords } from "../plan/plan-text.ts";
import { awaitLink } from "./await-link.ts";
import { broughtUser, broughtVfs } from "./census.ts";
import { bindPf, requestBinding } from "./binding.ts";
import type { PfView } from "./pf-view.ts";
import { attachPf, attachVf, detachPf, detachVf } from "./plugging.ts";
import { done, request, settleMs, type Bench, type Executed, type Of } from "./request.ts";
import { isSatisfied } from "./satisfied.ts";

type Kind = PfChange["kind"];

type PfExecutor<Name extends Kind> = (
  change: Of<Name>,
  view: PfView,
  bench: Bench,
) => Promise<Executed>;

async function lookAgain(change: PfChange, view: PfView): Promise<Executed> {
  view.forget();
  if (isSatisfied(change, await view.read())) return done;
  const target = isOnVf(change) ? vfTarget(change.pf, change.vfIndex) : change.pf;
  const words = changeWords(change);
  const message = `Cannot ${words} on ${target}: the write succeeded and nothing changed`;
  throw new SriovError("kernel-refused", message, { operation: change.kind, target });
}

/** A change that is one request and can be seen at once. */
function single<Name extends Kind>(requestOf: (change: Of<Name>) => HostRequest): PfExecutor<Name> {
  return async (change, view, bench) => {
    const executed = await request(bench, requestOf(change));
    return executed.status === "done" ? await lookAgain(change as PfChange, view) : executed;
  };
}

const adminState = single<"set-admin-state">(({ pf, isUp }) => ({
  verb: "setAdminState",
  pf,
  isUp,
}));

/**
 * A PF that was down served nobody. Whoever shows up as its user now came with this change and
 * must not stand in the way of the rest of the plan, nor of undoing it.
 */
const setAdminState: PfExecutor<"set-admin-state"> = async (change, view, bench) => {
  const executed = await adminState(change, view, bench);
  if (executed.status !== "done" || !change.isUp) return executed;
  const owners = (await bench.host.owners([change.pf])).get(change.pf) ?? [];
  bench.noteBrought(owners.map((owner) => broughtUser(owner, change.pf)));
  return executed;
};

const hex = (value: number, digits: number): string =>
  value.toString(16).toUpperCase().padStart(digits, "0");

/** What the kernel will call a VF of this PF: class and subsystem are the PF's. */
function vfAliasOf(pf: Pf, vfDeviceId: number): string {
  const { vendorId, subsystemVendorId, subsystemDeviceId, classCode } = pf;
  const id = `v${hex(vendorId, 8)}d${hex(vfDeviceId, 8)}`;
  const subsystem = `sv${hex(subsystemVendorId ?? 0, 8)}sd${hex(subsystemDeviceId ?? 0, 8)}`;
  const [base, sub, kind] = [16, 8, 0].map((shift) => hex((classCode >>> shift) & 0xff, 2));
  return `pci:${id}${subsystem}bc${base}sc${sub}i${kind}`;
}

/**
 * udev loads the VFs' driver when it hears of them, at any time after they came: too late for VFs that are
 * to have it, and it takes those that are to have none. So what udev will do is done before. It
 * is no failure where nothing is to be loaded: built in, blacklisted, or there is no such driver.
 */
async function loadVfDriver(view: PfView, bench: Bench): Promise<Executed> {
  const pf = await view.read();
  if (pf.vfDeviceId === null) return done;
  try {
    return await request(bench, { verb: "loadModule", module: vfAliasOf(pf, pf.vfDeviceId) });
  } catch (error) {
    if (error instanceof SriovError && error.code !== "would-disrupt") return done;
    throw error;
  }
}

const createVfs: PfExecutor<"create-vfs"> = async ({ kind, pf, numVfs }, view, bench) => {
  const isMadeHere = (await view.read()).numVfs !== numVfs;
  if (isMadeHere) {
    const loaded = await loadVfDriver(view, bench);
    if (loaded.status !== "done") return loaded;
    const executed = await request(bench, { verb: "setNumVfs", pf, numVfs }, numVfs);
    if (executed.status !== "done") return executed;
  }
  view.forget();
  // A successful write says nothing about the count, and netdevs come after it.
  const arrival = await bench.host.awaitVfs(pf, numVfs, settleMs(numVfs));
  if (arrival.numVfs !== numVfs) {
    const message = `Cannot create ${numVfs} VFs on ${pf}: the driver made ${arrival.numVfs}`;
    throw new SriovError("short-count", message, { operation: kind, target: pf });
  }
  if (isMadeHere) bench.noteBrought([broughtVfs(pf)]);
  if (arrival.withoutNetdev.length > 0) bench.noteMissingNetdevs(pf, arrival.withoutNetdev);
  return done;
};

const removeVfs: PfExecutor<"remove-vfs"> = async (change, view, bench) => {
  const { pf } = change;
  const { numVfs } = await view.read();
  const executed = await request(bench, { verb: "setNumVfs", pf, numVfs: 0 }, numVfs);
  return executed.status === "done" ? await lookAgain(change, view) : executed;
};

/** Not read back: the verification reads all attributes of all VFs at once. */
const setVf: PfExecutor<"set-vf"> = async ({ pf, vfIndex, attribute }, view, bench) => {
  if (attribute.name === "rate") await awaitLink(view);
  return await request(bench, { verb: "setVf", pf, vfIndex, attribute });
};

const setMsixCount: PfExecutor<"set-msix-count"> = async (change, view, bench) => {
  const { vfIndex, msixCount } = change;
  const { address } = await view.readVf(vfIndex);
  const executed = await request(bench, { verb: "setMsixCount", address, msixCount });
  if (executed.status !== "done") return executed;
  view.forget();
  const now = await view.readVf(vfIndex);
  // 0 asks for the driver's default, whatever that is; null is a table that cannot be read.
  if (msixCount === 0 || now.msixCount === null) return done;
  return await lookAgain(change, view);
};

/** A VF without a netdev has nothing to name: planning again asks only for names of what is there. */
const setAltName: PfExecutor<"set-alt-name"> = async (change, view, bench) => {
  const { pf, vfIndex, altName, isPresent } = change;
  if ((await view.readVf(vfIndex)).netdevs.length === 0) {
    const { numVfs } = await view.read();
    await bench.host.awaitVfs(pf, numVfs, settleMs(numVfs));
    view.forget();
  }
  const { address, netdevs } = await view.readVf(vfIndex);
  if (netdevs.length === 0 || isSatisfied(change, await view.read())) return done;
  return await request(bench, { verb: "setAltName", address, altName, isPresent });
};

/** The kernel's own refusal to probe is no failure either: no driver was asked for. */
const probeVf: PfExecutor<"probe-vf"> = async ({ vfIndex }, view, bench) => {
  const { address } = await view.readVf(vfIndex);
  try {
    return await request(bench, { verb: "probe", address });
  } catch (error) {
    if (error instanceof SriovError && error.errno !== null) return done;
    throw error;
  }
};

/** Every kind of change of a PF or VF. The compiler finds a kind that is missing here. */
const pfExecutors: { readonly [Name in Kind]: PfExecutor<Name> } = {
  "set-autoprobe": single(({ pf, isOn }) => ({ verb: "setDriversAutoprobe", pf, isOn })),
  "set-eswitch-mode": single(({ pf, mode }) => ({ verb: "setEswitchMode", pf, mode })),
  "set-mtu": single(({ pf, mtu }) => ({ verb: "setMtu", pf, mtu })),
  "set-admin-state": setAdminState,
  "remove-vfs": removeVfs,
  "create-vfs": createVfs,
  "set-vf": setVf,
  "set-msix-count": setMsixCount,
  "bind-driver": requestBinding,
  "set-alt-name": setAltName,
  "probe-vf": probeVf,
  "bind-pf": bindPf,
  "attach-pf": attachPf,
  "detach-pf": detachPf,
  "attach-vf": attachVf,
  "detach-vf": detachVf,
};

async function isGone(view: PfView): Promise<boolean> {
  view.forget();
  try {
    await view.read();
    return false;
  } catch (error) {
    return error instanceof SriovError && error.code === "not-found";
  }
}

/** Makes one change of the PF that `view` shows. Throws SriovError when the world says no. */
export async function executeOnPf(change: PfChange, view: PfView, bench: Bench): Promise<Executed> {
  try {
    return await execute(change, view, bench);
  } catch (error) {
    // A PF that is gone has no autoprobe to put back, and its going must take no other PF down.
    if (change.kind === "set-autoprobe" && (await isGone(view))) return done;
    throw error;
  }
}

async function execute(change: PfChange, view: PfView, bench: Bench): Promise<Executed> {
  const isSo = isSatisfied(change, await view.read());
  if (isSo && change.kind !== "create-vfs") return done;
  const executor = pfExecutors[change.kind] as PfExecutor<Kind>;
  return await executor(change, view, bench);
}

/** Names of modules and drivers differ in dashes and underscores only. */
const moduleName = (name: string): string => name.replaceAll("-", "_");

export async function loadModule({ module }: Of<"load-module">, bench: Bench): Promise<Executed> {
  const nothing = { census: false, netdevAttributes: false, detailOf: [], only: [] };
  const { loadedDrivers } = await bench.host.inventory(nothing);
  if (loadedDrivers.some((name) => moduleName(name) === moduleName(module))) return done;
  return await request(bench, { verb: "loadModule", module });
}
