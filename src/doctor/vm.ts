// Rules on guests and the VFs that they have.

import { say, run } from "./remedy.ts";
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

function tiedToHost({ vfs }: View): Sighting[] {
  return vfs.flatMap(({ pf, vf }): Sighting[] => {
    const guests = guestsOf(vf);
    if (guests.length === 0 || vf.driver !== "vfio-pci") return [];
    return [
      {
        targets: [targetOf({ pf, vf })],
        says: "Guests with a VF on plain vfio-pci cannot be moved to another host while they run",
        evidence: guests.map(({ name }) => `VM ${name} has ${vf.address} on vfio-pci`),
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
      say("Use the card's own VFIO driver where there is one (mlx5_vfio_pci, virtio_vfio_pci)"),
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
