// A VF's netdev on its way between the host's network namespace and a consumer's: in with a new name,
// its MAC and addresses, out under the name that it had. Each step is one command of ip(8), and each
// looks first, so whatever broke off is taken up where it stands.

import { closeSync, openSync } from "node:fs";
import { formatAssignTarget } from "../../model/assign-target.ts";
import { SriovError } from "../../model/errors.ts";
import type { Plug } from "../../model/plug.ts";
import type { PlugProblem } from "../consumer.ts";
import { said, type RunProgram } from "../program.ts";
import { parseNamespaceLinks, type NamespaceLink } from "./ip-links.ts";
import type { Namespace } from "./namespace.ts";
import { freeName, isTaken, markAmong, markOf } from "./netdev-name.ts";

const limits = { deadlineMs: 10_000, bytesMax: 1 << 24 };
const listing = ["ip", "-details", "-json", "address", "show"];
/** Descriptors as the programs that we start have them. */
const [insideFile, ownFile] = ["/proc/self/fd/3", "/proc/self/fd/4"];

export const linkOf = (links: readonly NamespaceLink[], { vf }: Plug): NamespaceLink | null =>
  links.find(({ parent, altNames }) => parent === vf || markAmong(altNames, vf) !== null) ?? null;

const sameAddress = (left: string, right: string): boolean =>
  left.toLowerCase() === right.toLowerCase();

export const notFound = (
  operation: string,
  plug: Plug,
  { message, hint }: PlugProblem,
): SriovError =>
  new SriovError("not-found", message, {
    operation,
    target: formatAssignTarget(plug.consumer),
    ...(hint === null ? {} : { hint }),
  });

/** Both sides of a move, and the way to change each. */
export class Move {
  readonly plug: Plug;
  readonly #run: RunProgram;
  readonly #namespace: Namespace;

  constructor(run: RunProgram, namespace: Namespace, plug: Plug) {
    this.#run = run;
    this.#namespace = namespace;
    this.plug = plug;
  }

  async #say(operation: string, words: readonly string[], descriptors: readonly number[]) {
    const output = await this.#run(words, { ...limits, inherited: descriptors });
    return said(output, "ip", { operation, target: this.plug.vf });
  }

  /** In the host's namespace; descriptor 3 is the consumer's. */
  async outside(operation: string, ...words: readonly string[]): Promise<string> {
    return await this.#say(operation, words, [this.#namespace.fd]);
  }

  /** In the consumer's namespace; descriptor 4 is the host's. */
  async inside(operation: string, ...words: readonly string[]): Promise<string> {
    const own = openSync("/proc/self/ns/net", "r");
    try {
      const enter = ["nsenter", `--net=${insideFile}`, ...words];
      return await this.#say(operation, enter, [this.#namespace.fd, own]);
    } finally {
      closeSync(own);
    }
  }

  async linksOutside(): Promise<readonly NamespaceLink[]> {
    return parseNamespaceLinks(await this.outside("look for", ...listing));
  }

  async linksInside(): Promise<readonly NamespaceLink[]> {
    const operation = `look into ${this.#namespace.words} for`;
    return parseNamespaceLinks(await this.inside(operation, ...listing));
  }

  get words(): string {
    return this.#namespace.words;
  }
}

export const device = ({ consumer }: Plug): string => consumer.device ?? "";

/** The driver keeps the MAC that it has loaded with; most let it be set to what the PF says. */
async function setMac(move: Move, link: NamespaceLink): Promise<void> {
  const { mac, vf } = move.plug;
  if (mac === null || (link.mac !== null && sameAddress(link.mac, mac))) return;
  try {
    await move.outside(`set MAC ${mac} of`, "ip", "link", "set", "dev", link.name, "address", mac);
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    const hint = `Bind ${vf} to its driver anew: it takes the MAC of the PF then`;
    const detail = { operation: "set MAC", target: vf, hint, cause: error };
    throw new SriovError("consumer-refused", error.message, detail);
  }
}

export async function moveIn(move: Move): Promise<void> {
  const { plug } = move;
  const link = linkOf(await move.linksOutside(), plug);
  if (link === null) {
    const message = `Cannot attach ${plug.vf} to ${move.words}: it has no netdev here`;
    throw notFound("attach", plug, { message, hint: "Bind it to its kernel driver" });
  }
  await setMac(move, link);
  // Before the move: a crash after it must find the way back.
  if (markAmong(link.altNames, plug.vf) === null) {
    const mark = markOf(plug.vf, link.name);
    const add = ["ip", "link", "property", "add", "dev", link.name, "altname", mark];
    await move.outside("mark", ...add);
  }
  // One message: a name that is taken there does not matter, as it comes under its new one
  // (net/core/dev.c __dev_change_net_namespace()).
  const set = ["ip", "link", "set", "dev", link.name, "netns", insideFile, "name", device(plug)];
  await move.outside(`move into ${move.words}`, ...set);
}

/** Name, addresses and state inside. */
export async function setUpInside(move: Move): Promise<void> {
  const { plug } = move;
  const link = linkOf(await move.linksInside(), plug);
  if (link === null) {
    const message = `Cannot attach ${plug.vf} to ${move.words}: its netdev has not arrived there`;
    throw notFound("attach", plug, { message, hint: null });
  }
  const name = device(plug);
  if (link.name !== name) {
    const rename = ["ip", "link", "set", "dev", link.name];
    // Before Linux 6.2 a netdev that is up keeps its name.
    await move.inside("set down", ...rename, "down");
    await move.inside(`name ${name}`, ...rename, "name", name);
  }
  for (const address of plug.ipAddresses) {
    if (link.ipAddresses.some((present) => sameAddress(present, address))) continue;
    const replace = ["ip", "address", "replace", address, "dev", name];
    await move.inside(`give address ${address} to`, ...replace);
  }
  if (!link.isUp || link.name !== name) {
    await move.inside("set up", "ip", "link", "set", "dev", name, "up");
  }
}

export async function moveOut(move: Move, link: NamespaceLink): Promise<void> {
  const outside = await move.linksOutside();
  const mark = markAmong(link.altNames, move.plug.vf);
  const wanted = mark === null ? [link.name] : [mark.formerName, link.name];
  const name = freeName(outside, wanted, link.ifindex);
  const set = ["ip", "link", "set", "dev", link.name, "netns", ownFile, "name", name];
  await move.inside(`move out of ${move.words}`, ...set);
}

type Outside = Pick<Move, "outside" | "linksOutside" | "plug">;

/** The netdev here under its former name, without our mark. False: it is not here. */
export async function restoreName({ plug, outside, linksOutside }: Outside): Promise<boolean> {
  const links = await linksOutside();
  const link = linkOf(links, plug);
  if (link === null) return false;
  const mark = markAmong(link.altNames, plug.vf);
  if (mark === null) return true;
  let { name } = link;
  if (name !== mark.formerName && !isTaken(links, mark.formerName)) {
    const rename = ["ip", "link", "set", "dev", name];
    await outside("set down", ...rename, "down");
    await outside(`name ${mark.formerName}`, ...rename, "name", mark.formerName);
    name = mark.formerName;
  }
  const remove = ["ip", "link", "property", "del", "dev", name, "altname", mark.altName];
  await outside("unmark", ...remove);
  return true;
}

/** For where there is no consumer's namespace any more. */
export const outsideOf = (run: RunProgram, plug: Plug): Outside => {
  const outside = async (operation: string, ...words: readonly string[]): Promise<string> =>
    said(await run(words, limits), "ip", { operation, target: plug.vf });
  return {
    plug,
    outside,
    linksOutside: async () => parseNamespaceLinks(await outside("look for", ...listing)),
  };
};
