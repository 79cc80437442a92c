// `sriovctl qemu-args VF...`: the words that a QEMU command line needs to start with these VFs. It
// changes nothing; what would make QEMU refuse is said beside them.

import type { Lease } from "../../lease/lease.ts";
import { parseAssignTarget } from "../../model/assign-target.ts";
import type { Address } from "../../model/bdf.ts";
import { SriovError } from "../../model/errors.ts";
import type { Vf } from "../../model/inventory.ts";
import { zeroMac } from "../../model/mac.ts";
import { fullInventory } from "../../host/host.ts";
import { portsMax, startArguments } from "../../vmm/qemu/arguments.ts";
import { hasIommufd } from "../../vmm/qemu/process.ts";
import { leasesIn } from "../attaching.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { namedFunctions } from "../spec-labels.ts";
import { uuidPattern } from "../plug-wish.ts";

const usage = (message: string, hint: string): SriovError =>
  new SriovError("usage", message, { operation: "qemu-args", target: "qemu-args", hint });

function checkedId(option: string, id: string): string {
  if (parseAssignTarget(`qemu:vm/${id}`)?.device === id) return id;
  const hint = "A letter, then letters, digits, dots, dashes and underscores";
  throw usage(`Cannot use ${id} for ${option}: QEMU takes no such ID`, hint);
}

function checkedToken(token: string): string {
  if (uuidPattern.test(token)) return token.toLowerCase();
  throw usage(
    `Cannot use ${token} as a VF token: it is not a UUID`,
    "As the PF's driver was given",
  );
}

type Asked = {
  readonly vf: Vf;
  readonly failover: string | null;
  readonly lease: Lease | undefined;
};

async function readVfs(context: Context, args: Arguments): Promise<Vf[]> {
  const inventory = await withHost(context, (host) => host.inventory(fullInventory));
  const find = namedFunctions(context, args, inventory);
  const byAddress = new Map<Address, Vf>();
  for (const target of args.operands) {
    const { pf, vf } = await find(target);
    const hint = `Name one of its VFs, such as ${pf.address}/vf0`;
    if (vf === null) throw usage(`Cannot make arguments for ${target}: it is a PF`, hint);
    byAddress.set(vf.address, vf);
  }
  return [...byAddress.values()];
}

/** One for each VF, or none at all. */
function standInsOf(args: Arguments, count: number): string[] {
  const names = args.texts("failover");
  if (names.length === 0) return [];
  if (names.length !== count || new Set(names).size !== count) {
    const vfs = count === 1 ? "1 VF" : `${count} VFs`;
    const hint = "Give --failover once for each VF, in their order, each with a NIC of its own";
    throw usage(`Cannot pair ${names.join(", ")} with ${vfs}: a NIC stands in for one`, hint);
  }
  return names.map((name) => checkedId("--failover", name));
}

/** Whoever cannot read them gets arguments all the same. */
async function readLeases({ hostPaths, log }: Context): Promise<readonly Lease[]> {
  try {
    return await leasesIn(hostPaths.leaseFile);
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    log.warn(`Who has these VFs leased is not known: ${error.message}`, error.hint);
    return [];
  }
}

function warnOfLease({ log }: Context, { vf: { address }, lease }: Asked): void {
  if (lease === undefined || lease.state === "free") return;
  const { state, holder, reason } = lease;
  if (state === "quarantined") {
    log.warn(`VF ${address} is quarantined: ${reason}`, "See sriovctl lease ls");
  } else {
    const whose = holder?.name ?? "somebody";
    log.warn(`VF ${address} is leased to ${whose}`, `Start nobody else than ${whose} with it`);
  }
}

function warnOf(context: Context, asked: Asked): void {
  const { vf, failover } = asked;
  const { address, driver, owners, policy } = vf;
  if (driver === null || !driver.includes("vfio")) {
    const now = driver === null ? "has no driver" : `is with ${driver}`;
    const hint = "Give it driver: vfio-pci in the spec, and apply";
    context.log.warn(`VF ${address} ${now}: QEMU takes it from vfio-pci only`, hint);
  }
  for (const { kind, name, evidence } of owners) {
    context.log.warn(`VF ${address} is in use by ${kind}:${name}`, evidence);
  }
  warnOfLease(context, asked);
  if (failover === null) return;
  const mac = policy?.mac ?? zeroMac;
  if (mac === zeroMac) {
    const hint = "Set one: a failover pair is found by its MAC";
    context.log.warn(`VF ${address} has no MAC of its own`, hint);
  } else {
    context.log.note(`${failover} must be a virtio-net-pci with failover=on,mac=${mac}`);
  }
}

export const qemuArgs: RunCommand = async (context, args) => {
  const token = args.text("vf-token");
  const isIommufd = args.isSet("iommufd");
  const id = checkedId("--id", args.text("id") ?? "vf");
  const vfs = await readVfs(context, args);
  if (vfs.length > portsMax)
    throw usage(`Cannot start with ${vfs.length} VFs`, `At most ${portsMax}`);
  const standIns = standInsOf(args, vfs.length);
  if (isIommufd && context.hostName === "linux" && !hasIommufd("")) {
    const hint = "Leave --iommufd out: QEMU then uses VFIO's groups";
    throw usage("Cannot use iommufd: this kernel has no /dev/iommu or no /dev/vfio/devices", hint);
  }
  const leases = await readLeases(context);
  const asked = vfs.map((vf, at): Asked => {
    const lease = leases.find((one) => one.vf.address === vf.address);
    return { vf, lease, failover: standIns[at] ?? null };
  });
  const words = startArguments({
    vfs: vfs.map(({ address }) => address),
    standIns,
    id,
    vfToken: token === null ? null : checkedToken(token),
    isIommufd,
  });
  for (const one of asked) warnOf(context, one);
  context.printJson({ format: "sriovctl-qemu-args/1", arguments: words });
  context.print(...words);
  return 0;
};
