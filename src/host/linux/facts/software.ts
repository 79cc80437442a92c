// Versions of the programs around SR-IOV, from the programs themselves. One that is not installed
// is a gap that says so: rules tell "not there" from "not known" by nothing else.

import type { SoftwareVersions } from "../../../model/host-facts.ts";
import type { FactSources } from "./fact-reader.ts";
import { textOf } from "./fact-reader.ts";

type Program = {
  /** Tried in order: distributions put the same program under several names. */
  readonly commands: readonly (readonly string[])[];
  readonly pattern: RegExp;
};

const programs: Readonly<Record<keyof SoftwareVersions, Program>> = {
  libvirt: {
    commands: [
      ["libvirtd", "--version"],
      ["virtqemud", "--version"],
      ["virsh", "--version"],
    ],
    pattern: /^(?:\w+ \(libvirt\) )?([0-9]+\.[0-9]+\.[0-9]+)/m,
  },
  qemu: {
    commands: [
      ["qemu-system-x86_64", "--version"],
      ["qemu-system-aarch64", "--version"],
      ["/usr/libexec/qemu-kvm", "--version"],
      ["kvm", "--version"],
    ],
    pattern: /QEMU emulator version ([0-9][\w.]*)/,
  },
  iproute2: { commands: [["ip", "-V"]], pattern: /iproute2-([\w.-]+)/ },
  systemd: { commands: [["systemctl", "--version"]], pattern: /^systemd ([0-9]+)/m },
  mstflint: { commands: [["mstflint", "--version"]], pattern: /mstflint ([0-9][\w.-]*)/ },
};

async function versionOf(sources: FactSources, name: keyof SoftwareVersions) {
  const { commands, pattern } = programs[name];
  const whys: string[] = [];
  const report = (source: string, why: string): void => void whys.push(`${source}: ${why}`);
  for (const words of commands) {
    const text = await textOf({ ...sources, report }, words);
    const version = text === null ? undefined : pattern.exec(text)?.[1];
    if (version !== undefined) return version;
    if (text !== null) report(words.join(" "), "it says no version");
  }
  const isAbsent = whys.every((why) => why.endsWith(": not installed"));
  sources.report(name, isAbsent ? "not installed" : whys.join("; "));
  return null;
}

export async function readSoftware(sources: FactSources): Promise<SoftwareVersions> {
  if (sources.run === null) {
    sources.report("versions of programs", "no program can be asked about a captured tree");
    return { libvirt: null, qemu: null, iproute2: null, systemd: null, mstflint: null };
  }
  const [libvirt, qemu, iproute2, systemd, mstflint] = await Promise.all([
    versionOf(sources, "libvirt"),
    versionOf(sources, "qemu"),
    versionOf(sources, "iproute2"),
    versionOf(sources, "systemd"),
    versionOf(sources, "mstflint"),
  ]);
  return { libvirt, qemu, iproute2, systemd, mstflint };
}
