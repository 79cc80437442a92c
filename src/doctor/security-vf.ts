// Audit points of VFs: what a guest with this VF can do to others, by the policy that its PF holds.

import type { Vf } from "../model/inventory.ts";
import type { VfPolicy } from "../model/vf-attribute.ts";
import { say } from "./remedy.ts";
import type { Rule, Severity, Sighting } from "./rule.ts";
import type { PfVf, View } from "./view.ts";
import { guestsOf, isForGuests, targetOf } from "./view.ts";

type Point = {
  readonly says: string;
  /** In words of `ip -d link show`. */
  readonly shown: (policy: VfPolicy) => string;
  readonly isOpen: (policy: VfPolicy) => boolean;
  /** Which VFs it is about. */
  readonly of: (vf: Vf) => boolean;
  readonly severityOf?: (vf: Vf) => Severity;
};

const hasGuest = (vf: Vf): boolean => guestsOf(vf).length > 0;

function sightingsOf({ vfs }: View, point: Point): Sighting[] {
  return vfs.flatMap((entry: PfVf): Sighting[] => {
    const { vf, pf } = entry;
    // In switchdev mode these settings say nothing: switchdev-policy tells.
    if (vf.policy === null || pf.eswitchMode === "switchdev") return [];
    if (!point.of(vf) || !point.isOpen(vf.policy)) return [];
    const guests = guestsOf(vf).map(({ name }) => `, VM ${name}`);
    const evidence = [`${targetOf(entry)}${guests.join("")}: ${point.shown(vf.policy)}`];
    const severity = point.severityOf?.(vf);
    const says = point.says;
    return [{ targets: [targetOf(entry)], says, evidence, ...(severity && { severity }) }];
  });
}

const isUnset = (mac: string | null): boolean => mac !== null && /^(?:00:)+00$/.test(mac);

const pointRule = (point: Point, rule: Omit<Rule, "group" | "needs" | "test">): Rule => ({
  group: "security",
  needs: ["policy"],
  test: (view) => sightingsOf(view, point),
  ...rule,
});

/** Every guest with a VF is told once: no host firewall stands between it and the network. */
function pastTheFirewall({ vfs }: View): Sighting[] {
  return vfs
    .filter(({ vf }) => hasGuest(vf))
    .map((entry) => ({
      targets: [targetOf(entry)],
      says: "Traffic of these VFs passes no firewall of the host (nftables, security groups, Proxmox VE)",
      evidence: guestsOf(entry.vf).map(({ name }) => `VM ${name} has ${entry.vf.address}`),
    }));
}

const policyOfSpec = (words: string) => () => [say(`${words} in the spec, then sriovctl apply`)];

export const vfSecurityRules: readonly Rule[] = [
  pointRule(
    {
      says: "Spoof check is off: these VFs can send with other MACs than their own",
      shown: () => "spoof checking off",
      isOpen: ({ spoofCheck }) => spoofCheck === false,
      of: isForGuests,
      severityOf: (vf) => (hasGuest(vf) ? "error" : "warning"),
    },
    {
      id: "spoof-check-off",
      title: "A VF may use other MACs than its own",
      severity: "error",
      cause: "The guest can take over addresses of others (ARP, ND) on the same network.",
      fix: () => [
        say("spoofCheck: on in the spec, then sriovctl apply; mlx5 wants a MAC set first"),
        say("Where the guest bridges or routes, accept it there: waive with a reason and a date"),
      ],
      needsReboot: false,
      reference: "ip-link(8), vf NUM spoofchk",
      answers: ["S1"],
    },
  ),
  pointRule(
    {
      says: "No MAC is set: the guest chooses its own",
      shown: ({ mac }) => `MAC ${mac ?? ""}`,
      isOpen: ({ mac }) => isUnset(mac),
      of: isForGuests,
    },
    {
      id: "no-mac-set",
      title: "A guest chooses the MAC of its VF",
      severity: "warning",
      cause:
        "Without a MAC from the host, the guest takes any, a new one at each start with most drivers, and spoof check has nothing to hold it to.",
      fix: policyOfSpec("mac: auto (stable, made of the PF and the index) or a MAC"),
      needsReboot: false,
      reference: "ip-link(8), vf NUM mac",
      answers: ["S2"],
    },
  ),
  pointRule(
    {
      says: "Trust is on: these VFs can change their MAC and see multicast of all",
      shown: () => "trust on",
      isOpen: ({ trust }) => trust === true,
      of: isForGuests,
      severityOf: (vf) => (hasGuest(vf) ? "error" : "warning"),
    },
    {
      id: "trust-on",
      title: "A guest's VF is trusted",
      severity: "error",
      cause: "Trust lets the guest change its MAC, go promiscuous and use the filters of others.",
      fix: () => [
        say("trust: off in the spec, then sriovctl apply"),
        say(
          "Where the guest needs it (VRRP, bridge), accept it there: waive with a reason and a date",
        ),
      ],
      needsReboot: false,
      reference: "ip-link(8), vf NUM trust",
      answers: ["S3"],
    },
  ),
  pointRule(
    {
      says: "No VLAN is set: these VFs reach every VLAN of the port",
      shown: () => "no vlan",
      isOpen: ({ vlan }) => vlan !== null && vlan.id === 0,
      of: hasGuest,
    },
    {
      id: "no-vlan-set",
      title: "A guest's VF is on no VLAN of its own",
      severity: "info",
      cause: "Without a port VLAN the guest sends and gets tagged frames as it likes.",
      fix: policyOfSpec("vlan: ID"),
      needsReboot: false,
      reference: "ip-link(8), vf NUM vlan",
      answers: ["S5"],
    },
  ),
  pointRule(
    {
      says: "The port VLAN is 802.1ad: tags of the guest pass inside it",
      shown: ({ vlan }) => `vlan ${vlan?.id ?? ""} protocol 802.1ad`,
      isOpen: ({ vlan }) => vlan?.protocol === "802.1ad" && vlan.id !== 0,
      of: isForGuests,
    },
    {
      id: "double-tagging",
      title: "A guest can tag inside its VLAN",
      severity: "info",
      cause:
        "That is what 802.1ad is for. A switch that looks at the inner tag too lets the guest into other VLANs.",
      fix: policyOfSpec("vlan: ID (802.1q) where the guest shall not tag"),
      needsReboot: false,
      reference: "ip-link(8), vf NUM vlan proto",
      answers: ["S7"],
    },
  ),
  pointRule(
    {
      says: "No rate limit is set: one guest can fill the port",
      shown: () => "max_tx_rate 0",
      isOpen: ({ txRateMaxMbps }) => txRateMaxMbps === 0,
      of: hasGuest,
    },
    {
      id: "no-rate-limit",
      title: "A guest may use the whole port",
      severity: "info",
      cause: "VFs share the port's bandwidth without a scheduler between them.",
      fix: policyOfSpec("rate: { maxMbps: N }"),
      needsReboot: false,
      reference: "ip-link(8), vf NUM max_tx_rate",
      answers: ["S8"],
    },
  ),
  pointRule(
    {
      says: "RSS query is on: these VFs can read the hash key that they share with the PF",
      shown: () => "query_rss on",
      isOpen: ({ rssQuery }) => rssQuery === true,
      of: isForGuests,
    },
    {
      id: "rss-query-on",
      title: "A VF can read the RSS key",
      severity: "info",
      cause: "Who knows the key can aim traffic at one queue of the host.",
      fix: policyOfSpec("rssQuery: off"),
      needsReboot: false,
      reference: "ip-link(8), vf NUM query_rss",
      answers: ["S11"],
    },
  ),
  pointRule(
    {
      says: "The link is forced on for VFs that nobody uses: live ports",
      shown: () => "link-state enable, no user",
      isOpen: ({ linkState }) => linkState === "enable",
      of: ({ owners }) => owners.length === 0,
    },
    {
      id: "idle-link-forced-on",
      title: "An unused VF has a link",
      severity: "info",
      cause: "A forced link hides a failure of the port, and keeps an unused VF reachable.",
      fix: policyOfSpec("linkState: auto, or disable for VFs that wait"),
      needsReboot: false,
      reference: "ip-link(8), vf NUM state",
      answers: ["S20"],
    },
  ),
  {
    id: "past-the-firewall",
    group: "security",
    title: "Guests with VFs are not behind the host's firewall",
    severity: "info",
    needs: [],
    test: pastTheFirewall,
    cause: "Frames of a VF go between guest and card without the host's network stack.",
    fix: () => [
      say(
        "Filter in the guest or in the network; or use switchdev mode with rules on representors",
      ),
    ],
    needsReboot: false,
    reference: "docs/spec.md; OpenStack Neutron, SR-IOV: no firewall driver",
    answers: ["S22"],
  },
];
