// Network links of the host: read them with what their drivers say about VFs, set what a link can
// be told. By netlink; where no netlink socket can be had, by ip(8), which sees 221 VFs at most.

import type { Problem } from "../../model/problem.ts";
import type { VfAttribute } from "../../model/vf-attribute.ts";
import type { Link } from "../../netlink/link-attributes.ts";
import type { InterfaceAddress, Route } from "../../netlink/route.ts";
import { openIpLinks } from "./ip-links.ts";
import { openNetlinkLinks } from "./netlink-links.ts";

export type LinksReading = {
  readonly links: readonly Link[];
  readonly problems: readonly Problem[];
};

export type TrafficReading = {
  readonly addresses: readonly InterfaceAddress[];
  readonly routes: readonly Route[];
  readonly problems: readonly Problem[];
};

/** A link as requests name it: netlink goes by the index, messages and ip(8) by the name. */
export type LinkName = { readonly ifindex: number; readonly name: string };

/** Everything in the network namespace of this process. Setters throw SriovError with the errno. */
export interface Links {
  /** All links with their VFs: one dump. */
  readLinks(): LinksReading;
  /** One link with its VFs; null when it is not there. */
  readLink(ifindex: number): { readonly link: Link | null; readonly problems: readonly Problem[] };
  readTraffic(): TrafficReading;
  setVf(pf: LinkName, vfIndex: number, attribute: VfAttribute): void;
  /** Adds or removes an alternative name. */
  setAltName(link: LinkName, altName: string, isPresent: boolean): void;
  setMtu(link: LinkName, mtu: number): void;
  setAdminState(link: LinkName, isUp: boolean): void;
  close(): void;
}

/** Links by netlink, or by ip(8) where C cannot be called. */
export const openLinks = (): Links => openNetlinkLinks() ?? openIpLinks();
