// What `bench paths` may use: the VFs that were named, each of them nobody's, and the wire's end. A VF
// in use is refused with its user's name, and so is one that is leased.

import type { Site, SiteVf } from "../bench/path-table.ts";
import { ownKernel, type GuestKernel } from "../bench/run/guest-initramfs.ts";
import {
  driverOverrideOf,
  foundPrograms,
  isWritable,
  onlineProcessors,
} from "../bench/run/surroundings.ts";
import { findWire } from "../bench/run/wire.ts";
import { openLeasesIfThere } from "../lease/store.ts";
import { isBifurcatedDriver } from "../model/assign-target.ts";
import { vfTarget, type Address } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { Inventory, Pf, Vf } from "../model/inventory.ts";
import { consentWord } from "../plan/disruption.ts";
import type { Arguments, Context } from "./context.ts";
import { findFunction } from "./find-function.ts";

const inUse = (target: string, user: string): SriovError =>
  new SriovError("would-disrupt", `Cannot measure with ${target}: ${user} has it`, {
    operation: "measure",
    target,
    hint: "Name VFs that nobody uses; sriovctl list shows who uses which",
  });

function leaseHolders(context: Context): ReadonlyMap<Address, string> {
  const store = openLeasesIfThere(context.hostPaths.leaseFile);
  const leases = store?.leases() ?? [];
  store?.close();
  return new Map(
    leases.flatMap(({ vf, state, holder }) =>
      state === "free" ? [] : [[vf.address, `${state} lease of ${holder?.name ?? "nobody"}`]],
    ),
  );
}

type Found = { readonly pf: Pf; readonly vf: Vf };

/** Throws SriovError `not-found`, `usage` for a PF, `would-disrupt` with the user. */
function findVfs(context: Context, inventory: Inventory, names: readonly string[]): Found[] {
  const holders = leaseHolders(context);
  const found = names.map((name): Found => {
    const { pf, vf } = findFunction(inventory, name);
    if (vf !== null) return { pf, vf };
    const detail = { operation: "measure", target: name };
    throw new SriovError("usage", `Cannot measure with ${name}: it is a PF, wanted a VF`, detail);
  });
  for (const { pf, vf } of found) {
    const target = vfTarget(pf.address, vf.vfIndex);
    const [owner] = vf.owners;
    if (owner !== undefined) throw inUse(target, `${consentWord(owner)} (${owner.evidence})`);
    const holder = holders.get(vf.address);
    if (holder !== undefined) throw inUse(target, holder);
  }
  return found;
}

/** VFIO gives a whole group to a guest. Ports of the path may be in it; they stay the host's. */
function guestObstacle(
  { physicalFunctions }: Inventory,
  { address, iommuGroup }: Vf | Pf,
): string | null {
  if (iommuGroup === null) return "it has no IOMMU group; sriovctl doctor says what is in the way";
  const all = physicalFunctions.flatMap((pf) => [pf, ...pf.virtualFunctions]);
  const other = all.find((each) => each.iommuGroup === iommuGroup && each.address !== address);
  return other === undefined ? null : `its IOMMU group has ${other.address}, too`;
}

/** What a VF and a whole device have in common. */
function siteFunction(inventory: Inventory, each: Vf | Pf) {
  const [netdev] = each.netdevs;
  return {
    address: each.address,
    mac: netdev?.mac ?? null,
    driverOverride: driverOverrideOf(each.address),
    guestObstacle: guestObstacle(inventory, each),
    netdev:
      netdev === undefined
        ? null
        : { name: netdev.name, mtu: netdev.mtu ?? 1500, isUp: netdev.isUp ?? false },
    driver: each.driver,
  };
}

function siteVf(inventory: Inventory, { pf, vf }: Found): SiteVf {
  const isDown = pf.netdevs.length > 0 && pf.netdevs.every(({ isUp }) => isUp === false);
  return {
    ...siteFunction(inventory, vf),
    label: vfTarget(pf.address, vf.vfIndex),
    // VLAN 0 is how the kernel says none.
    vlan: vf.policy?.vlan?.id || null,
    obstacle: isDown ? `PF ${pf.address} is down` : null,
    pfMtu: pf.netdevs[0]?.mtu ?? 1500,
    isBifurcated: isBifurcatedDriver(pf.driver),
  };
}

/** Throws SriovError `not-found`, `usage` for a VF, `would-disrupt` with the user or the VFs. */
function findSpare(inventory: Inventory, name: string): Pf {
  const { pf, vf } = findFunction(inventory, name);
  if (vf !== null) {
    const detail = { operation: "measure", target: name };
    throw new SriovError("usage", `Cannot measure with ${name}: it is a VF, wanted a PF`, detail);
  }
  const [owner] = pf.owners;
  if (owner !== undefined) throw inUse(name, `${consentWord(owner)} (${owner.evidence})`);
  const count = pf.virtualFunctions.length;
  if (count > 0) throw inUse(name, count === 1 ? "its VF" : `the ${count} VFs that it has`);
  return pf;
}

/** A comparison of two runs is about just these: what the card is and what drives it. */
function describePf(
  { address, driver, netdevs, numaNode, link }: Pf,
  { nics }: HostFacts,
): string[] {
  const { driverVersion = null, firmwareVersion = null } =
    nics.find(({ pf }) => pf === address) ?? {};
  const { linkSpeedMbps = null } = netdevs[0] ?? {};
  return [
    `PF ${address} on ${driver ?? "no driver"}`,
    `version ${driverVersion ?? "not known"}`,
    `firmware ${firmwareVersion ?? "not known"}`,
    `NUMA node ${numaNode ?? "not known"}`,
    `link ${linkSpeedMbps === null ? "not known" : `${linkSpeedMbps} Mbit/s`}`,
    `PCIe ${link.speed ?? "?"} x${link.width ?? "?"}`,
  ];
}

const describe = ({ pf, vf }: Found, facts: HostFacts): string =>
  [
    `VF ${vf.vfIndex} of ${pf.address} (${vf.address}, ${vf.netdevs[0]?.name ?? "no interface"})`,
    `driver ${vf.driver ?? "none"}`,
    ...describePf(pf, facts),
  ].join(", ");

const freeHugepageBytes = ({ memory }: HostFacts): number =>
  (memory?.hugepages ?? []).reduce((sum, { sizeBytes, free }) => sum + sizeBytes * free, 0);

/** PCI ID of Red Hat, under which QEMU's own devices go. */
const qemuSubsystemVendor = 0x1af4;

const pfEmulation = (pfs: readonly Pf[]): string[] => [
  ...new Set(
    pfs.flatMap(({ address, subsystemVendorId }) =>
      subsystemVendorId === qemuSubsystemVendor ? [`QEMU emulates ${address}`] : [],
    ),
  ),
];

export type BenchSite = {
  readonly site: Site;
  /** null: no guest can be started. */
  readonly kernel: GuestKernel | null;
  readonly functions: readonly string[];
  readonly emulation: readonly string[];
};

/** Throws what findVfs() does, and `not-found` for a wire that is not there. */
export async function benchSite(
  context: Context,
  args: Arguments,
  { inventory, facts }: { readonly inventory: Inventory; readonly facts: HostFacts },
  mtu: number,
): Promise<BenchSite> {
  const names = (args.text("use") ?? "").split(",").filter((name) => name !== "");
  const found = findVfs(context, inventory, names);
  const spareName = args.text("spare");
  const spare = spareName === null ? null : findSpare(inventory, spareName);
  const wireName = args.text("wire");
  const wire = wireName === null ? null : await findWire(wireName);
  if (wireName !== null && wire?.user === "") {
    throw new SriovError(
      "not-found",
      `Cannot find ${wireName}: no network interface of that name`,
      {
        operation: "measure",
        target: wireName,
        hint: "Name the interface that is at the other end of the PF's cable",
      },
    );
  }
  if (wireName !== null && wire !== null && wire.user !== null) throw inUse(wireName, wire.user);
  const kernel = ownKernel(args.text("guest-kernel"));
  const noKernel = "the kernel that runs is not in /boot: name its file with --guest-kernel";
  return {
    site: {
      programs: foundPrograms(),
      vfs: found.map((each) => siteVf(inventory, each)),
      spare: spare === null ? null : { ...siteFunction(inventory, spare), label: spare.address },
      wire: wire?.netdev ?? null,
      mtu,
      guestObstacle: kernel === null ? noKernel : null,
      hasVhost: isWritable("/dev/vhost-net"),
      processors: onlineProcessors(),
      freeHugepageBytes: freeHugepageBytes(facts),
    },
    kernel,
    functions: [
      ...found.map((each) => describe(each, facts)),
      ...(spare === null ? [] : [describePf(spare, facts).join(", ")]),
    ],
    emulation: pfEmulation([...found.map(({ pf }) => pf), ...(spare === null ? [] : [spare])]),
  };
}
