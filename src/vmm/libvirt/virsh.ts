// virsh, asked with words and never through a shell, and what its errors mean: each known text becomes a
// sentence with what to do about it, and an unknown one is shown as it is. Texts: libvirt 9.0 and 11.3,
// src/qemu/qemu_hotplug.c, src/hypervisor/virhostdev.c, and QEMU's own that libvirt passes on.

import { SriovError } from "../../model/errors.ts";
import type { ProgramOutput, RunProgram } from "../program.ts";

const defaultUri = "qemu:///system";

/** A domain with hundreds of devices is a few hundred KiB. */
const bytesMax = 8 * 1024 * 1024;
/** virsh queries wait for a daemon that may be starting, and taking up its domains: on a busy machine that
 * took more than 30 s. */
export const queryDeadlineMs = 60_000;

export type Virsh = {
  readonly uri: string;
  (words: readonly string[], deadlineMs: number, signal?: AbortSignal): Promise<ProgramOutput>;
};

export function virshAt(run: RunProgram, endpoint: string | null): Virsh {
  const uri = endpoint ?? defaultUri;
  const ask = (words: readonly string[], deadlineMs: number, signal?: AbortSignal) =>
    run(["virsh", "--quiet", "--connect", uri, ...words], {
      deadlineMs,
      bytesMax,
      ...(signal === undefined ? {} : { signal }),
    });
  return Object.assign(ask, { uri });
}

/** What virsh says went wrong; null: nothing did. */
export function virshWords({ end, stderr, stdout }: ProgramOutput): string | null {
  if (end.status !== "exited") return end.why;
  if (end.exitCode === 0) return null;
  const said = stderr.toString("utf8").trim() || stdout.toString("utf8").trim();
  const lines = said.split("\n").map((line) => line.replace(/^error: /, "").trim());
  // The first line repeats the command; what comes after it is why.
  const why = lines.filter((line) => line !== "").slice(lines.length > 1 ? 1 : 0);
  return why.join("; ").slice(0, 500) || `exit code ${end.exitCode}`;
}

type Meaning = {
  readonly pattern: RegExp;
  readonly code: "not-found" | "consumer-refused";
  /** `$1` and so on are the pattern's groups. */
  readonly says: string;
  readonly hint: string;
};

const refused = (pattern: RegExp, says: string, hint: string): Meaning => ({
  pattern,
  code: "consumer-refused",
  says,
  hint,
});

const bindHint = "Bind it to vfio-pci first: driver: vfio-pci in the spec";
const portHint =
  "Shut the domain down and add <controller type='pci' model='pcie-root-port'/> with virsh edit";

const inUse = /PCI device (\S+) is in use by driver \S+, domain (.+?)(?:;|$)/;

/** The domain that has the VF, in what virsh says; null: it says something else. */
export const holderIn = (words: string): string | null => inUse.exec(words)?.[2] ?? null;

/** Most telling first. */
const meanings: readonly Meaning[] = [
  {
    pattern: /failed to get domain|no domain with matching|Domain not found/i,
    code: "not-found",
    says: "there is no such domain",
    hint: "List the domains with virsh list --all; of another connection with its URI",
  },
  refused(
    /^not installed$/,
    "virsh is not installed",
    "Install libvirt's clients (libvirt-clients, libvirt-client)",
  ),
  refused(
    inUse,
    "$1 is in use by domain $2",
    "Detach it there first: sriovctl detach, or virsh detach-device-alias",
  ),
  refused(
    /must be manually detached|Path '\/dev\/vfio\/\d+' is not accessible/,
    "the VF is not bound to vfio-pci",
    bindHint,
  ),
  refused(
    /group (\d+) is not viable/,
    "IOMMU group $1 is not viable: another function of it has a host driver",
    "See who is in it with sriovctl doctor, and bind all of it to vfio-pci",
  ),
  refused(
    /No more available PCI slots/i,
    "the domain has no free port that takes a device while it runs",
    portHint,
  ),
  refused(
    /Bus '([^']+)' does not support hotplugging/,
    "the port $1 takes no device while the domain runs",
    portHint,
  ),
  refused(
    /Unable to configure VF (\d+) of PF '([^']+)' because the PF is not online/,
    "libvirt sets MAC and VLAN only while the PF is up, and $2 is down",
    "Set adminState: up for the PF in the spec, or ip link set dev $2 up",
  ),
  refused(
    /cannot limit locked memory|VFIO_MAP_DMA.*(?:Cannot allocate|-12)|vfio_dma_map.*Cannot allocate memory/is,
    "the domain may not lock all of its memory, which a VF pins",
    "Raise or remove <memtune><hard_limit>; for qemu:///session raise the user's limit of locked memory (ulimit -l)",
  ),
  refused(
    /allow_unsafe_interrupts|No interrupt remapping/i,
    "this host has no interrupt remapping, so VFIO refuses",
    "Turn it on in the firmware's setup; sriovctl doctor says more",
  ),
  refused(
    /non unique alias detected: (\S+?)(?:;|$)/,
    "the domain has another device with the alias $1",
    "Choose another alias: --to libvirt:DOMAIN/ALIAS",
  ),
  refused(
    /domain is not running/,
    "the domain is not running",
    "Start it, or attach with --persistent alone",
  ),
  refused(
    /transient domains? do(?:es)? not have any persistent config|cannot modify device on transient domain/,
    "the domain is transient and keeps no configuration",
    "Attach with --live alone",
  ),
  refused(
    /cannot acquire state change lock/,
    "libvirt is busy with another job of the domain",
    "Wait until it has ended: virsh domjobinfo",
  ),
  refused(
    /unable to execute QEMU command '[^']+': (.+)$/s,
    "QEMU says $1",
    "See the domain's log in /var/log/libvirt/qemu",
  ),
  refused(
    /Failed to connect socket|no connection driver available|unable to connect to server|Cannot recv data|authentication|Connection refused/i,
    "libvirt does not answer",
    "Start libvirtd or virtqemud, and check the connection URI",
  ),
];

/** A sentence's second half, and what to do. */
export function meaningOf(words: string): Omit<Meaning, "pattern" | "says"> & { message: string } {
  for (const { pattern, code, says, hint } of meanings) {
    const match = pattern.exec(words);
    if (match === null) continue;
    const fill = (text: string): string =>
      text.replaceAll(/\$(\d)/g, (_, index: string) => match[Number(index)] ?? "");
    return { code, message: fill(says), hint: fill(hint) };
  }
  const hint = "See the journal of libvirtd, and the domain's log in /var/log/libvirt/qemu";
  return { code: "consumer-refused", message: `libvirt says ${words}`, hint };
}

/** `operation` and `target` make `Cannot OPERATION TARGET`. */
export function virshError(words: string, operation: string, target: string): SriovError {
  const { code, message, hint } = meaningOf(words);
  return new SriovError(code, `Cannot ${operation} ${target}: ${message}`, {
    operation,
    target,
    hint,
  });
}
