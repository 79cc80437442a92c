// Makes a VF clean between two owners: off its driver, reset, brought to its baseline, and read back.
// The driver goes first, because igbvf never lets go of a reset while its netdev is down. The plan
// says what differs from the baseline, before and after, so clean means what applied means. There is
// no journal: the lease says that this VF is being worked on, and doing all of it again is harmless.

import type { Host } from "../host/host.ts";
import { vfTarget, type Address } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import { vfAt, type Inventory, type Owner, type Pf, type Vf } from "../model/inventory.ts";
import { isPfChange, type Change, type PfChange } from "../model/action.ts";
import type { Plan } from "../model/plan.ts";
import type { DriverChoice, PolicySpec, Spec } from "../model/spec.ts";
import { traitsOf } from "../plan/driver-traits.ts";
import { oneVfSpec } from "../plan/one-vf.ts";
import { changeWords } from "../plan/plan-text.ts";
import { plan } from "../plan/plan.ts";
import { attributeNames, freshPolicy, settingOf } from "../plan/vf-policy.ts";
import { loadModule } from "./executors.ts";
import { performOnPf, type ChangeOutcome } from "./perform.ts";
import { PfView } from "./pf-view.ts";
import { noConsumers, noNotes, request, type HostAccess } from "./request.ts";

/** What a VF is brought to: the spec's words for it; what they leave open is the driver's fresh value. */
export type Baseline = {
  /** null: the driver that it has. */
  readonly driver: DriverChoice | null;
  readonly policy: PolicySpec;
};

type VfId = { readonly pf: Address; readonly vfIndex: number };

export type Hygiene =
  | {
      readonly kind: "clean";
      /** In words: `reset`, `vlan none`. */
      readonly changes: readonly string[];
      /** Attributes that the driver takes and never reports. */
      readonly unverifiable: readonly string[];
    }
  /** Somebody uses it: nothing was done from then on. */
  | { readonly kind: "in-use"; readonly owners: readonly Owner[] }
  | {
      readonly kind: "failed";
      /** What was seen instead of a clean VF. */
      readonly evidence: readonly string[];
      /** The kernel is still at something, and keeps locks that other VFs may need. */
      readonly isStuck: boolean;
    };

const where = "lease";

/** Whole policies only where the driver reports them: what it does not report cannot be cleaned. */
function wholePolicy(pf: Pf, vf: Vf, asked: PolicySpec): PolicySpec {
  const traits = traitsOf(pf.driver);
  const fresh = freshPolicy(traits);
  const { waive: _, ...wanted } = asked;
  if (vf.policy === null || pf.eswitchMode === "switchdev") return wanted;
  const known = vf.policy;
  const defaults = attributeNames.filter(
    (name) =>
      !traits.unsupported.has(name) &&
      settingOf(known, name) !== null &&
      settingOf(fresh, name) !== null,
  );
  const msix = (pf.vfTotalMsix ?? 0) > 0 ? { msix: "default" as const } : {};
  return { ...Object.fromEntries(defaults.map((name) => [name, "default"])), ...msix, ...wanted };
}

const specFor = (pf: Pf, vf: Vf, { driver, policy }: Baseline): Spec =>
  oneVfSpec({ where, pf, vf, driver, policy: wholePolicy(pf, vf, policy) });

type Look = { readonly inventory: Inventory; readonly pf: Pf; readonly vf: Vf };

/** Throws `not-found`. */
async function lookAt(host: Host, { pf: address, vfIndex }: VfId): Promise<Look> {
  const only = [address];
  const options = { census: false, netdevAttributes: true, detailOf: only, only };
  const inventory = await host.inventory(options);
  const pf = inventory.physicalFunctions.find((each) => each.address === address);
  const vf = pf === undefined ? null : vfAt(pf, vfIndex);
  if (pf !== undefined && vf !== null) return { inventory, pf, vf };
  const target = vfTarget(address, vfIndex);
  const detail = { operation: "clean VF", target };
  throw new SriovError("not-found", `Cannot clean ${target}: there is no such VF`, detail);
}

/** Throws what the kernel refuses; a request that does not end is `stuck`. */
async function mustEnd(access: HostAccess, vf: Vf): Promise<void> {
  const { address } = vf;
  const { status } = await request({ ...access, ...noNotes }, { verb: "reset", address });
  if (status === "done") return;
  const message = `Cannot reset ${address}: the kernel is still at it after the deadline`;
  throw new SriovError("stuck", message, { operation: "reset", target: address });
}

async function perform(access: HostAccess, pf: Address, changes: readonly PfChange[]) {
  const nothing = (): void => {};
  return await performOnPf(changes, {
    ...access,
    consumers: noConsumers,
    consent: new Set(),
    view: new PfView(access.host, pf),
    shouldStop: () => false,
    onStart: nothing,
    onOutcome: nothing,
    onBrought: nothing,
    onMissingNetdevs: nothing,
  });
}

const failuresOf = (outcomes: readonly ChangeOutcome[]): string[] =>
  outcomes.flatMap((outcome) =>
    outcome.status === "failed" || outcome.status === "stuck" ? [outcome.error.message] : [],
  );

/** What speaks against the VF being as the baseline says. */
const leftOf = ({ actions, problems }: Plan): string[] => [
  ...problems.map(({ message }) => message),
  ...actions.map(({ change }) => `Not so after all that was done: ${changeWords(change)}`),
];

async function makeChanges(
  access: HostAccess,
  pf: Address,
  changes: readonly Change[],
): Promise<readonly ChangeOutcome[]> {
  for (const change of changes) {
    if (change.kind === "load-module") await loadModule(change, { ...access, ...noNotes });
  }
  return await perform(access, pf, changes.filter(isPfChange));
}

class Cleaning {
  readonly #access: HostAccess;
  readonly #id: VfId;
  readonly #baseline: Baseline;
  readonly #changes: string[] = [];

  constructor(access: HostAccess, id: VfId, baseline: Baseline) {
    this.#access = access;
    this.#id = id;
    this.#baseline = baseline;
  }

  async run(): Promise<Hygiene> {
    const { host } = this.#access;
    const { pf, vf } = await lookAt(host, this.#id);
    const before = await this.#users(vf.address);
    if (before !== null) return before;
    // The driver that it has is its baseline where the spec has no word about it.
    const spec = specFor(pf, vf, this.#baseline);
    const unbound = await this.#unbind(vf);
    if (unbound !== null) return unbound;
    await mustEnd(this.#access, vf);
    this.#changes.push("reset");
    const found = await this.#bringTo(spec);
    if (found !== null) return found;
    const { inventory } = await lookAt(host, this.#id);
    const after = plan({ spec, inventory, consent: [] });
    const evidence = leftOf(after);
    if (evidence.length > 0) return { kind: "failed", evidence, isStuck: false };
    const unverifiable = after.unverifiable.map(({ attribute }) => attribute);
    return { kind: "clean", changes: this.#changes, unverifiable };
  }

  async #users(address: Address): Promise<Hygiene | null> {
    const owners = (await this.#access.host.owners([address])).get(address) ?? [];
    return owners.length === 0 ? null : { kind: "in-use", owners };
  }

  async #unbind({ driver, address }: Vf): Promise<Hygiene | null> {
    if (driver === null) return null;
    const { pf, vfIndex } = this.#id;
    const change: PfChange = { kind: "bind-driver", pf, vfIndex, driver: "none" };
    return await this.#settle(address, await perform(this.#access, pf, [change]));
  }

  async #bringTo(spec: Spec): Promise<Hygiene | null> {
    const { inventory, vf } = await lookAt(this.#access.host, this.#id);
    const { actions, problems } = plan({ spec, inventory, consent: [] });
    if (problems.length > 0) {
      const evidence = problems.map(({ message }) => message);
      return { kind: "failed", evidence, isStuck: false };
    }
    const changes = actions.map(({ change }) => change);
    const outcomes = await makeChanges(this.#access, this.#id.pf, changes);
    this.#changes.push(...changes.map(changeWords));
    return await this.#settle(vf.address, outcomes);
  }

  /** Somebody who came in between is no fault of the VF. */
  async #settle(address: Address, outcomes: readonly ChangeOutcome[]): Promise<Hygiene | null> {
    const evidence = failuresOf(outcomes);
    if (evidence.length === 0) return null;
    const users = await this.#users(address);
    const isStuck = outcomes.some(({ status }) => status === "stuck");
    return users ?? { kind: "failed", evidence, isStuck };
  }
}

/** Rejects only for bugs and for a host that broke off. */
export async function cleanVf(access: HostAccess, id: VfId, baseline: Baseline): Promise<Hygiene> {
  try {
    return await new Cleaning(access, id, baseline).run();
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    return { kind: "failed", evidence: [error.message], isStuck: error.code === "stuck" };
  }
}
