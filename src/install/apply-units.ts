// The systemd units that apply the specs: one early in the boot, before anything that uses a
// network or a VF, and a template that udev starts for a PF that comes later. A third cleans VFs
// that come back from namespaces. All end by themselves; none leaves a daemon behind. docs/boot.md
// says why each line is as it is.

import { execLine, pathList } from "./exec-line.ts";
import { withHeader } from "./own-file.ts";

export const applyUnitName = "sriovctl-apply.service";
export const applyPfUnitName = "sriovctl-apply@.service";
export const returnedUnitName = "sriovctl-returned.service";

/** Who would use a network or a VF. A unit that is not installed costs nothing here. */
const users: readonly (readonly string[])[] = [
  ["networking.service", "systemd-networkd.service", "NetworkManager.service", "wickedd.service"],
  ["ovsdb-server.service", "ovs-vswitchd.service", "openvswitch-switch.service"],
  ["libvirtd.service", "virtqemud.service", "virtnetworkd.service", "libvirt-guests.service"],
  ["pve-cluster.service", "pvedaemon.service", "pve-guests.service", "pve-ha-lrm.service"],
  ["docker.service", "containerd.service", "podman-restart.service", "kubelet.service"],
  ["incus.service", "incus-startup.service", "lxd.service", "snap.lxd.daemon.service"],
  ["lxc.service", "lxc-net.service"],
];

export type Program = {
  /** How this program is started: absolute path and leading arguments. */
  readonly command: readonly string[];
  readonly configDir: string;
  readonly stateDir: string;
};

/** The environment that makes a run of the early unit arm the udev rule. */
export const bootVariable = "SRIOVCTL_BOOT";

/** How long the early unit waits for PFs that are not there yet. */
const bootWaitSeconds = 60;
/** A card's other PF comes a moment later than the first. */
const lateWaitSeconds = 20;

/** A run may be cut short, its kernel writes may not. */
const limits = [
  "TimeoutStartSec=5min",
  "TimeoutStopSec=15s",
  "# A kernel write that hangs is left behind, and holds the lock until it ends.",
  "KillMode=process",
];

const mountsOf = ({ command, configDir, stateDir }: Program): string =>
  pathList([configDir, stateDir, ...command.filter((word) => word.startsWith("/"))]);

const unattended = ({ command }: Program, ...words: readonly string[]): string =>
  execLine([...command, ...words, "--unattended"]);

const apply = (program: Program, ...more: readonly string[]): string =>
  [unattended(program, "apply"), execLine(more)].join(" ");

export function applyUnit(program: Program): string {
  return withHeader([
    "[Unit]",
    `Description=SR-IOV as the specs in ${program.configDir.replaceAll("%", "%%")} want it`,
    "Documentation=man:sriovctl(1)",
    "# Some network setups run before sysinit.target: its usual place would be after them.",
    "DefaultDependencies=no",
    `RequiresMountsFor=${mountsOf(program)}`,
    "After=local-fs.target systemd-remount-fs.service systemd-modules-load.service",
    "After=systemd-udevd.service systemd-udev-trigger.service",
    "Wants=network-pre.target",
    "Before=network-pre.target",
    ...users.map((names) => `Before=${names.join(" ")}`),
    "Conflicts=shutdown.target",
    "Before=shutdown.target",
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    `Environment=${bootVariable}=1`,
    `ExecStart=${apply(program, "--wait", `${bootWaitSeconds}`)}`,
    ...limits,
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ]);
}

export function applyPfUnit(program: Program): string {
  return withHeader([
    "[Unit]",
    "Description=SR-IOV of PF %i as the specs want it",
    "Documentation=man:sriovctl(1)",
    `RequiresMountsFor=${mountsOf(program)}`,
    `After=${applyUnitName}`,
    "",
    "[Service]",
    "Type=oneshot",
    `ExecStart=${apply(program, "--wait", `${lateWaitSeconds}`, "--pf")} %i`,
    ...limits,
  ]);
}

/**
 * One for all VFs. It works while it stops: systemd starts a unit that is stopping once more when
 * it is wanted meanwhile, and would pass over one that is starting or running.
 */
export function returnedUnit(program: Program): string {
  return withHeader([
    "[Unit]",
    "Description=VFs back from network namespaces that ended, clean again",
    "Documentation=man:sriovctl(1)",
    `RequiresMountsFor=${mountsOf(program)}`,
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    "Type=oneshot",
    "ExecStart=/bin/true",
    "# While it stops: what comes back meanwhile starts it once more.",
    `ExecStop=${unattended(program, "lease", "reconcile")}`,
    "TimeoutStopSec=2min",
    "# A kernel write that hangs is left behind, and holds the lock until it ends.",
    "KillMode=process",
  ]);
}
