// Rules on guests and the VFs that they have.

import { say, run, type Step } from "./remedy.ts";
import type { Pf } from "../model/inventory.ts";
import type { Rule, Sighting } from "./rule.ts";
import type { View } from "./view.ts";
import { guestsOf, pfName, targetOf } from "./view.ts";

function inTwoHands({ vfs }: View): Sighting[] {
  return vfs.flatMap(({ pf, vf }): Sighting[] => {
    const names = [...new Set(guestsOf(vf).map(({ name }) => name))];
    if (names.length < 2) return [];
    const says = `A VF belongs to several guests (${names.join(", ")}): the second one cannot start`;
    const evidence = vf.owners.map((owner) => owner.evidence);
    return [{ targets: [targetOf({ pf, vf })], says, evidence }];
  });
}

function noneLeft({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const { virtualFunctions } = pf;
    if (virtualFunctions.length === 0) return [];
    if (virtualFunctions.some(({ owners }) => owners.length === 0)) return [];
    const says = `All ${virtualFunctions.length} VFs of PF ${pfName(pf)} are in use: no other guest can have one`;
    const users = virtualFunctions.flatMap(({ owners }) => owners.slice(0, 1));
    const names = users.map(({ kind, name }) => `${kind}:${name}`);
    return [
      { targets: [pf.address], says, evidence: [`users: ${[...new Set(names)].join(", ")}`] },
    ];
  });
}

type VariantRow = readonly [driver: string, vendorId: number, vfDeviceIds: readonly number[]];

/** VFIO drivers of Linux that can read a VF's state (virtio's since 6.13), by the id tables below
 * drivers/vfio/pci. */
const variants: readonly VariantRow[] = [
  ["mlx5_vfio_pci", 0x15b3, [0x101e]],
  ["virtio_vfio_pci", 0x1af4, [0x1041, 0x1042]],
  ["pds_vfio_pci", 0x1dd8, [0x1003]],
  ["qat_vfio_pci", 0x8086, [0x4941, 0x4943, 0x4945]],
  ["hisi_acc_vfio_pci", 0x19e5, [0xa251, 0xa256, 0xa259]],
];

function moving({ vendorId, vfDeviceId }: Pf): Step[] {
  const paired = say(
    "Pair the VF with a virtio interface (libvirt: <teaming>), and unplug it for the move",
  );
  if (vfDeviceId === null) return [variantInWords, paired];
  const [name] =
    variants.find(([, vendor, ids]) => vendor === vendorId && ids.includes(vfDeviceId)) ?? [];
  return name === undefined
    ? [paired, say("No VFIO driver is known here that could move a VF of this card itself")]
    : [
        say(`driver: ${name} in the spec, here and on the other host: it moves the VF's state`),
        paired,
      ];
}

const variantInWords = say(
  "Use the card's own VFIO driver where there is one (mlx5_vfio_pci, virtio_vfio_pci)",
);

function tiedToHost({ vfs }: View): Sighting[] {
  return vfs.flatMap(({ pf, vf }): Sighting[] => {
    const guests = guestsOf(vf);
    if (guests.length === 0 || vf.driver !== "vfio-pci") return [];
    return [
      {
        targets: [targetOf({ pf, vf })],
        says: "Guests with a VF on plain vfio-pci cannot be moved to another host while they run",
        evidence: guests.map(({ name }) => `VM ${name} has ${vf.address} on vfio-pci`),
        fix: moving(pf),
      },
    ];
  });
}

function pfOfGuestHasVfs({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const guests = guestsOf(pf);
    const used = pf.virtualFunctions.filter(({ owners }) => owners.length > 0);
    if (guests.length === 0 || used.length === 0) return [];
    const says = `VM ${guests.map(({ name }) => name).join(", ")} has PF ${pfName(pf)}, whose VFs others use: it controls their traffic`;
    const evidence = [...guests, ...used.flatMap(({ owners }) => owners)].map(
      (owner) => owner.evidence,
    );
    return [{ targets: [pf.address], says, evidence }];
  });
}

function pfOfGuest({ pfs }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const guests = guestsOf(pf);
    if (guests.length === 0 || pf.numVfs > 0) return [];
    const says = `PF ${pfName(pf)} belongs to VM ${guests[0]?.name ?? ""}: the host can make no VFs of it`;
    return [{ targets: [pf.address], says, evidence: guests.map((owner) => owner.evidence) }];
  });
}

/** A guest that may run near the card, among others, is left to the scheduler. */
function farFromCard({ facts, pfs }: View): Sighting[] {
  const guests = new Map(facts.guests?.map((guest) => [guest.pid, guest]));
  return pfs.flatMap((pf): Sighting[] => {
    const { numaNode } = pf;
    if (numaNode === null || numaNode < 0) return [];
    const functions = [null, ...pf.virtualFunctions];
    return functions.flatMap((vf): Sighting[] => {
      const far = guestsOf(vf ?? pf).flatMap(({ pid }) => {
        const guest = pid === null ? undefined : guests.get(pid);
        const nodes = guest?.nodes ?? null;
        return guest === undefined || nodes === null || nodes.includes(numaNode)
          ? []
          : [{ ...guest, nodes }];
      });
      if (far.length === 0) return [];
      const says = `Guests run on another NUMA node than PF ${pfName(pf)}, which is near node ${numaNode}: each of their packets crosses between processors`;
      const evidence = far.map(
        ({ name, pid, nodes }) =>
          `VM ${name} (process ${pid}): its processors may run on node ${nodes.join(", ")}`,
      );
      return [{ targets: [vf === null ? pf.address : targetOf({ pf, vf })], says, evidence }];
    });
  });
}

const mebibyte = 2 ** 20;

/** libvirt leaves 1 GiB beyond the guest's memory; with less than this a device's own memory that is
 * mapped for another device, or memory that is plugged in, no longer fits. */
const lockableLeastBytes = 64 * mebibyte;

function nearlyLocked({ facts, vfs, pfs }: View): Sighting[] {
  return (facts.guests ?? []).flatMap(({ pid, name, lockedBytes, lockLimitBytes }): Sighting[] => {
    if (lockedBytes === null || typeof lockLimitBytes !== "number") return [];
    const leftBytes = lockLimitBytes - lockedBytes;
    if (lockedBytes === 0 || leftBytes >= lockableLeastBytes) return [];
    const isOwn = (owner: { readonly pid: number | null }): boolean => owner.pid === pid;
    const targets = [
      ...pfs.filter(({ owners }) => owners.some(isOwn)).map(({ address }) => address),
      ...vfs.filter(({ vf }) => vf.owners.some(isOwn)).map(targetOf),
    ];
    const inMebibytes = (bytes: number): number => Math.floor(bytes / mebibyte);
    const says = `VM ${name} has nearly locked all the memory that it may: a further device or plugged memory will fail`;
    const evidence = [
      `/proc/${pid}/status: VmLck ${inMebibytes(lockedBytes)} MiB`,
      `/proc/${pid}/limits: at most ${inMebibytes(lockLimitBytes)} MiB`,
    ];
    return [{ targets, says, evidence }];
  });
}

export const vmRules: readonly Rule[] = [
  {
    id: "vf-in-two-hands",
    group: "vm",
    title: "A VF belongs to several guests",
    severity: "error",
    needs: [],
    test: inTwoHands,
    cause: "Two guests are set up with the same VF. The one that starts first has it.",
    fix: () => [say("Give one of them another VF; sriovctl list shows the free ones")],
    needsReboot: false,
    reference: "drivers/vfio/group.c vfio_group_fops_open(): EBUSY",
    answers: ["V09"],
  },
  {
    id: "no-vf-left",
    group: "vm",
    title: "All VFs of a PF are in use",
    severity: "info",
    needs: [],
    test: noneLeft,
    cause:
      "libvirt says of a pool without a free VF: requires exclusive access to interfaces, but none are available.",
    fix: () => [
      say("More VFs need a moment without any: sriovctl plan shows whom a larger numVfs would hit"),
    ],
    needsReboot: false,
    reference: "libvirt src/conf/virnetworkportdef.c, forward mode hostdev",
    answers: ["V07"],
  },
  {
    id: "guest-cannot-migrate",
    group: "vm",
    title: "Guests are tied to this host by their VFs",
    severity: "info",
    needs: [],
    test: tiedToHost,
    cause:
      "Plain vfio-pci cannot read a VF's state. QEMU says: VFIO migration is not supported in kernel.",
    fix: () => [
      variantInWords,
      say(
        "Or pair the VF with a virtio interface (libvirt: <teaming>), and unplug it for the move",
      ),
    ],
    needsReboot: false,
    reference:
      "Documentation/driver-api/vfio.rst; include/uapi/linux/vfio.h VFIO_DEVICE_FEATURE_MIGRATION",
    answers: ["V11"],
  },
  {
    id: "guest-far-from-card",
    group: "vm",
    title: "A guest runs on another NUMA node than its card",
    severity: "warning",
    needs: ["guest-nodes"],
    test: farFromCard,
    cause:
      "Interrupts and memory of the VF then go over the link between processors: less throughput, more latency, for the neighbours too.",
    fix: () => [
      say(
        "Pin the guest to the card's node (libvirt: <vcpupin>, <numatune>; Proxmox VE: affinity)",
      ),
      say("Or give it a VF of a card near it: sriovctl list shows the node of each PF"),
    ],
    needsReboot: false,
    reference: "/sys/bus/pci/devices/.../numa_node; sched_setaffinity(2)",
    answers: ["P13"],
  },
  {
    id: "locked-memory-nearly-full",
    group: "vm",
    title: "A guest may hardly lock more memory",
    severity: "warning",
    needs: ["locked-memory"],
    test: nearlyLocked,
    cause:
      "All memory of a guest with a VF is locked for DMA, and RLIMIT_MEMLOCK of its process bounds that. QEMU says: VFIO_MAP_DMA failed: Cannot allocate memory.",
    fix: () => [
      say(
        "libvirt: a larger <memtune><hard_limit> of the domain; otherwise LimitMEMLOCK= of the unit that starts it",
      ),
    ],
    needsReboot: false,
    reference: "drivers/vfio/vfio_iommu_type1.c vfio_lock_acct(); getrlimit(2)",
    answers: ["V06", "S23"],
  },
  {
    id: "pf-in-guest-with-vfs",
    group: "security",
    title: "A guest has a PF whose VFs others use",
    severity: "error",
    needs: [],
    test: pfOfGuestHasVfs,
    cause: "Whoever has the PF sets filters, VLANs and mirrors of every VF.",
    fix: () => [say("Take the PF back from the guest and give it a VF")],
    needsReboot: false,
    reference: "drivers/vfio/pci/vfio_pci_core.c, the comment on VF tokens",
    answers: ["S18", "S17"],
  },
  {
    id: "pf-in-guest",
    group: "vm",
    title: "A guest has a whole PF",
    severity: "info",
    needs: [],
    test: pfOfGuest,
    cause: "A PF that is given away is the guest's alone.",
    fix: () => [
      say("Give the guest a VF if others shall have VFs of the card too"),
      run("sriovctl list"),
    ],
    needsReboot: false,
    reference: "docs/spec.md",
    answers: ["S18"],
  },
];
