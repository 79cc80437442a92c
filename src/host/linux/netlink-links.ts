// Links by netlink: one dump reads them all, one message sets one thing.

import { SriovError } from "../../model/errors.ts";
import type { Problem } from "../../model/problem.ts";
import type { VfAttribute } from "../../model/vf-attribute.ts";
import { decodeLink } from "../../netlink/link.ts";
import type { Link } from "../../netlink/link-attributes.ts";
import {
  altNameAddition,
  altNameRemoval,
  linkByIndex,
  linkDown,
  linkDump,
  linkDumpWithoutVfs,
  linkUp,
  mtuChange,
  vfChange,
  type Request,
} from "../../netlink/link-request.ts";
import type { Message } from "../../netlink/message.ts";
import {
  addressDump,
  decodeInterfaceAddress,
  decodeRoute,
  routeDump,
} from "../../netlink/route.ts";
import { refusalError } from "./errno.ts";
import type { LinkName, Links, LinksReading, TrafficReading } from "./links.ts";
import { NetlinkSocket, type Answer } from "./netlink-socket.ts";

/** null where C cannot be called. */
export function openNetlinkLinks(): Links | null {
  const socket = NetlinkSocket.open("route");
  if (socket === null) return null;
  const change = (operation: string, target: string, request: Request): void => {
    const { errno, text } = socket.exchange(request);
    if (errno !== null) throw refusalError({ operation, target, errno, text });
  };
  return {
    readLinks: () => readLinks(socket),
    readLink: (ifindex) => readLink(socket, ifindex),
    readTraffic: () => readTraffic(socket),
    setVf: (pf, vfIndex, attribute) => {
      change(
        `set ${attribute.name}`,
        `VF ${vfIndex} of ${pf.name}`,
        vfRequest(pf, vfIndex, attribute),
      );
    },
    setAltName: ({ ifindex, name }, altName, isPresent) =>
      change(
        `${isPresent ? "add" : "remove"} alternative name ${altName}`,
        name,
        isPresent ? altNameAddition(ifindex, altName) : altNameRemoval(ifindex, altName),
      ),
    setMtu: ({ ifindex, name }, mtu) => change(`set MTU ${mtu}`, name, mtuChange(ifindex, mtu)),
    setAdminState: ({ ifindex, name }, isUp) =>
      change(
        `set the admin state ${isUp ? "up" : "down"}`,
        name,
        isUp ? linkUp(ifindex) : linkDown(ifindex),
      ),
    close: () => socket.close(),
  };
}

function vfRequest(pf: LinkName, vfIndex: number, attribute: VfAttribute): Request {
  const request = vfChange(pf.ifindex, vfIndex, attribute);
  if (request !== null) return request;
  const text = "mac" in attribute ? attribute.mac : "guid" in attribute ? attribute.guid : "";
  const target = `VF ${vfIndex} of ${pf.name}`;
  const message = `Cannot set ${attribute.name} of ${target}: "${text}" is not an address, wanted hex pairs with colons`;
  throw new SriovError("usage", message, { operation: `set ${attribute.name}`, target });
}

function dumpProblems(what: string, { errno, text, isInterrupted }: Answer): Problem[] {
  const problems: Problem[] = [];
  if (errno !== null) {
    const words = text === null ? errno : `${errno}, ${text}`;
    const message = `Cannot read all ${what}: the kernel answered ${words}`;
    problems.push({ code: "netlink-refused", where: "netlink", message });
  }
  if (isInterrupted) {
    const message = `Cannot read all ${what} at one moment: they changed during each of several reads`;
    problems.push({ code: "netlink-interrupted", where: "netlink", message });
  }
  return problems;
}

function decodeLinks(messages: readonly Message[]): LinksReading {
  const readings = messages.map(decodeLink);
  return {
    links: readings.flatMap(({ link }) => (link === null ? [] : [link])),
    problems: readings.flatMap(({ problems }) => problems),
  };
}

function readLinks(socket: NetlinkSocket): LinksReading {
  const answer = socket.exchange(linkDump());
  if (answer.errno === null) {
    const { links, problems } = decodeLinks(answer.messages);
    return { links, problems: [...problems, ...dumpProblems("links", answer)] };
  }
  // A kernel may refuse a list of VFs that is too long (EMSGSIZE): then the links without it.
  const plain = socket.exchange(linkDumpWithoutVfs());
  const { links, problems } = decodeLinks(plain.messages);
  return {
    links,
    problems: [
      ...problems,
      ...dumpProblems("links with their VFs", answer),
      ...dumpProblems("links", plain),
    ],
  };
}

function readLink(
  socket: NetlinkSocket,
  ifindex: number,
): { link: Link | null; problems: readonly Problem[] } {
  const answer = socket.exchange(linkByIndex(ifindex));
  if (answer.errno === "ENODEV") return { link: null, problems: [] };
  const { links, problems } =
    // Some kernels cannot answer for one link with many VFs, and can in a dump.
    answer.errno === null ? decodeLinks(answer.messages) : readLinks(socket);
  return { link: links.find((link) => link.ifindex === ifindex) ?? null, problems };
}

function readTraffic(socket: NetlinkSocket): TrafficReading {
  const addresses = socket.exchange(addressDump());
  const routes = socket.exchange(routeDump());
  const present = <Value>(value: Value | null): Value[] => (value === null ? [] : [value]);
  return {
    addresses: addresses.messages.flatMap((message) => present(decodeInterfaceAddress(message))),
    routes: routes.messages.flatMap((message) => present(decodeRoute(message))),
    problems: [...dumpProblems("addresses", addresses), ...dumpProblems("routes", routes)],
  };
}
