// The other end of a PF's cable as a netdev of this host: whether somebody uses it, by what `ip` says
// of it. It may be no SR-IOV function at all, so the census does not know it.

import { readdirSync } from "node:fs";
import * as z from "zod";
import type { LentNetdev } from "../path-table.ts";
import { runTool } from "./tool.ts";

const linkShape = z.array(
  z.object({
    ifname: z.string().max(64),
    mtu: z.int(),
    flags: z.array(z.string()),
    master: z.string().optional(),
    addr_info: z.array(z.object({ local: z.string().optional(), scope: z.string().optional() })),
  }),
);

async function ipJson(...args: readonly string[]): Promise<unknown> {
  const { stdout } = await runTool(["ip", "-j", ...args], { timeoutMs: 10_000 });
  try {
    return JSON.parse(stdout);
  } catch {
    return null;
  }
}

function uppersOf(name: string): string[] {
  try {
    const entries = readdirSync(`/sys/class/net/${name}`);
    return entries.filter((entry) => entry.startsWith("upper_"));
  } catch {
    return [];
  }
}

type FoundWire =
  | { readonly netdev: LentNetdev; readonly user: null }
  /** Who has it, in words; `""`: it is not there. */
  | { readonly netdev: null; readonly user: string };

export async function findWire(name: string): Promise<FoundWire> {
  const nobody: FoundWire = { netdev: null, user: "" };
  if (!/^(?![-.])[^\s/]{1,15}$/.test(name)) return nobody;
  const [link] = linkShape.safeParse(await ipJson("address", "show", "dev", name)).data ?? [];
  if (link === undefined) return nobody;
  const address = link.addr_info.find(({ scope }) => scope !== "link")?.local;
  const [upper] = uppersOf(name);
  const user =
    link.master === undefined
      ? address === undefined
        ? upper?.replace("upper_", "interface ")
        : `address ${address}`
      : `bridge or bond ${link.master}`;
  if (user !== undefined) return { netdev: null, user };
  const isUp = link.flags.includes("UP");
  return { netdev: { name: link.ifname, mtu: link.mtu, isUp }, user: null };
}
