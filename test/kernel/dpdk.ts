// DPDK's own test application for a lab, as Debian and Ubuntu package it. It runs from where it was
// unpacked: the lab sees this machine's files.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { LabUnavailable } from "./lab-commands.ts";
import { lackingPackages, unpacked } from "./unpacked-packages.ts";

const main = "dpdk-dev";

/** Of all that comes with it, the libraries: no headers, no daemons. */
const isWanted = ({ name }: { readonly name: string }): boolean =>
  name === main || /^(?:lib(?!.*-dev$|nss-|pam-|systemd|udev)|ibverbs-providers$)/.test(name);

/** The words that start it, up to EAL's arguments: only the drivers that igb's VFs need. */
export function testpmdCommand(): readonly string[] {
  const packages = lackingPackages([main]).filter(isWanted);
  const root = packages.length === 0 ? "/" : unpacked(packages, main);
  const libraries = join(root, "usr/lib/x86_64-linux-gnu");
  const program = join(root, "usr/bin/dpdk-testpmd");
  if (!existsSync(program)) throw new LabUnavailable(`${main} has no dpdk-testpmd`);
  const plugin = /^librte_(?:mempool_ring|net_e1000)\.so\.[0-9]+$/;
  const plugins = readdirSync(libraries).flatMap((name) =>
    plugin.test(name) ? ["-d", join(libraries, name)] : [],
  );
  return ["env", `LD_LIBRARY_PATH=${libraries}`, program, ...plugins];
}
