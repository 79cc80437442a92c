// Policy rules: settings of VFs that contradict each other or the PF, and other programs that set
// the same.

import type { Claim } from "../model/claim.ts";
import { claimsOn } from "../model/claim.ts";
import { say } from "./remedy.ts";
import type { Rule, Sighting } from "./rule.ts";
import type { PfVf, View } from "./view.ts";
import { guestsOf, pfName, targetOf } from "./view.ts";

function mtuAbovePf({ vfs }: View): Sighting[] {
  return vfs.flatMap(({ pf, vf }): Sighting[] => {
    const pfMtu = pf.netdevs[0]?.mtu ?? null;
    const netdev = vf.netdevs[0];
    if (pfMtu === null || netdev === undefined || netdev.mtu === null || netdev.mtu <= pfMtu)
      return [];
    const says = `VFs have a larger MTU than their PF ${pfName(pf)} (${pfMtu}): large frames are lost`;
    const evidence = [`${netdev.name}: mtu ${netdev.mtu}`];
    return [{ targets: [targetOf({ pf, vf })], says, evidence }];
  });
}

/** `nodes` of a claim that would set the count: who, where, how many. */
function countsOf({ manager, settings }: Claim) {
  return settings.flatMap((setting) => {
    if (setting.kind === "num-vfs")
      return [{ manager, where: setting.where, numVfs: setting.numVfs }];
    const words = setting.kind === "other" ? /max_vfs=(\d+)/.exec(setting.words) : null;
    return words === null ? [] : [{ manager, where: setting.where, numVfs: Number(words[1]) }];
  });
}

function severalManagers({ pfs, inventory }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const counts = claimsOn(pf, inventory.claims ?? [])
      .filter(({ judgement }) => judgement === "yes")
      .flatMap(({ claim }) => countsOf(claim));
    const managers = [...new Set(counts.map(({ manager }) => manager))];
    if (managers.length < 2) return [];
    const isContradiction = new Set(counts.map(({ numVfs }) => numVfs)).size > 1;
    const says = `${managers.join(" and ")} set the VF count of PF ${pfName(pf)}: each destroys the other's VFs at the next boot or reload`;
    const evidence = counts.map(
      ({ manager, where, numVfs }) => `${where}: ${manager} wants ${numVfs} VFs`,
    );
    return [
      { targets: [pf.address], says, evidence, severity: isContradiction ? "error" : "warning" },
    ];
  });
}

function deprecatedMaxVfs({ pfs, inventory }: View): Sighting[] {
  return pfs.flatMap((pf): Sighting[] => {
    const found = claimsOn(pf, inventory.claims ?? []).flatMap(({ claim }) =>
      claim.manager === "modprobe" ? claim.settings : [],
    );
    if (found.length === 0) return [];
    const says = `A module option sets the VFs of PF ${pfName(pf)}: it is deprecated, and counts cards by position`;
    const evidence = found.map((setting) =>
      setting.kind === "other" ? `${setting.where}: ${setting.words}` : setting.where,
    );
    return [{ targets: [pf.address], says, evidence }];
  });
}

type Holder = PfVf & { readonly mac: string };

const isOnePort = (holders: readonly Holder[]): boolean =>
  new Set(holders.map(({ pf }) => pf.address)).size < holders.length;

/** A guest that bonds VFs of two ports gives both one MAC, and so does whoever prepares that. */
const isOfSeveral = (holders: readonly Holder[]): boolean =>
  new Set(holders.flatMap(({ vf }) => guestsOf(vf).map(({ name }) => name))).size > 1;

function sameMac({ vfs }: View): Sighting[] {
  const all = vfs.flatMap((entry): Holder[] => {
    const mac = entry.vf.policy?.mac ?? null;
    return mac === null || /^(?:00:)+00$/.test(mac) ? [] : [{ ...entry, mac }];
  });
  return [...Map.groupBy(all, ({ mac }) => mac)].flatMap(([mac, holders]): Sighting[] => {
    if (holders.length < 2 || !(isOnePort(holders) || isOfSeveral(holders))) return [];
    const evidence = holders.map((holder) => {
      const guests = guestsOf(holder.vf).map(({ name }) => `, VM ${name}`);
      return `${targetOf(holder)}${guests.join("")}: ${mac}`;
    });
    return [{ targets: holders.map(targetOf), says: `VFs have the same MAC ${mac}`, evidence }];
  });
}

export const policyRules: readonly Rule[] = [
  {
    id: "vf-mtu-above-pf",
    group: "policy",
    title: "A VF's MTU is larger than its PF's",
    severity: "warning",
    needs: [],
    test: mtuAbovePf,
    cause: "The port takes frames up to the PF's MTU. It does not follow the VF's.",
    fix: () => [
      say("Raise mtu of the PF in the spec (and of the switch), or lower that of the VF"),
    ],
    needsReboot: false,
    reference: "ip-link(8), mtu; drivers/net/ethernet/intel/ixgbe/ixgbe_sriov.c ixgbe_set_vf_lpe()",
    answers: ["N19"],
  },
  {
    id: "two-managers-of-vfs",
    group: "policy",
    title: "Several programs set the VF count",
    severity: "error",
    needs: ["claims"],
    test: severalManagers,
    cause: "Nearly all of them write 0 first, which takes every VF from whoever uses it.",
    fix: () => [say("Leave the count to one of them: docs/coexistence.md")],
    needsReboot: false,
    reference: "docs/coexistence.md",
    answers: [],
  },
  {
    id: "max-vfs-option",
    group: "policy",
    title: "A module option makes the VFs",
    severity: "warning",
    needs: ["claims"],
    test: deprecatedMaxVfs,
    cause:
      "max_vfs applies when the module is loaded, to cards in the order in which they are found, so a new card moves the counts.",
    fix: () => [say("Take the count over into a spec, and remove the option: docs/coexistence.md")],
    needsReboot: false,
    reference: "Documentation/networking/device_drivers/ethernet/intel/ixgbe.rst, max_vfs",
    answers: [],
  },
  {
    id: "same-mac-twice",
    group: "policy",
    title: "VFs have the same MAC",
    severity: "warning",
    needs: ["policy"],
    test: sameMac,
    cause:
      "The switch that both are on, in the card or behind its ports, delivers to one of them; which one depends on it.",
    fix: () => [say("Give each VF its own MAC in the spec; mac: auto makes stable ones")],
    needsReboot: false,
    reference: "IEEE 802.1Q, filtering database",
    answers: [],
  },
];
