// A VF for a network namespace or a container: its netdev moves over, under the name, with the addresses
// that were asked for, and back again. Where the netdev is now is read from both namespaces each time
// by its PCI function, so a plug that broke off anywhere is taken up where it stands, and a netdev
// that the kernel handed back because its namespace died is known by its mark.

import { isIP } from "node:net";
import { formatAssignTarget, targetForms, type AssignTarget } from "../../model/assign-target.ts";
import type { Plug } from "../../model/plug.ts";
import {
  type ConsumerAdapter,
  notPlugged,
  type Plugged,
  type PlugProblem,
  type Unplugged,
} from "../consumer.ts";
import type { RunProgram } from "../program.ts";
import type { NamespaceLink } from "./ip-links.ts";
import {
  device,
  linkOf,
  Move,
  moveIn,
  moveOut,
  notFound,
  outsideOf,
  restoreName,
  setUpInside,
} from "./move.ts";
import {
  withNamespace,
  type Namespace,
  type NamespacePlaces,
  type NoNamespace,
} from "./namespace.ts";
import { isTaken, markAmong } from "./netdev-name.ts";

function pluggedAs({ name, mac, isUp, hasLink, ipAddresses }: NamespaceLink): Plugged {
  const state = isUp ? (hasLink ? "up, with link" : "up, without link") : "down";
  const addresses = ipAddresses.length === 0 ? [] : [`addresses: ${ipAddresses.join(", ")}`];
  return { ...notPlugged, isLive: true, mac, device: name, notes: [state, ...addresses] };
}

function isIpWithPrefix(text: string): boolean {
  const [address = "", prefix = "", ...rest] = text.split("/");
  const bits = isIP(address) === 4 ? 32 : 128;
  return isIP(address) !== 0 && rest.length === 0 && /^\d{1,3}$/.test(prefix) && +prefix <= bits;
}

const noConfiguration = (kind: AssignTarget["kind"]): string =>
  kind === "lxc"
    ? "Proxmox VE configures veth interfaces alone (pct set --netN)"
    : "a namespace has no configuration for a next start";

/** What of a plug means nothing to a namespace. */
function wishProblems(plug: Plug): PlugProblem[] {
  const problems: PlugProblem[] = [];
  const report = (message: string, hint: string | null): void => {
    problems.push({
      message: `Cannot attach to ${formatAssignTarget(plug.consumer)}: ${message}`,
      hint,
    });
  };
  const { kind } = plug.consumer;
  const form = targetForms[kind].form;
  if (!targetForms[kind].pattern.test(formatAssignTarget(plug.consumer)))
    report(`wanted ${form}`, null);
  if (plug.scope === "persistent") {
    report(noConfiguration(kind), "Attach it live");
  }
  if (plug.failover !== null) report("failover is between NICs of a VM", null);
  if (plug.vfToken !== null) report("a VF token is for users of vfio", null);
  if (plug.user !== null) report("an interface has no user", null);
  for (const address of plug.ipAddresses.filter((text) => !isIpWithPrefix(text))) {
    report(`${JSON.stringify(address)} is no IP address with prefix`, "Such as 192.0.2.10/24");
  }
  return problems;
}

/** Anything in the way of the move that can be seen. */
async function moveProblems(move: Move): Promise<PlugProblem[]> {
  const { plug, words } = move;
  const cannot = `Cannot attach ${plug.vf} to ${words}`;
  const inside = await move.linksInside();
  const there = linkOf(inside, plug);
  const others = inside.filter((link) => link !== there);
  if (isTaken(others, device(plug))) {
    const message = `${cannot}: it has another interface ${device(plug)}`;
    return [{ message, hint: "Choose another name for the interface" }];
  }
  if (there !== null || linkOf(await move.linksOutside(), plug) !== null) return [];
  const message = `${cannot}: it has no netdev, neither here nor there`;
  return [{ message, hint: "Bind it to its kernel driver; sriovctl who tells where a netdev is" }];
}

async function unplugWithout(run: RunProgram, plug: Plug, gone: NoNamespace): Promise<Unplugged> {
  if (await restoreName(outsideOf(run, plug))) return { status: "done" };
  const message = `${gone.message}, but ${plug.vf} has not come back from it`;
  const hint = "A process keeps the namespace alive; sriovctl who names it";
  return { status: "pending", message, hint };
}

async function lookWithout(run: RunProgram, plug: Plug, gone: NoNamespace): Promise<Plugged> {
  const { linksOutside } = outsideOf(run, plug);
  const link = linkOf(await linksOutside(), plug);
  const isBack = link !== null && markAmong(link.altNames, plug.vf) !== null;
  const back = isBack ? [`came back to the host as ${link.name}, not clean`] : [];
  return { ...notPlugged, notes: [gone.message, ...back] };
}

const isThere = (namespace: Namespace | NoNamespace): namespace is Namespace => "fd" in namespace;

type NetnsDeps = Pick<NamespacePlaces, "run"> & Partial<NamespacePlaces>;

/** For `netns:`, `pid:`, `docker:`, `podman:` and `lxc:`. */
export function netnsConsumer(deps: NetnsDeps): ConsumerAdapter {
  const places = { named: "/run/netns", proc: "/proc", ...deps };
  const { run } = deps;
  const look = async (plug: Plug): Promise<Plugged> =>
    await withNamespace(places, plug.consumer, async (namespace) => {
      if (!isThere(namespace)) return await lookWithout(run, plug, namespace);
      const link = linkOf(await new Move(run, namespace, plug).linksInside(), plug);
      return link === null ? notPlugged : pluggedAs(link);
    });
  return {
    look,
    check: async (plug) => {
      const problems = wishProblems(plug);
      if (problems.length > 0) return problems;
      return await withNamespace(places, plug.consumer, async (namespace) =>
        isThere(namespace) ? await moveProblems(new Move(run, namespace, plug)) : [namespace],
      );
    },
    // The interface is moved, whoever uses it there.
    checkUnplug: async () => [],
    plug: async (plug) => {
      await withNamespace(places, plug.consumer, async (namespace) => {
        if (!isThere(namespace)) throw notFound("attach", plug, namespace);
        const move = new Move(run, namespace, plug);
        if (linkOf(await move.linksInside(), plug) === null) await moveIn(move);
        await setUpInside(move);
      });
      return await look(plug);
    },
    unplug: async (plug) =>
      await withNamespace(places, plug.consumer, async (namespace) => {
        if (!isThere(namespace)) return await unplugWithout(run, plug, namespace);
        const move = new Move(run, namespace, plug);
        const link = linkOf(await move.linksInside(), plug);
        if (link !== null) await moveOut(move, link);
        await restoreName(outsideOf(run, plug));
        return { status: "done" };
      }),
  };
}
