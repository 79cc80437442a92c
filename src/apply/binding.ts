// Bringing a VF to a driver. Override and probe both report success whatever happens (kernel
// drivers/pci/pci-driver.c, drivers/base/bus.c), so only the `driver` link counts, and it is read
// once for a whole run of VFs: `requestBinding` asks, `settleBindings` looks. A VF that the driver
// did not take goes back to the driver that it had.

import { vfTarget } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import { vfAt, type Vf } from "../model/inventory.ts";
import { driverName, isBoundAs } from "../plan/binding.ts";
import type { PfView } from "./pf-view.ts";
import {
  noNotes,
  done,
  request,
  type Bench,
  type Executed,
  type HostAccess,
  type Of,
} from "./request.ts";
import { overrideOf } from "./satisfied.ts";

type Bind = Of<"bind-driver">;

type At = { readonly view: PfView; readonly bench: Bench };

/** At autoprobe 0 a VF without an override is not probed at all (pci_device_can_probe()). */
async function probe(bind: Bind, address: string, { view, bench }: At): Promise<Executed> {
  const { pf } = bind;
  const mustSwitchOn = bind.driver === "kernel" && (await view.read()).driversAutoprobe === false;
  if (!mustSwitchOn) return await request(bench, { verb: "probe", address });
  await request(bench, { verb: "setDriversAutoprobe", pf, isOn: true });
  const executed = await request(bench, { verb: "probe", address });
  await request(bench, { verb: "setDriversAutoprobe", pf, isOn: false });
  return executed;
}

async function unbind(address: string, bench: Bench): Promise<Executed> {
  try {
    return await request(bench, { verb: "unbind", address });
  } catch (error) {
    // ENODEV: it was unbound meanwhile, which is what we want.
    if (error instanceof SriovError && error.errno === "ENODEV") return done;
    throw error;
  }
}

/** The PF itself: its VFs are gone by then, and there is no policy to lose. */
export async function bindPf(change: Of<"bind-pf">, view: PfView, bench: Bench): Promise<Executed> {
  const { pf: address, driver: wanted } = change;
  const pf = await view.read();
  const override = overrideOf(change);
  if (pf.driverOverride !== override) {
    await request(bench, { verb: "setDriverOverride", address, driver: override });
  }
  view.forget();
  if (!isBoundAs(wanted, pf.driver)) {
    const unbound = pf.driver === null ? done : await unbind(address, bench);
    if (unbound.status !== "done") return unbound;
    const probed = wanted === "none" ? done : await request(bench, { verb: "probe", address });
    if (probed.status !== "done") return probed;
  }
  const now = await view.read();
  if (isBoundAs(wanted, now.driver)) return done;
  const words = `its driver is ${now.driver ?? "none"}, wanted ${driverName(wanted)}`;
  const detail = { operation: change.kind, target: address };
  throw new SriovError("not-bound", `Cannot bind ${address}: ${words}`, detail);
}

/** Override, unbind, probe. Whether the driver took the VF is for `settleBindings` to see. */
export async function requestBinding(bind: Bind, view: PfView, bench: Bench): Promise<Executed> {
  const vf = await view.readVf(bind.vfIndex);
  const { address } = vf;
  const override = overrideOf(bind);
  if (vf.driverOverride !== override) {
    await request(bench, { verb: "setDriverOverride", address, driver: override });
  }
  if (isBoundAs(bind.driver, vf.driver)) return { status: "requested" };
  if (vf.driver !== null) {
    const unbound = await unbind(address, bench);
    if (unbound.status !== "done") return unbound;
  }
  if (bind.driver === "none") return { status: "requested" };
  try {
    const probed = await probe(bind, address, { view, bench });
    if (probed.status !== "done") return probed;
  } catch (error) {
    await restore(vf, bench);
    throw error;
  }
  return { status: "requested" };
}

/** Best effort: the VF has failed already, and what it is left with shows in the next inventory. */
async function restore({ address, driver, driverOverride }: Vf, access: HostAccess): Promise<void> {
  const permitted = { ...access, ...noNotes };
  // While the override names the driver that was there, autoprobe does not matter.
  const wanted = driver ?? driverOverride;
  try {
    await request(permitted, { verb: "setDriverOverride", address, driver: wanted });
    if (driver !== null) await request(permitted, { verb: "probe", address });
    if (wanted === driverOverride) return;
    await request(permitted, { verb: "setDriverOverride", address, driver: driverOverride });
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
  }
}

/** Without an override, the driver that was loaded first takes the VF: drivers/pci/pci-driver.c
 * pci_match_device() asks for dynamic IDs before a driver's own. */
function hintFor({ driver }: Bind, vf: Vf): { readonly hint: string } | Record<string, never> {
  if (driver !== "kernel" || vf.driver === null || !vf.driver.includes("vfio")) return {};
  const hint = `${vf.driver} takes all such VFs since its new_id was written; name the driver in the spec`;
  return { hint };
}

/** Looks at the requested bindings; the answer has an error for each VF that is not as wanted. */
export async function settleBindings(
  binds: readonly Bind[],
  view: PfView,
  bench: HostAccess,
): Promise<ReadonlyMap<Bind, SriovError>> {
  const failures = new Map<Bind, SriovError>();
  if (binds.length === 0) return failures;
  const before = await view.read();
  view.forget();
  const now = await view.read();
  for (const bind of binds) {
    const vf = vfAt(now, bind.vfIndex);
    if (vf !== null && isBoundAs(bind.driver, vf.driver)) continue;
    const target = vfTarget(bind.pf, bind.vfIndex);
    const wanted = bind.driver === "none" ? "no driver" : driverName(bind.driver);
    const words = `Cannot bind ${target}: its driver is ${vf?.driver ?? "none"}, wanted ${wanted}`;
    const hint = vf === null ? {} : hintFor(bind, vf);
    const detail = { operation: "bind-driver", target, ...hint };
    failures.set(bind, new SriovError("not-bound", words, detail));
    const former = vfAt(before, bind.vfIndex);
    if (vf !== null && vf.driver === null && former !== null) await restore(former, bench);
  }
  if (failures.size > 0) view.forget();
  return failures;
}
