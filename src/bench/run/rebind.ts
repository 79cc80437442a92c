// A function goes to vfio-pci for a guest and back to its driver, by the host's own requests; its netdev
// is another one then, and gets the name, MTU, MAC and state of the one that went.

import { readdirSync } from "node:fs";
import type { HostRequest, RequestOutcome } from "../../host/host.ts";
import type { UndoStep } from "../undo-step.ts";
import { runTool } from "./tool.ts";

/** One effect of the kernel; throws SriovError. */
export type Perform = (request: HostRequest) => Promise<RequestOutcome>;

type Rebind = UndoStep & { readonly kind: "rebind" };

const wordsOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** Words of what was refused; null: all of it was done. */
async function performAll(
  perform: Perform,
  requests: readonly HostRequest[],
): Promise<string | null> {
  for (const request of requests) {
    try {
      const { status } = await perform(request);
      if (status === "stuck") return `${request.verb}: the kernel has not finished it`;
    } catch (error) {
      // Nothing is bound any more: what was wanted.
      const isUnbound = request.verb === "unbind" && /ENODEV/.test(errnoOf(error));
      if (!isUnbound) return wordsOf(error);
    }
  }
  return null;
}

const errnoOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "errno" in error ? String(error.errno) : "";

export const bindToVfio = (perform: Perform, address: string): Promise<string | null> =>
  performAll(perform, [
    { verb: "loadModule", module: "vfio-pci" },
    { verb: "setDriverOverride", address, driver: "vfio-pci" },
    { verb: "unbind", address },
    { verb: "probe", address },
  ]);

function netdevOf(address: string): string | null {
  try {
    return readdirSync(`/sys/bus/pci/devices/${address}/net`)[0] ?? null;
  } catch {
    return null;
  }
}

async function awaitNetdev(address: string, timeoutMs: number): Promise<string | null> {
  for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += 100) {
    const name = netdevOf(address);
    if (name !== null) return name;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return null;
}

async function restoreNetdev(
  address: string,
  { name, mtu, isUp, mac }: NonNullable<Rebind["netdev"]>,
): Promise<string | null> {
  // Whoever names netdevs by its own rules (udev) has 200 ms for it.
  const arrived = await awaitNetdev(address, 20_000);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const found = netdevOf(address) ?? arrived;
  if (found === null) return `the netdev of ${address} has not come back`;
  const set = (device: string, ...words: readonly string[]): string[] => [
    "ip",
    "link",
    "set",
    "dev",
    device,
    ...words,
  ];
  const rows: readonly (readonly string[])[] = [
    set(found, "down"),
    ...(found === name ? [] : [set(found, "name", name)]),
    set(name, "mtu", String(mtu)),
    ...(mac === null ? [] : [set(name, "address", mac)]),
    ...(isUp ? [set(name, "up")] : []),
  ];
  for (const argv of rows) {
    const { exitCode, stderr } = await runTool(argv, { timeoutMs: 30_000 });
    if (exitCode !== 0) return `${argv.join(" ")}: ${stderr.trim()}`;
  }
  return null;
}

export async function bindBack(perform: Perform, step: Rebind): Promise<string | null> {
  const { address, driver, override, netdev } = step;
  const refused = await performAll(perform, [
    { verb: "unbind", address },
    { verb: "setDriverOverride", address, driver: override },
    ...(driver === null ? [] : [{ verb: "probe", address } as const]),
  ]);
  if (refused !== null || netdev === null) return refused;
  return restoreNetdev(address, netdev);
}
