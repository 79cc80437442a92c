// What a request would do, in words for messages, and what came of it.

import type { HostRequest, RequestOutcome } from "../host.ts";
import { assertNever } from "../../model/assert.ts";
import { vfTarget } from "../../model/bdf.ts";
import { SriovError } from "../../model/errors.ts";
import type { Operation } from "./state.ts";

type RequestWords = {
  /** Infinitive clause: `set 12 VFs on PF 0000:3b:00.0`. */
  readonly sentence: string;
  /** Short name of the kernel's knob. */
  readonly verb: string;
  readonly target: string;
};

export function describeRequest(request: HostRequest): RequestWords {
  const words = (verb: string, target: string, sentence: string): RequestWords => ({
    verb,
    target,
    sentence,
  });
  const onOff = (isOn: boolean): string => (isOn ? "on" : "off");
  switch (request.verb) {
    case "setNumVfs": {
      const { pf, numVfs } = request;
      return words("set sriov_numvfs", pf, `set ${numVfs} VFs on PF ${pf}`);
    }
    case "setDriversAutoprobe": {
      const sentence = `turn ${onOff(request.isOn)} sriov_drivers_autoprobe of PF ${request.pf}`;
      return words("set sriov_drivers_autoprobe", request.pf, sentence);
    }
    case "setDriverOverride": {
      const { address, driver } = request;
      const sentence = `set driver_override of ${address} to ${driver ?? "(none)"}`;
      return words("set driver_override", address, sentence);
    }
    case "unbind":
      return words("unbind", request.address, `unbind the driver of ${request.address}`);
    case "probe":
      return words("probe", request.address, `probe a driver for ${request.address}`);
    case "loadModule":
      return words("load module", request.module, `load module ${request.module}`);
    case "setVf": {
      const { pf, vfIndex, attribute } = request;
      const sentence = `set ${attribute.name} of VF ${vfIndex} of PF ${pf}`;
      return words(`set VF ${attribute.name}`, vfTarget(pf, vfIndex), sentence);
    }
    case "setEswitchMode": {
      const { pf, mode } = request;
      return words("set eswitch mode", pf, `set eswitch mode ${mode} on PF ${pf}`);
    }
    case "setAltName": {
      const { address, altName, isPresent } = request;
      const verb = isPresent ? "add" : "remove";
      const sentence = `${verb} the alternative name ${altName} of ${address}`;
      return words("set alternative name", address, sentence);
    }
    case "setMtu":
      return words("set MTU", request.pf, `set MTU ${request.mtu} on PF ${request.pf}`);
    case "setAdminState": {
      const sentence = `set the netdev of PF ${request.pf} ${request.isUp ? "up" : "down"}`;
      return words("set admin state", request.pf, sentence);
    }
    case "setMsixCount": {
      const { address, msixCount } = request;
      const sentence = `give ${msixCount} MSI-X vectors to VF ${address}`;
      return words("set sriov_vf_msix_count", address, sentence);
    }
    case "reset":
      return words("reset", request.address, `reset ${request.address}`);
    default:
      return assertNever(request);
  }
}

/** How a request ended; throws what the kernel refused. An operation that goes on is stuck. */
export function outcomeOf(operation: Operation | null): RequestOutcome {
  if (operation === null || operation.phase !== "done") return { status: "stuck", pid: null };
  if (operation.errno === null) return { status: "done" };
  const { sentence, target, verb } = describeRequest(operation.request);
  const message = `Cannot ${sentence}: ${operation.reason} (${operation.errno})`;
  const detail = { operation: verb, target, errno: operation.errno };
  throw new SriovError(operation.isMissing ? "not-found" : "kernel-refused", message, detail);
}
