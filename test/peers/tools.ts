// The programs of other managers that judge the files that we write for them: Debian's packages,
// downloaded and unpacked into a cache, never installed, so that no daemon of theirs ever starts.
// Nothing here touches this machine's configuration: they read from standard input, from temporary
// roots, or in a mount namespace of their own.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cached, downloadAndUnpack, run } from "../kernel/kernel-cache.ts";

const packages = [
  "libndp0",
  // Of these a release has one.
  "libnetplan0",
  "libnetplan1",
  "libnm0",
  "libvirt0",
  "libxml2-utils",
  "netplan.io",
  "network-manager",
  "udev",
];

export type Tools = {
  readonly nmcli: string;
  readonly netplanGenerate: string;
  readonly udevadm: string;
  readonly xmllint: string;
  /** libvirt's own schema of networks. */
  readonly networkSchema: string;
  readonly libraries: string;
};

type Outcome = {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** Downloads about 8 MB at the first use. Throws where apt cannot. */
export function peerTools(): Tools {
  const policy = run("apt-cache", ["policy", ...packages]);
  const known = [...policy.matchAll(/^(\S+):\n.*\n {2}Candidate: (\d\S*)$/gm)];
  const names = known.map(([, name = ""]) => name);
  const versions = known.map(([, , version = ""]) => version.replaceAll(/[^\w.~+-]/g, "-"));
  const root = cached(`peers-${versions.join("_")}`, (directory) =>
    downloadAndUnpack(names, directory),
  );
  return {
    nmcli: join(root, "usr/bin/nmcli"),
    netplanGenerate: join(root, "usr/libexec/netplan/generate"),
    udevadm: join(root, "bin/udevadm"),
    xmllint: join(root, "usr/bin/xmllint"),
    networkSchema: join(root, "usr/share/libvirt/schemas/network.rng"),
    libraries: join(root, "usr/lib/x86_64-linux-gnu"),
  };
}

export function runTool(
  { libraries }: Tools,
  [program = "", ...args]: readonly string[],
  input = "",
): Outcome {
  const env = { ...process.env, LC_ALL: "C", LD_LIBRARY_PATH: libraries };
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", input, env });
  return { status, stdout, stderr };
}
