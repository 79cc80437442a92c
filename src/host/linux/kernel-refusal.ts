// Turns an errno into the failure that the rest of the program knows: once, here, with a sentence
// that says what was asked and, where the kernel's order of checks tells it, why it was refused.

import type { ErrorCode } from "../../model/errors.ts";
import { SriovError } from "../../model/errors.ts";
import type { HostRequest } from "../host.ts";

type Refusal = { readonly step: "open" | "write"; readonly errno: string };

type Words = {
  readonly operation: string;
  readonly target: string;
  /** "Cannot ...", up to the colon. */
  readonly action: string;
  /** The file whose absence means that the function cannot do this at all. */
  readonly file: string | null;
};

export function wordsOf(request: HostRequest): Words {
  switch (request.verb) {
    case "setNumVfs": {
      const { pf, numVfs } = request;
      const action = `Cannot set ${numVfs} VFs on PF ${pf}`;
      return { operation: "set sriov_numvfs", target: pf, action, file: "sriov_numvfs" };
    }
    case "setDriversAutoprobe": {
      const file = "sriov_drivers_autoprobe";
      const action = `Cannot turn autoprobe ${request.isOn ? "on" : "off"} for PF ${request.pf}`;
      return { operation: `set ${file}`, target: request.pf, action, file };
    }
    case "setDriverOverride": {
      const { address, driver } = request;
      const what = driver === null ? "clear the driver override" : `set driver override ${driver}`;
      const action = `Cannot ${what} of ${address}`;
      return { operation: "set driver_override", target: address, action, file: "driver_override" };
    }
    case "unbind": {
      const action = `Cannot unbind ${request.address}`;
      return { operation: "unbind driver", target: request.address, action, file: null };
    }
    case "probe": {
      const action = `Cannot probe drivers for ${request.address}`;
      return { operation: "probe drivers", target: request.address, action, file: null };
    }
    case "setMsixCount": {
      const { address, msixCount } = request;
      const file = "sriov_vf_msix_count";
      const action = `Cannot give VF ${address} ${msixCount} MSI-X vectors`;
      return { operation: `set ${file}`, target: address, action, file };
    }
    case "reset":
      return resetWords(request.address);
    case "loadModule": {
      const action = `Cannot load module ${request.module}`;
      return { operation: "load module", target: request.module, action, file: null };
    }
    case "setVf": {
      const target = `${request.pf}/vf${request.vfIndex}`;
      const action = `Cannot set ${request.attribute.name} of VF ${target}`;
      return { operation: `set ${request.attribute.name}`, target, action, file: null };
    }
    case "setEswitchMode": {
      const action = `Cannot set eswitch mode ${request.mode} on PF ${request.pf}`;
      return { operation: "set eswitch mode", target: request.pf, action, file: null };
    }
    case "setAltName": {
      const { address, altName, isPresent } = request;
      const words = isPresent
        ? `give ${address} the name ${altName}`
        : `take the name ${altName} from ${address}`;
      return {
        operation: "set alternative name",
        target: address,
        action: `Cannot ${words}`,
        file: null,
      };
    }
    case "setMtu": {
      const action = `Cannot set MTU ${request.mtu} on PF ${request.pf}`;
      return { operation: "set MTU", target: request.pf, action, file: null };
    }
    case "setAdminState": {
      const action = `Cannot set PF ${request.pf} ${request.isUp ? "up" : "down"}`;
      return { operation: "set admin state", target: request.pf, action, file: null };
    }
  }
}

const resetWords = (address: string): Words => ({
  operation: "reset",
  target: address,
  action: `Cannot reset ${address}`,
  file: "reset",
});

/** What an errno means for a verb, from the kernel's own order of checks. */
const reasons: { readonly [verb in HostRequest["verb"]]?: Readonly<Record<string, string>> } = {
  setNumVfs: {
    EINVAL: "it is no count, or the device's registers do not fit it",
    ERANGE: "it is more than sriov_totalvfs",
    ENOENT: "no driver that can enable VFs is bound",
    EBUSY: "VFs are enabled already and a count only changes through 0",
    ENOMEM: "no room in bus numbers or memory windows",
    EPERM: "the driver refuses the count",
    EIO: "the SR-IOV registers contradict each other",
  },
  unbind: { ENODEV: "no driver is bound" },
  probe: { ENODEV: "there is no such function" },
  reset: { ENOTTY: "no way of resetting it works" },
  setMsixCount: {
    EOPNOTSUPP: "the PF's driver cannot change it",
    EBUSY: "the VF has a driver",
    EINVAL: "it is no count of vectors that the device can give",
  },
};

const codeOf = ({ step, errno }: Refusal): ErrorCode => {
  if (step === "write") return "kernel-refused";
  if (errno === "EACCES" || errno === "EPERM" || errno === "EROFS") return "permission";
  return errno === "ENOENT" || errno === "ENODEV" ? "not-found" : "kernel-refused";
};

/** The failure for a request that the kernel refused. */
export function refusalOf(request: HostRequest, refusal: Refusal): SriovError {
  const { operation, target, action, file } = wordsOf(request);
  // The `driver` link that unbind goes through is missing when nothing is bound: the kernel's
  // own answer to that is ENODEV (drivers/base/bus.c unbind_store()).
  const isUnbound = request.verb === "unbind" && refusal.step === "open";
  const errno = isUnbound && refusal.errno === "ENOENT" ? "ENODEV" : refusal.errno;
  const code = isUnbound && errno === "ENODEV" ? "kernel-refused" : codeOf(refusal);
  const reason = reasons[request.verb]?.[errno];
  const isMissing = code === "not-found" && file !== null;
  const why = isMissing
    ? `there is no ${file}`
    : reason === undefined
      ? `the kernel says ${errno}`
      : `the kernel says ${errno}, ${reason}`;
  return new SriovError(code, `${action}: ${why}`, { operation, target, errno });
}
