// Cases of the rules on who is to have what.

import { checkRules, evidenceOf } from "../../test/evidence-of.ts";
import { freshIgbPolicy, pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import type { Claim, ManagerName } from "../model/claim.ts";
import type { Pf, Vf } from "../model/inventory.ts";
import type { AbsentReservation, Reservation } from "../model/reservation.ts";
import { reservationRules } from "./reservations.ts";

const address = "0000:03:00.0";
const vf0 = `${address}/vf0`;

const reserved = (
  word: `${Reservation["kind"]}:${string}`,
  role: Reservation["role"] = "function",
  manager = "libvirt",
): Reservation => {
  const [kind, name = ""] = word.split(":") as [Reservation["kind"], string];
  return { kind, name, manager, role, evidence: [`/etc/${manager}: ${name}`] };
};

const withVf = (vf: Partial<Vf>, pf: Partial<Pf> = {}) =>
  evidenceOf([pfOf(address, 1, { virtualFunctions: [vfOf(address, 0, vf)], ...pf })]);
const withPf = (...reservations: Reservation[]) => evidenceOf([pfOf(address, 1, { reservations })]);

const claim = (manager: ManagerName): Claim => ({
  manager,
  selector: { names: ["ens3"], unjudged: [] },
  firstOf: null,
  settings: [{ kind: "other", words: "trust on", where: "/etc/x:1" }],
});
const claimed = (...claims: readonly Claim[]) =>
  evidenceOf([pfOf(address)], { inventory: { claims } });

const cluster = { kind: "cluster", name: "pve", pid: null, evidence: "corosync talks" } as const;
const guestAt = (txRateMaxMbps: number): Partial<Vf> => ({
  owners: [vmOwner("web1")],
  policy: { ...freshIgbPolicy, txRateMaxMbps },
});

/** The PF's VFs are at 13.0, 13.2 ... of bus 03. */
const elsewhere = (at: string, role: Reservation["role"] = "function") => {
  const reservedElsewhere: AbsentReservation[] = [
    { address: at, reservation: reserved("vm:db1", role) },
  ];
  const pf = pfOf(address, 0, { firstVfOffset: 0x98, vfStride: 2, totalVfs: 4 });
  return evidenceOf([pf], { inventory: { reservedElsewhere } });
};

checkRules(reservationRules, {
  "vf-promised-twice": {
    fires: {
      "two are defined with it": {
        evidence: withVf({ reservations: [reserved("vm:a"), reserved("vm:b")] }),
        targets: [vf0],
        says: /vm:a and vm:b are all to have/,
      },
      "one has it": {
        evidence: withVf({ owners: [vmOwner("a")], reservations: [reserved("vm:b")] }),
        targets: [vf0],
        says: /vm:b cannot start/,
      },
    },
    silent: {
      "one alone": withVf({ reservations: [reserved("vm:a")] }),
      "both have it": withVf({ owners: [vmOwner("a"), vmOwner("b")] }),
    },
  },
  "pool-has-named-vf": {
    fires: {
      "of another manager": {
        evidence: withVf(
          { reservations: [reserved("vm:101", "function", "proxmox")] },
          { reservations: [reserved("pool:tenants", "vfs")] },
        ),
        targets: [vf0],
      },
    },
    silent: { "a pool alone": withPf(reserved("pool:tenants", "vfs")) },
  },
  "pools-of-one-pf": {
    fires: {
      two: {
        evidence: withPf(reserved("pool:a", "vfs"), reserved("pool:b", "vfs")),
        targets: [address],
      },
    },
    silent: { one: withPf(reserved("pool:a", "vfs")) },
  },
  "pf-promised-with-vfs": {
    fires: {
      "its VF is another guest's": {
        evidence: withVf({ owners: [vmOwner("web1")] }, { reservations: [reserved("vm:fw")] }),
        targets: [address],
      },
    },
    silent: { "nobody has its VFs": withPf(reserved("vm:fw")) },
  },
  "two-managers-of-policy": {
    fires: { two: { evidence: claimed(claim("networkd"), claim("udev")), targets: [address] } },
    silent: { one: claimed(claim("networkd")) },
  },
  "two-managers-of-interface": {
    fires: {
      two: {
        evidence: withPf(
          reserved("manager:networkd", "manages"),
          reserved("manager:networkmanager", "manages"),
        ),
        targets: [address],
        says: /networkd and networkmanager both/,
      },
    },
    silent: { one: withPf(reserved("manager:networkd", "manages")) },
  },
  "reserved-vf-missing": {
    fires: {
      "VFs are not made": {
        evidence: elsewhere("0000:03:13.2"),
        targets: [address],
        says: /vm:db1 is to have VF 1 of PF .*, which is not there/,
      },
    },
    silent: {
      "no VF could be there": elsewhere("0000:03:13.1"),
      "beyond the last": elsewhere("0000:03:14.0"),
      "in another domain": elsewhere("0001:03:13.2"),
      "on top of an interface": elsewhere("0000:03:13.2", "shares"),
    },
  },
  "cluster-beside-guests": {
    fires: {
      "no limit": { evidence: withVf(guestAt(0), { owners: [cluster] }), targets: [address] },
    },
    silent: {
      "a limit": withVf(guestAt(1000), { owners: [cluster] }),
      "no cluster": withVf(guestAt(0)),
    },
  },
});
