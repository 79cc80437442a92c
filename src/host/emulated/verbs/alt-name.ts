// Alternative names of a netdev (net/core/rtnetlink.c rtnl_linkprop()): with the primary ones they
// are one space over all netdevs (net/core/dev.c netdev_name_node_lookup()).

import type { HostRequest } from "../../host.ts";
import { findPf, findVf, touchVf } from "../machine.ts";
import { netdevsOf } from "../netdevs.ts";
import type { Verb } from "../step.ts";
import { done, missing, refused } from "../step.ts";

type SetAltName = Extract<HostRequest, { verb: "setAltName" }>;

export const setAltName: Verb<SetAltName> = {
  check: () => null,
  locks: () => ["rtnl"],
  step(machine, { address, altName, isPresent }) {
    const vf = findVf(machine, address);
    const netdev = findPf(machine, address)?.netdev ?? vf?.vf.netdev;
    if (vf !== null) touchVf(machine, vf.pf, vf.vfIndex);
    if (!netdev) return missing("ENODEV", "it has no netdev");
    const holder = netdevsOf(machine).find(
      (each) => each.name === altName || each.altNames?.includes(altName) === true,
    );
    if (isPresent) {
      if (holder !== undefined) return refused("EEXIST", `${holder.name} has that name`);
      netdev.altNames = [...(netdev.altNames ?? []), altName];
      return done;
    }
    if (holder === undefined) return refused("ENOENT", "no netdev has that name");
    if (holder !== netdev || netdev.name === altName) {
      return refused("EINVAL", "it is no alternative name of this netdev");
    }
    netdev.altNames = (netdev.altNames ?? []).filter((name) => name !== altName);
    return done;
  },
};
