// The consumers of an emulated machine: its guests and namespaces take VFs as libvirt, QEMU and the
// kernel do. A fault plan makes them refuse, or ignore that they were asked to let go.

import { SriovError } from "../../model/errors.ts";
import type { Plug } from "../../model/plug.ts";
import type { ConsumerAdapter, Consumers } from "../../vmm/consumer.ts";
import { applyEvent } from "./events.ts";
import { effectOf, takeFaults, type Fault } from "./faults.ts";
import type { Machine } from "./machine.ts";
import {
  isThere,
  keepersOf,
  nameOf,
  pluggedOf,
  plugIn,
  plugOut,
  problemsOf,
  unreadyWords,
} from "./plugs.ts";

/** As `MachineStore.transact`. */
type Transact = <Result>(change: (machine: Machine) => Result) => Result;

function refused(plug: Plug, why: string, hint?: string): SriovError {
  const target = nameOf(plug);
  const detail = { operation: "plug VF", target, ...(hint === undefined ? {} : { hint }) };
  return new SriovError("consumer-refused", `Cannot give ${plug.vf} to ${target}: ${why}`, detail);
}

function assertThere(machine: Machine, plug: Plug): void {
  if (isThere(machine, plug.consumer)) return;
  const target = nameOf(plug);
  const { guests, namespaces = [] } = machine.state.core;
  const names = [...guests.map(({ name }) => `guest ${name}`), ...namespaces].join(", ");
  const message = `Cannot find ${target}: the machine has ${names === "" ? "none" : names}`;
  const hint = "Name one of these";
  throw new SriovError("not-found", message, { operation: "find consumer", target, hint });
}

function faultsOf(machine: Machine, verb: "plug" | "unplug", plug: Plug): Fault[] {
  const key = { verb, target: plug.vf, vfIndex: null, attribute: null };
  const faults = takeFaults(machine.state, key);
  const event = effectOf(faults, "event")?.event;
  if (event !== undefined) applyEvent(machine, event);
  return faults;
}

function refuseByFault(plug: Plug, faults: readonly Fault[]): void {
  const refusal = effectOf(faults, "refuse");
  if (refusal !== null) throw refused(plug, `${refusal.errno} by the fault plan`);
}

/** A refusal is kept too: the fault plan has counted it. */
function refusing(transact: Transact): Transact {
  return (change) => {
    const done = transact((machine) => {
      try {
        return { result: change(machine) };
      } catch (error) {
        if (!(error instanceof SriovError)) throw error;
        return { error };
      }
    });
    if ("error" in done) throw done.error;
    return done.result;
  };
}

function adapterOf(transact: Transact): ConsumerAdapter {
  return {
    look: async (plug) =>
      transact((machine) => {
        assertThere(machine, plug);
        return pluggedOf(machine, plug);
      }),
    check: async (plug) =>
      transact((machine) => {
        assertThere(machine, plug);
        return problemsOf(machine, plug);
      }),
    checkUnplug: async (plug) =>
      transact((machine) => {
        assertThere(machine, plug);
        return keepersOf(machine, plug);
      }),
    plug: async (plug) =>
      transact((machine) => {
        assertThere(machine, plug);
        refuseByFault(plug, faultsOf(machine, "plug", plug));
        const [problem] = problemsOf(machine, plug);
        if (problem !== undefined) throw refused(plug, problem.message, problem.hint ?? undefined);
        const unready = unreadyWords(machine, plug);
        if (unready !== null) throw refused(plug, unready);
        plugIn(machine, plug);
        return pluggedOf(machine, plug);
      }),
    unplug: async (plug) =>
      transact((machine) => {
        assertThere(machine, plug);
        const faults = faultsOf(machine, "unplug", plug);
        refuseByFault(plug, faults);
        if (effectOf(faults, "hang") === null) {
          plugOut(machine, plug);
          return { status: "done" };
        }
        const message = `Cannot take ${plug.vf} from ${nameOf(plug)}: the guest has not let go of it`;
        return { status: "pending", message, hint: "Try again, or shut the guest down" };
      }),
  };
}

/** One for every kind: the machine knows its own. */
export function emulatedConsumers(transact: Transact): Consumers {
  const adapter = adapterOf(refusing(transact));
  return async () => adapter;
}
