// Links by ip(8), for machines where no netlink socket can be had. Slower by a process each, blind
// to VFs above 221, and the kernel's errno comes back as a sentence that has to be looked up.

import { spawnSync } from "node:child_process";
import { SriovError } from "../../model/errors.ts";
import type { Problem } from "../../model/problem.ts";
import type { VfAttribute } from "../../model/vf-attribute.ts";
import { refusalError } from "./errno.ts";
import { parseIpLinks } from "./ip-output.ts";
import { parseIpAddresses, parseIpRoutes } from "./ip-traffic.ts";
import type { Links, LinksReading } from "./links.ts";

const fallbackProblem: Problem = {
  code: "netlink-fallback",
  where: "host",
  message:
    "Cannot open a netlink socket: ip(8) is used instead, which loses VFs above 221 of a PF and " +
    "does not say how many there should be",
  hint: "Run it with a Node that has node:ffi, as the released executable does",
};

type IpOutcome = {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

function runIp(args: readonly string[]): IpOutcome {
  const { status, stdout, stderr, error } = spawnSync("ip", args, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: { ...process.env, LC_ALL: "C" },
  });
  if (error !== undefined) {
    const message = `Cannot run ip(8): ${error.message}, wanted netlink or iproute2`;
    throw new SriovError("not-found", message, {
      operation: "run ip",
      target: "ip",
      hint: "Install iproute2, or run it with a Node that has node:ffi",
      cause: error,
    });
  }
  return { status, stdout, stderr };
}

/** What strerror(3) says, word for word, for the errors that drivers give to VF settings. */
const errnoOfSentence: Readonly<Record<string, string>> = {
  "Operation not permitted": "EPERM",
  "No such device": "ENODEV",
  "No such device or address": "ENXIO",
  "Invalid argument": "EINVAL",
  "Operation not supported": "EOPNOTSUPP",
  "Protocol not supported": "EPROTONOSUPPORT",
  "Device or resource busy": "EBUSY",
  "Resource temporarily unavailable": "EAGAIN",
  "Numerical result out of range": "ERANGE",
  "Cannot assign requested address": "EADDRNOTAVAIL",
  "Cannot allocate memory": "ENOMEM",
  "Input/output error": "EIO",
  "File exists": "EEXIST",
  "No such file or directory": "ENOENT",
  "Unknown error 524": "ENOTSUPP",
};

const onOff = (isOn: boolean): string => (isOn ? "on" : "off");

/** Arguments after `vf N`. */
export function vfArguments(attribute: VfAttribute): readonly string[] {
  switch (attribute.name) {
    case "mac":
      return ["mac", attribute.mac];
    case "vlan": {
      const { id, qos, protocol } = attribute.vlan;
      const proto = protocol === "802.1q" ? [] : ["proto", protocol];
      return ["vlan", `${id}`, "qos", `${qos}`, ...proto];
    }
    case "rate":
      return [
        "max_tx_rate",
        `${attribute.txRateMaxMbps}`,
        "min_tx_rate",
        `${attribute.txRateMinMbps}`,
      ];
    case "spoofCheck":
      return ["spoofchk", onOff(attribute.isOn)];
    case "trust":
      return ["trust", onOff(attribute.isOn)];
    case "rssQuery":
      return ["query_rss", onOff(attribute.isOn)];
    case "linkState":
      return ["state", attribute.linkState];
    case "nodeGuid":
      return ["node_guid", attribute.guid];
    case "portGuid":
      return ["port_guid", attribute.guid];
  }
}

const setDev = ["link", "set", "dev"] as const;

function change(operation: string, target: string, args: readonly string[]): void {
  const { status, stderr } = runIp(args);
  if (status === 0) return;
  const sentence = /^RTNETLINK answers: (.*)$/m.exec(stderr)?.[1];
  const errno = sentence === undefined ? undefined : errnoOfSentence[sentence];
  if (errno !== undefined) throw refusalError({ operation, target, errno, text: null });
  const message = `Cannot ${operation} of ${target}: ip(8) says ${stderr.trim()}`;
  throw new SriovError("kernel-refused", message, { operation, target });
}

function readAll(): LinksReading {
  const { status, stdout, stderr } = runIp(["-j", "-d", "link", "show"]);
  const { links, problems } = status === 0 ? parseIpLinks(stdout) : { links: [], problems: [] };
  const said: Problem[] = [];
  // It says "Truncated VF list" and exits with 0.
  if (stderr.trim() !== "") {
    const message = `Cannot read all links: ip(8) says ${stderr.trim()}`;
    said.push({ code: "vf-list-incomplete", where: "ip", message });
  }
  return { links, problems: [fallbackProblem, ...problems, ...said] };
}

export function openIpLinks(): Links {
  return {
    readLinks: readAll,
    readLink: (ifindex) => {
      // ip goes by names, and a name may be another link's by now: look among all.
      const { links, problems } = readAll();
      return { link: links.find((link) => link.ifindex === ifindex) ?? null, problems };
    },
    readTraffic: () => {
      const { links, problems } = readAll();
      const indexes = new Map(links.map(({ name, ifindex }) => [name, ifindex]));
      const addresses = parseIpAddresses(runIp(["-j", "address", "show"]).stdout);
      const routes = (["inet", "inet6"] as const).flatMap((family) => {
        const args = ["-j", family === "inet" ? "-4" : "-6", "route", "show", "table", "all"];
        return parseIpRoutes(runIp(args).stdout, family, indexes);
      });
      return { addresses, routes, problems };
    },
    setVf: (pf, vfIndex, attribute) =>
      change(`set ${attribute.name}`, `VF ${vfIndex} of ${pf.name}`, [
        ...setDev,
        pf.name,
        "vf",
        `${vfIndex}`,
        ...vfArguments(attribute),
      ]),
    setAltName: ({ name }, altName, isPresent) => {
      const [verb, word] = isPresent ? ["add", "add"] : ["del", "remove"];
      const property = ["link", "property", verb, "dev", name, "altname", altName];
      change(`${word} alternative name ${altName}`, name, property);
    },
    setMtu: (link, mtu) =>
      change(`set MTU ${mtu}`, link.name, [...setDev, link.name, "mtu", `${mtu}`]),
    setAdminState: (link, isUp) => {
      const word = isUp ? "up" : "down";
      change(`set the admin state ${word}`, link.name, [...setDev, link.name, word]);
    },
    close: () => {},
  };
}
