// What goes through a PF's netdev or devlink: VF attributes, MTU, admin state, eswitch mode. Link
// requests share the kernel's RTNL lock, so they never overlap.

import type { HostRequest } from "../../host.ts";
import type { VfAttribute, VfPolicy } from "../../../model/vf-attribute.ts";
import { pfDriverOf } from "../drivers.ts";
import type { Machine } from "../machine.ts";
import { findPf, touchVf } from "../machine.ts";
import { hasLink, isLinkRegisterUp } from "../netdevs.ts";
import type { StepResult, Verb } from "../step.ts";
import { again, done, missing, refused } from "../step.ts";
import { openNetdev } from "../vf-life.ts";
import type { PfState, VfState } from "../state.ts";

type Request<Name extends HostRequest["verb"]> = Extract<HostRequest, { verb: Name }>;

const noNetdev = missing("ENODEV", "the PF has no netdev");

export const setVf: Verb<Request<"setVf">> = {
  check: () => null,
  locks: () => ["rtnl"],
  step(machine, { pf: address, vfIndex, attribute }, operation) {
    const pf = findPf(machine, address);
    if (pf === null || pf.netdev === null) return noNetdev;
    if (operation.phase === "starting") {
      operation.phase = "finishing";
      const costMs = pfDriverOf(pf.driver)?.attributeMs ?? 0;
      if (costMs > 0) return again(costMs);
    }
    const refusal = attributeRefusal(machine, { pf, vfIndex, attribute });
    if (refusal !== null) return refusal;
    const vf = pf.vfs[vfIndex];
    if (!vf) return refused("EINVAL", `there is no VF ${vfIndex}`);
    take(pf, vf, attribute);
    touchVf(machine, pf, vfIndex);
    return done;
  },
};

type Setting = {
  readonly pf: PfState;
  readonly vfIndex: number;
  readonly attribute: VfAttribute;
};

/** net/core/rtnetlink.c do_setvfinfo(), then the driver's own look. */
function attributeRefusal(machine: Machine, setting: Setting): StepResult | null {
  const { pf, vfIndex, attribute } = setting;
  const driver = pfDriverOf(pf.driver);
  if (driver === null) return refused("EOPNOTSUPP", "the driver has no VF operations");
  const context = {
    card: pf.card,
    hasLink: hasLink(machine, pf),
    isLinkRegisterUp: isLinkRegisterUp(machine, pf),
    numVfs: pf.numVfsRegister,
    guaranteedElsewhereMbps: pf.vfs.reduce(
      (sum, vf, index) => sum + (index === vfIndex ? 0 : (vf?.policy?.txRateMinMbps ?? 0)),
      0,
    ),
    isSwitchdev: pf.eswitchMode === "switchdev",
  };
  const errno = driver.refuses(attribute, context);
  // Without the operation in the driver nothing else is looked at.
  if (errno === "EOPNOTSUPP")
    return refused(errno, `driver ${pf.driver ?? ""} has no such operation`);
  if (attribute.name === "rate") {
    const { txRateMinMbps, txRateMaxMbps } = attribute;
    if (txRateMaxMbps !== 0 && txRateMaxMbps < txRateMinMbps) {
      return refused("EINVAL", "the maximum is below the minimum");
    }
  }
  if (vfIndex >= pf.numVfsRegister) return refused("EINVAL", `there is no VF ${vfIndex}`);
  return errno === null
    ? null
    : refused(errno, `driver ${pf.driver ?? ""} does not take the value`);
}

/** The driver stores the value, and resets the VF where the attribute asks for that. */
function take(pf: PfState, vf: VfState, attribute: VfAttribute): void {
  const driver = pfDriverOf(pf.driver);
  if (driver === null || driver.ignores(attribute)) return;
  const valueOf = (policy: Partial<VfPolicy>): string => {
    const { name } = attribute;
    return JSON.stringify(name === "rate" ? null : { ...driver.fresh, ...policy }[name]);
  };
  const before = valueOf(vf.policy ?? {});
  store(vf, attribute);
  const isChange = valueOf(vf.policy ?? {}) !== before;
  const resetsNow = isChange && driver.resetsVfOn.includes(attribute.name);
  if (resetsNow || driver.alwaysResetsVfOn.includes(attribute.name)) {
    vf.resets = (vf.resets ?? 0) + 1;
  }
}

function store(vf: VfState, attribute: VfAttribute): void {
  const policy = { ...vf.policy };
  switch (attribute.name) {
    case "mac":
      policy.mac = attribute.mac.toLowerCase();
      break;
    case "vlan":
      policy.vlan = attribute.vlan;
      break;
    case "rate":
      policy.txRateMinMbps = attribute.txRateMinMbps;
      policy.txRateMaxMbps = attribute.txRateMaxMbps;
      break;
    case "spoofCheck":
    case "trust":
    case "rssQuery":
      policy[attribute.name] = attribute.isOn;
      break;
    case "linkState":
      policy.linkState = attribute.linkState;
      break;
    case "nodeGuid":
    case "portGuid":
      policy[attribute.name] = attribute.guid;
      break;
  }
  vf.policy = policy;
}

const leastMtu = 68;
const mostMtu = 9216;

export const setMtu: Verb<Request<"setMtu">> = {
  check: () => null,
  locks: () => ["rtnl"],
  step(machine, { pf: address, mtu }) {
    const netdev = findPf(machine, address)?.netdev;
    if (!netdev) return noNetdev;
    if (mtu < leastMtu || mtu > mostMtu) {
      return refused("EINVAL", `wanted ${leastMtu} to ${mostMtu}`);
    }
    netdev.mtu = mtu;
    return done;
  },
};

export const setAdminState: Verb<Request<"setAdminState">> = {
  check: () => null,
  locks: () => ["rtnl"],
  step(machine, { pf: address, isUp }, operation) {
    const pf = findPf(machine, address);
    const netdev = pf?.netdev;
    if (!netdev) return noNetdev;
    if (netdev.isUp === isUp) return done;
    if (operation.phase === "starting") {
      operation.phase = "finishing";
      return again(openMs);
    }
    netdev.isUp = isUp;
    if (pf !== null) openNetdev(machine, pf);
    return done;
  },
};

const openMs = 100;
const eswitchMs = 1000;

/** `devlink dev eswitch set`. */
export const setEswitchMode: Verb<Request<"setEswitchMode">> = {
  check: () => null,
  locks: (_, { pf }) => [pf],
  step(machine, { pf: address, mode }, operation) {
    const pf = findPf(machine, address);
    const driver = pfDriverOf(pf?.driver ?? null);
    if (pf === null || driver === null || driver.eswitch === "none") {
      return refused("ENODEV", "devlink does not know the PF");
    }
    if (pf.eswitchMode === mode) return done;
    if (driver.eswitch === "needs-zero-vfs" && pf.numVfsRegister > 0) {
      return refused("EOPNOTSUPP", `${pf.numVfsRegister} VFs are enabled`);
    }
    if (operation.phase === "starting") {
      operation.phase = "finishing";
      return again(eswitchMs);
    }
    pf.eswitchMode = mode;
    return done;
  },
};
