// The adapters of a real host, one a kind of consumer, each imported when a VF goes there. A kind that
// is not in the table is known to specs and has nobody to plug a VF in.

import type { Host } from "../host/host.ts";
import type { AssignKind } from "../model/assign-target.ts";
import type { ConsumerAdapter, Consumers } from "./consumer.ts";
import type { RunProgram } from "./program.ts";

/** What an adapter is given; its own sockets it finds itself. */
type ConsumerDeps = { readonly host: Host; readonly run: RunProgram };

type AdapterOf = (deps: ConsumerDeps) => Promise<ConsumerAdapter>;

const netns: AdapterOf = async (deps) =>
  (await import("./netns/netns-consumer.ts")).netnsConsumer(deps);

const adapters: Partial<Record<AssignKind, AdapterOf>> = {
  netns,
  pid: netns,
  docker: netns,
  podman: netns,
  lxc: netns,
  dpdk: async (deps) => (await import("./dpdk/dpdk-consumer.ts")).dpdkConsumer(deps),
  pve: async (deps) => (await import("./pve/pve-consumer.ts")).pveConsumer(deps),
  libvirt: async (deps) => (await import("./libvirt/libvirt-consumer.ts")).libvirtConsumer(deps),
  qemu: async () => (await import("./qemu/qemu-consumer.ts")).qemuConsumer({ root: "" }),
};

export function linuxConsumers(deps: ConsumerDeps): Consumers {
  const opened = new Map<AssignKind, Promise<ConsumerAdapter>>();
  return async (kind) => {
    const open = adapters[kind];
    if (open === undefined) return null;
    const adapter = opened.get(kind) ?? open(deps);
    opened.set(kind, adapter);
    return await adapter;
  };
}
