// What a network PF's driver says of itself: ethtool, devlink, the bridge's filter list, and what
// firmware will give after the next boot where Mellanox's tool can tell. A PF that somebody is
// changing is not asked: these programs would wait for the same locks.

import type { NicFacts } from "../../../model/host-facts.ts";
import type { Inventory, Pf } from "../../../model/inventory.ts";
import type { CommandOutput } from "../command.ts";
import type { FactSources } from "./fact-reader.ts";
import { textOf } from "./fact-reader.ts";
import { readFirmwareVfs } from "./firmware-vfs.ts";
import { isTree, parseJson, treeIn } from "./json-tree.ts";

/** Name of the PF's own netdev: representors of its VFs hang below it too. */
function ownNetdevOf({ netdevs }: Pf): string | null {
  const own = netdevs.find(({ portName }) => !/^(?:c\d+)?pf\d+/.test(portName ?? ""));
  return own?.name ?? null;
}

const lineValue = (text: string | null, key: string): string | null => {
  const value = new RegExp(`^${key}:[ \\t]*(.*)$`, "m").exec(text ?? "")?.[1]?.trim() ?? "";
  return value === "" || value === "N/A" ? null : value;
};

/** `flag-name : on`, after a heading; `[fixed]` may follow. */
export function parsePrivateFlags(text: string): Record<string, boolean> {
  const flags: Record<string, boolean> = {};
  for (const [, name = "", value] of text.matchAll(/^(\S[^:\n]*?)\s*:\s*(on|off)\b/gm)) {
    flags[name] = value === "on";
  }
  return flags;
}

function parsePause(text: string | null): NicFacts["pause"] {
  const [rx, tx] = [lineValue(text, "RX"), lineValue(text, "TX")];
  return rx === null || tx === null ? null : { rx: rx === "on", tx: tx === "on" };
}

const isMac = (value: unknown): value is string =>
  typeof value === "string" && /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(value);

export function parseSelfFdb(text: string): string[] | null {
  const rows = parseJson(text);
  if (!Array.isArray(rows)) return null;
  return rows.flatMap((row: { mac?: unknown; flags?: unknown } | null) => {
    const isSelf = Array.isArray(row?.flags) && row.flags.includes("self");
    return isSelf && isMac(row?.mac) ? [row.mac] : [];
  });
}

type LinkRow = { master?: unknown; hwmode?: unknown } | null;

/** `bridge -j link show dev PF`: one row as a port of a bridge, one of the driver itself. */
export function parseBridgeLink(text: string): {
  master: string | null;
  mode: NicFacts["switchMode"];
} {
  const json = parseJson(text);
  const rows: LinkRow[] = Array.isArray(json) ? json : [];
  const texts = (key: "master" | "hwmode"): string[] =>
    rows.map((row) => row?.[key]).filter((value) => typeof value === "string");
  const mode = texts("hwmode")[0]?.toLowerCase();
  return {
    master: texts("master").find((name) => !name.startsWith("-")) ?? null,
    mode: mode === "veb" || mode === "vepa" ? mode : null,
  };
}

/** `bridge -j fdb show br BRIDGE`: what was learnt or entered behind ports other than the PF. */
export function parseBridgeGuests(text: string, pfNetdev: string): { mac: string; port: string }[] {
  const json = parseJson(text);
  const rows: Readonly<Record<string, unknown>>[] = Array.isArray(json) ? json.filter(isTree) : [];
  const guests = new Map<string, string>();
  for (const { mac, ifname, master, state } of rows) {
    // A port's own address is permanent, and so are group addresses.
    if (typeof master !== "string" || state === "permanent" || ifname === pfNetdev) continue;
    if (isMac(mac) && typeof ifname === "string") guests.set(mac.toLowerCase(), ifname);
  }
  return [...guests].map(([mac, port]) => ({ mac, port }));
}

/** Running firmware of `devlink -j dev info`, under the names that drivers use. */
export function parseDevlinkFirmware(text: string, handle: string): string | null {
  const info = treeIn(treeIn(parseJson(text), "info"), handle);
  const running = treeIn(treeIn(info, "versions"), "running");
  const found = ["fw", "fw.version", "fw.mgmt"].map((name) => running[name]);
  return found.find((value) => typeof value === "string") ?? null;
}

async function readBridge(sources: FactSources, netdev: string) {
  const link = await textOf(sources, ["bridge", "-j", "link", "show", "dev", netdev]);
  if (link === null) return {};
  const { master, mode = null } = parseBridgeLink(link);
  if (master === null) return { switchMode: mode, bridge: null };
  const fdb = await textOf(sources, ["bridge", "-j", "fdb", "show", "br", master]);
  const guests = fdb === null ? null : parseBridgeGuests(fdb, netdev);
  return { switchMode: mode, bridge: { name: master, guests } };
}

async function readNic(sources: FactSources, pf: Pf, netdev: string): Promise<NicFacts> {
  const ask = (...words: string[]): Promise<string | null> => textOf(sources, words);
  const handle = `pci/${pf.address}`;
  const [driver, flags, pause, fdb, bridge, info] = await Promise.all([
    ask("ethtool", "-i", netdev),
    ask("ethtool", "--show-priv-flags", netdev),
    ask("ethtool", "-a", netdev),
    ask("bridge", "-j", "fdb", "show", "dev", netdev),
    readBridge(sources, netdev),
    ask("devlink", "-j", "dev", "info", handle),
  ]);
  const firmwareVfs = await readFirmwareVfs(sources, pf, info !== null);
  const devlinkFirmware = info === null ? null : parseDevlinkFirmware(info, handle);
  return {
    pf: pf.address,
    netdev,
    driverVersion: lineValue(driver, "version"),
    firmwareVersion: lineValue(driver, "firmware-version") ?? devlinkFirmware,
    privateFlags: flags === null ? null : parsePrivateFlags(flags),
    pause: parsePause(pause),
    selfFdb: fdb === null ? null : parseSelfFdb(fdb),
    ...bridge,
    firmwareVfs,
  };
}

const isNetwork = ({ classCode }: Pf): boolean => classCode >> 16 === 0x02;

/** So many programs without an answer mean a lock that somebody holds, for the others too. */
const unansweredMax = 4;

export async function readNics(
  sources: FactSources,
  { physicalFunctions }: Inventory,
): Promise<NicFacts[]> {
  const { run, report } = sources;
  const nics: NicFacts[] = [];
  let numUnanswered = 0;
  const counted = (output: CommandOutput): CommandOutput => {
    if (output.end.status === "cut") numUnanswered++;
    return output;
  };
  const counting =
    run === null ? null : async (words: readonly string[]) => counted(await run(words));
  for (const pf of physicalFunctions.filter(isNetwork)) {
    const netdev = ownNetdevOf(pf);
    if (netdev === null) continue;
    const why =
      run === null
        ? "no program can be asked about a captured tree"
        : pf.isChanging
          ? "somebody is changing the PF"
          : netdev.startsWith("-")
            ? "its name looks like an option"
            : numUnanswered >= unansweredMax
              ? "programs about other netdevs did not answer"
              : null;
    if (why !== null) report(`driver of ${netdev}`, why);
    // One after another: six programs at a time are enough for a busy host.
    else nics.push(await readNic({ ...sources, run: counting }, pf, netdev));
  }
  return nics;
}
