// `sriovctl qemu-args VF...`: the words that a QEMU command line needs to start with these VFs. It
// changes nothing; what would make QEMU refuse is said beside them.

import { parseAssignTarget } from "../../model/assign-target.ts";
import { SriovError } from "../../model/errors.ts";
import type { Vf } from "../../model/inventory.ts";
import { fullInventory } from "../../host/host.ts";
import { portsMax, startArguments } from "../../vmm/qemu/arguments.ts";
import { hasIommufd } from "../../vmm/qemu/process.ts";
import { withHost, type Context, type RunCommand } from "../context.ts";
import { findFunction } from "../find-function.ts";
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

async function readVfs(context: Context, targets: readonly string[]): Promise<Vf[]> {
  const inventory = await withHost(context, (host) => host.inventory(fullInventory));
  const vfs = targets.map((target) => {
    const { pf, vf } = findFunction(inventory, target);
    if (vf !== null) return vf;
    const hint = `Name one of its VFs, such as ${pf.address}/vf0`;
    throw usage(`Cannot make arguments for ${target}: it is a PF`, hint);
  });
  return [...new Map(vfs.map((vf) => [vf.address, vf])).values()];
}

function warnOf(context: Context, vf: Vf, failover: string | null): void {
  const { address, driver, owners, policy } = vf;
  if (driver === null || !driver.includes("vfio")) {
    const now = driver === null ? "has no driver" : `is with ${driver}`;
    const hint = "Give it driver: vfio-pci in the spec, and apply";
    context.log.warn(`VF ${address} ${now}: QEMU takes it from vfio-pci only`, hint);
  }
  for (const { kind, name, evidence } of owners) {
    context.log.warn(`VF ${address} is in use by ${kind}:${name}`, evidence);
  }
  if (failover === null) return;
  const mac = policy?.mac ?? "00:00:00:00:00:00";
  if (mac === "00:00:00:00:00:00") {
    const hint = "Set one: a failover pair is found by its MAC";
    context.log.warn(`VF ${address} has no MAC of its own`, hint);
  } else {
    context.log.note(`${failover} must be a virtio-net-pci with failover=on,mac=${mac}`);
  }
}

export const qemuArgs: RunCommand = async (context, args) => {
  const failover = args.text("failover");
  const token = args.text("vf-token");
  const isIommufd = args.isSet("iommufd");
  const id = checkedId("--id", args.text("id") ?? "vf");
  const vfs = await readVfs(context, args.operands);
  if (vfs.length > portsMax)
    throw usage(`Cannot start with ${vfs.length} VFs`, `At most ${portsMax}`);
  if (failover !== null && vfs.length > 1) {
    throw usage(`Cannot pair ${failover} with ${vfs.length} VFs: it stands in for one`, "One a VF");
  }
  if (isIommufd && context.hostName === "linux" && !hasIommufd("")) {
    const hint = "Leave --iommufd out: QEMU then uses VFIO's groups";
    throw usage("Cannot use iommufd: this kernel has no /dev/iommu or no /dev/vfio/devices", hint);
  }
  const words = startArguments({
    vfs: vfs.map(({ address }) => address),
    id,
    failover: failover === null ? null : checkedId("--failover", failover),
    vfToken: token === null ? null : checkedToken(token),
    isIommufd,
  });
  for (const vf of vfs) warnOf(context, vf, failover);
  context.printJson({ format: "sriovctl-qemu-args/1", arguments: words });
  context.print(...words);
  return 0;
};
