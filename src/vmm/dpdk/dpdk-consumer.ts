// A VF for a DPDK application: nothing is plugged anywhere, the application takes it when it starts.
// What there is to do is that it can: the VF on the driver that its poll-mode driver works through,
// and, for a user without privileges, the vfio group's node.

import { chownSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../host/host.ts";
import { formatAssignTarget, isBifurcatedDriver } from "../../model/assign-target.ts";
import { SriovError } from "../../model/errors.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import { vfAt, type Inventory, type Pf, type Vf } from "../../model/inventory.ts";
import type { Plug } from "../../model/plug.ts";
import {
  type ConsumerAdapter,
  notPlugged,
  type Plugged,
  type PlugProblem,
  type Unplugged,
} from "../consumer.ts";
import { refusalWords, type RunProgram } from "../program.ts";
import { bifurcatedNotes, ealNotes } from "./eal.ts";

type DpdkDeps = {
  readonly host: Host;
  readonly run: RunProgram;
  /** Folder of the groups' nodes; `/dev/vfio` unless told. */
  readonly nodes?: string;
};

const root = 0;
const pollMs = 500;

type Seen = {
  readonly inventory: Inventory;
  readonly pf: Pf;
  readonly vf: Vf;
  /** It stays on the kernel's driver. */
  readonly isBifurcated: boolean;
};

async function seenBy(host: Host, plug: Plug): Promise<Seen | null> {
  const only = [plug.pf];
  const options = { census: false, netdevAttributes: true, detailOf: [], only };
  const inventory = await host.inventory(options);
  const pf = inventory.physicalFunctions.find(({ address }) => address === plug.pf);
  const vf = pf === undefined ? null : vfAt(pf, plug.vfIndex);
  if (pf === undefined || vf === null || vf.address !== plug.vf) return null;
  return { inventory, pf, vf, isBifurcated: isBifurcatedDriver(pf.driver) };
}

function absentVf(plug: Plug, operation: string): SriovError {
  const message = `Cannot ${operation} ${plug.vf}: there is no such VF`;
  return new SriovError("not-found", message, {
    operation,
    target: formatAssignTarget(plug.consumer),
  });
}

/** Numbers, and names as useradd(8) takes them: nothing that could be an option. */
const userPattern = /^(?:[0-9]{1,10}|[a-z_][a-z0-9_-]{0,31}\$?)$/i;

/** null: there is no such user. */
async function userId(run: RunProgram, user: string): Promise<number | null> {
  if (!userPattern.test(user)) return null;
  if (/^[0-9]+$/.test(user)) return Number(user);
  const output = await run(["id", "-u", user], { deadlineMs: 10_000, bytesMax: 4096 });
  if (refusalWords(output) !== null) return null;
  const text = output.stdout.toString("utf8").trim();
  return /^[0-9]{1,10}$/.test(text) ? Number(text) : null;
}

type Node = { readonly path: string; readonly uid: number };

/** null: VFIO has no node for the group, which is so until a member is bound to vfio-pci. */
function nodeOf(folder: string, { iommuGroup }: Vf): Node | null {
  if (iommuGroup === null) return null;
  const path = join(folder, String(iommuGroup));
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? null : { path, uid: stat.uid };
}

const isVfio = (driver: string | null): boolean => driver === "vfio-pci";

function bindingProblem({ pf, vf, isBifurcated }: Seen): PlugProblem | null {
  const cannot = `Cannot hand ${vf.address} to DPDK`;
  if (isBifurcated) {
    if (vf.driver === pf.driver) return null;
    const message = `${cannot}: it is on ${vf.driver ?? "no driver"}, wanted ${pf.driver}`;
    return { message, hint: "DPDK works beside the kernel's driver of this card" };
  }
  if (isVfio(vf.driver)) return null;
  const message = `${cannot}: it is on ${vf.driver ?? "no driver"}, wanted vfio-pci`;
  return { message, hint: null };
}

/** Drivers that leave a group to whoever drives its other members (Linux Documentation/driver-api/
 * vfio.rst): they do no DMA of their own. */
const neutral: ReadonlySet<string | null> = new Set([null, "vfio-pci", "pci-stub", "pcieport"]);

/** A group goes to its user whole. */
function groupProblems({ vf }: Seen, facts: HostFacts): PlugProblem[] {
  const group = facts.iommuGroups?.find(({ number }) => number === vf.iommuGroup);
  if (vf.iommuGroup === null || group?.name === "vfio-noiommu") {
    const message = `Cannot hand ${vf.address} to DPDK: no IOMMU keeps it to the application's memory`;
    return [{ message, hint: "Switch on the IOMMU in firmware and on the kernel's command line" }];
  }
  const drivers = new Map(facts.functions.map(({ address, driver }) => [address, driver]));
  const busy = (group?.members ?? []).filter(
    (address) => address !== vf.address && !neutral.has(drivers.get(address) ?? null),
  );
  return busy.map((address) => {
    const driver = drivers.get(address) ?? "";
    const message = `Cannot hand ${vf.address} to DPDK: ${address} in its IOMMU group is on ${driver}`;
    return { message, hint: "Move the card to a slot with ACS, or unbind the other function" };
  });
}

function wishProblems(plug: Plug): PlugProblem[] {
  const refuse = (message: string, hint: string): PlugProblem => {
    return { message: `Cannot attach to ${formatAssignTarget(plug.consumer)}: ${message}`, hint };
  };
  return [
    ...(plug.scope === "persistent"
      ? [refuse("an application has no configuration here", "Attach it live")]
      : []),
    ...(plug.failover === null ? [] : [refuse("failover is between NICs of a VM", "Leave it out")]),
    ...(plug.ipAddresses.length === 0
      ? []
      : [refuse("the application gives itself addresses", "Leave them out")]),
  ];
}

/** Any UUID of RFC 9562's form. */
const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The kernel wants the token if the PF is on vfio-pci, and refuses it otherwise (vfio_pci_core.c
 * vfio_pci_validate_vf_token()). */
function tokenProblems({ pf }: Seen, { vfToken }: Plug): PlugProblem[] {
  if (vfToken !== null && !uuidPattern.test(vfToken)) {
    return [{ message: "Cannot use the VF token: it is no UUID", hint: "uuidgen makes one" }];
  }
  const isWanted = isVfio(pf.driver);
  if (isWanted === (vfToken !== null)) return [];
  const message = isWanted
    ? `Cannot hand VFs of ${pf.address} over without a VF token: their PF is on vfio-pci`
    : `Cannot use a VF token: PF ${pf.address} is on ${pf.driver ?? "no driver"}, not on vfio-pci`;
  return [
    { message, hint: isWanted ? "--vf-token takes the one that the PF was opened with" : null },
  ];
}

class DpdkConsumer implements ConsumerAdapter {
  readonly #host: Host;
  readonly #run: RunProgram;
  readonly #nodes: string;

  constructor({ host, run, nodes = "/dev/vfio" }: DpdkDeps) {
    this.#host = host;
    this.#run = run;
    this.#nodes = nodes;
  }

  async look(plug: Plug): Promise<Plugged> {
    const seen = await seenBy(this.#host, plug);
    if (seen === null || bindingProblem(seen) !== null) return notPlugged;
    const { vf, isBifurcated, inventory } = seen;
    if (isBifurcated) {
      return { ...notPlugged, isLive: true, notes: bifurcatedNotes(plug, vf.driver ?? "") };
    }
    const uid = plug.user === null ? root : await userId(this.#run, plug.user);
    const node = nodeOf(this.#nodes, vf);
    if (node === null || node.uid !== uid) return notPlugged;
    const { memory } = await this.#host.facts(inventory);
    return { ...notPlugged, isLive: true, notes: ealNotes(plug, memory) };
  }

  async check(plug: Plug): Promise<readonly PlugProblem[]> {
    const problems = wishProblems(plug);
    const seen = await seenBy(this.#host, plug);
    if (seen === null) {
      return [...problems, { message: absentVf(plug, "attach").message, hint: null }];
    }
    if (plug.user !== null && (await userId(this.#run, plug.user)) === null) {
      problems.push({
        message: `Cannot give ${plug.vf} to ${plug.user}: no such user`,
        hint: null,
      });
    }
    if (seen.isBifurcated) return problems;
    const facts = await this.#host.facts(seen.inventory);
    return [...problems, ...tokenProblems(seen, plug), ...groupProblems(seen, facts)];
  }

  async plug(plug: Plug): Promise<Plugged> {
    const seen = await seenBy(this.#host, plug);
    if (seen === null) throw absentVf(plug, "attach");
    const problem = bindingProblem(seen);
    const target = formatAssignTarget(plug.consumer);
    if (problem !== null) {
      throw new SriovError("consumer-refused", problem.message, { operation: "attach", target });
    }
    if (!seen.isBifurcated && plug.user !== null) {
      const uid = await userId(this.#run, plug.user);
      if (uid === null) {
        const message = `Cannot give ${plug.vf} to ${plug.user}: no such user`;
        throw new SriovError("not-found", message, { operation: "attach", target });
      }
      this.#give(seen.vf, uid);
    }
    return await this.look(plug);
  }

  async checkUnplug(plug: Plug): Promise<readonly PlugProblem[]> {
    const owners = (await this.#host.owners([plug.vf])).get(plug.vf) ?? [];
    const user = owners.find(({ kind }) => kind === "process" || kind === "vm");
    if (user === undefined) return [];
    const message = `${user.name} has it open (${user.evidence}), and applications are not asked`;
    return [{ message, hint: "End the application" }];
  }

  async unplug(plug: Plug, options: { readonly deadlineMs: number }): Promise<Unplugged> {
    const seen = await seenBy(this.#host, plug);
    if (seen === null) return { status: "done" };
    const until = this.#host.now() + options.deadlineMs;
    for (;;) {
      const owners = (await this.#host.owners([plug.vf])).get(plug.vf) ?? [];
      const user = owners.find(({ kind }) => kind === "process" || kind === "vm");
      if (user === undefined || seen.isBifurcated) break;
      if (this.#host.now() >= until) {
        const message = `Cannot take ${plug.vf} back: ${user.name} has it open (${user.evidence})`;
        return { status: "pending", message, hint: "End the application" };
      }
      await this.#host.sleep(pollMs);
    }
    if (!seen.isBifurcated) this.#give(seen.vf, root);
    return { status: "done" };
  }

  /** The node belongs to the kernel's devtmpfs: it is new, and root's, with the group's next use. */
  #give(vf: Vf, uid: number): void {
    const node = nodeOf(this.#nodes, vf);
    if (node === null || node.uid === uid) return;
    try {
      chownSync(node.path, uid, root);
    } catch (error) {
      const errno = error instanceof Error && "code" in error ? String(error.code) : String(error);
      const message = `Cannot give ${node.path} to user ${uid}: ${errno}`;
      const detail = { operation: "chown", target: node.path, errno, cause: error };
      throw new SriovError("permission", message, detail);
    }
  }
}

export const dpdkConsumer = (deps: DpdkDeps): ConsumerAdapter => new DpdkConsumer(deps);
