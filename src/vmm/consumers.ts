// The adapters of a real host, one a kind of consumer, each imported when a VF goes there. A kind that
// is not in the table is known to specs and has nobody to plug a VF in.

import type { Host } from "../host/host.ts";
import type { AssignKind } from "../model/assign-target.ts";
import type { ConsumerAdapter, Consumers } from "./consumer.ts";

/** What an adapter is given; its own commands and sockets it finds itself. */
type ConsumerDeps = { readonly host: Host };

type AdapterOf = (deps: ConsumerDeps) => Promise<ConsumerAdapter>;

const adapters: Partial<Record<AssignKind, AdapterOf>> = {};

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
