// Packages that a suite needs and a machine need not have: downloaded and unpacked into the lab's
// cache, never installed. What is installed here already is used as it is.

import { cached, downloadAndUnpack, run } from "./kernel-cache.ts";

type Package = { readonly name: string; readonly version: string };

/** What apt would install here to have these. */
export function lackingPackages(names: readonly string[]): Package[] {
  const plan = run("apt-get", ["-s", "install", "--no-install-recommends", ...names]);
  const lacking = [...plan.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+) /gm)];
  return lacking.map(([, name = "", version = ""]) => ({ name, version }));
}

/** Folder of these packages, unpacked; `main` is the one whose version names it. */
export function unpacked(packages: readonly Package[], main: string): string {
  const version = packages.find(({ name }) => name === main)?.version ?? "";
  const key = `${main}-${version.replaceAll(/[^\w.~+-]/g, "-")}-${packages.length}`;
  return cached(key, (directory) =>
    downloadAndUnpack(
      packages.map((one) => `${one.name}=${one.version}`),
      directory,
    ),
  );
}
