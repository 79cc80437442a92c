// Runs inside the lab: takes steps as JSON on standard input, does them with our netlink one after
// another and prints what came of each as JSON. One process for many steps, because starting one
// in the lab takes longer than all of them.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { readEswitchModes, setEswitchMode } from "../../src/host/linux/devlink-modes.ts";
import { openIpLinks } from "../../src/host/linux/ip-links.ts";
import type { Links } from "../../src/host/linux/links.ts";
import { openNetlinkLinks } from "../../src/host/linux/netlink-links.ts";
import { UeventSocket } from "../../src/host/linux/netlink-socket.ts";
import { SriovError } from "../../src/model/errors.ts";
import type { EswitchMode } from "../../src/model/inventory.ts";
import type { VfAttribute, VfPolicy } from "../../src/model/vf-attribute.ts";
import type { Link } from "../../src/netlink/link-attributes.ts";

export type ProbeStep =
  | { readonly verb: "shell"; readonly script: string }
  | { readonly verb: "read"; readonly name: string }
  | {
      readonly verb: "set";
      readonly name: string;
      readonly wanted: readonly (readonly [vfIndex: number, attribute: VfAttribute])[];
    }
  /** Sets the mode when there is one, then reads it and that of netdevsim10. */
  | {
      readonly verb: "eswitch";
      readonly bus: string;
      readonly name: string;
      readonly mode: EswitchMode;
    }
  /** Listens, writes the text, and says what came of the PCI bus. */
  | { readonly verb: "uevents"; readonly file: string; readonly text: string };

type ProbedList = {
  readonly numVf: number | null;
  readonly parentName: string | null;
  readonly policies: readonly (readonly [vfIndex: number, policy: VfPolicy])[];
};

/** The same link from a dump, asked for alone, and from ip(8). */
export type ProbedLink = {
  readonly dumped: ProbedList;
  readonly single: ProbedList;
  readonly byIp: ProbedList;
  readonly problems: readonly string[];
};

/** `ok`, or errno and the kernel's message. */
type ProbedAnswer = string;

function netlink(): Links {
  const links = openNetlinkLinks();
  if (links === null) throw new Error("node:ffi does not work here");
  return links;
}

function listOf(link: Link | null | undefined): ProbedList {
  const vfs = link?.virtualFunctions ?? [];
  return {
    numVf: link?.numVf ?? null,
    parentName: link?.parentName ?? null,
    policies: vfs.map(({ vfIndex, policy }) => [vfIndex, policy]),
  };
}

function find(links: readonly Link[], name: string): Link {
  const link = links.find((each) => each.name === name);
  if (link === undefined) throw new Error(`no link ${name}`);
  return link;
}

function read(name: string): ProbedLink {
  const links = netlink();
  const all = links.readLinks();
  const dumped = find(all.links, name);
  const { link: single, problems } = links.readLink(dumped.ifindex);
  const byIp = openIpLinks()
    .readLinks()
    .links.find((link) => link.name === name);
  return {
    dumped: listOf(dumped),
    single: listOf(single),
    byIp: listOf(byIp),
    problems: [...all.problems, ...problems].map(({ message }) => message),
  };
}

function answerOf(act: () => void): ProbedAnswer {
  try {
    act();
    return "ok";
  } catch (error) {
    if (error instanceof SriovError) return error.errno ?? error.message;
    throw error;
  }
}

function set(
  name: string,
  wanted: readonly (readonly [vfIndex: number, attribute: VfAttribute])[],
): ProbedAnswer[] {
  const links = netlink();
  const pf = find(links.readLinks().links, name);
  return wanted.map(([vfIndex, attribute]) => answerOf(() => links.setVf(pf, vfIndex, attribute)));
}

function eswitch(bus: string, name: string, mode: EswitchMode): object {
  const answer = answerOf(() => setEswitchMode({ bus, name }, mode));
  const { modes, problems } = readEswitchModes(bus, [name, "netdevsim10"]);
  return { answer, modes: Object.fromEntries(modes), problems };
}

/** Events of the PCI bus from the write on, until none has come for a second. */
async function uevents(file: string, text: string): Promise<string[]> {
  const socket = UeventSocket.open();
  if (socket === null) throw new Error("node:ffi does not work here");
  writeFileSync(file, text);
  const seen: string[] = [];
  for (;;) {
    const batch = await socket.awaitUevents(1000);
    if (batch.length === 0) break;
    for (const { action, subsystem, properties } of batch) {
      if (subsystem === "pci") seen.push(`${action} ${properties.get("PCI_SLOT_NAME")}`);
    }
  }
  socket.close();
  return seen;
}

async function take(step: ProbeStep): Promise<unknown> {
  switch (step.verb) {
    case "shell":
      return execFileSync("bash", ["-ec", step.script], { encoding: "utf8" });
    case "read":
      return read(step.name);
    case "set":
      return set(step.name, step.wanted);
    case "eswitch":
      return eswitch(step.bus, step.name, step.mode);
    case "uevents":
      return uevents(step.file, step.text);
  }
}

const steps: readonly ProbeStep[] = JSON.parse(readFileSync(0, "utf8"));
const results: unknown[] = [];
for (const step of steps) results.push(await take(step));
console.log(JSON.stringify(results));
