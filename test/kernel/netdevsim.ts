// netdevsim, the kernel's own simulated NIC, shows VF lists of hundreds of VFs that no emulated
// device has. Debian does not build it, so the lab does, out of tree, from the source package of
// the very kernel it boots; headers and result stay in the lab's cache.

import { execFileSync, spawnSync } from "node:child_process";
import { globSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { cached, downloadAndUnpack, packageDependencies, run } from "./kernel-cache.ts";
import { type LabKernel, labKernel } from "./kernel-cache.ts";
import type { Lab } from "./lab.ts";
import { LabUnavailable, commandPath } from "./lab-commands.ts";

/** Unpacks the headers of `kernel` below `directory`; returns the folder that make -C takes. */
function unpackHeaders({ release, packageVersion }: LabKernel, directory: string): string {
  const name = `linux-headers-${release}`;
  const others = packageDependencies(name, packageVersion, /^linux-(headers|kbuild)-/);
  downloadAndUnpack(
    [name, ...others].map((each) => `${each}=${packageVersion}`),
    directory,
  );
  const tree = join(directory, "usr", "src", name);
  // The Makefile names the place of installation; these headers are only unpacked.
  const makefile = join(tree, "Makefile");
  const relative = "$(dir $(lastword $(MAKEFILE_LIST)))../";
  writeFileSync(makefile, readFileSync(makefile, "utf8").replaceAll("/usr/src/", relative));
  return tree;
}

/** Unpacks the one driver out of linux-source-X.Y; returns its folder. */
function unpackDriver({ release, packageVersion }: LabKernel, directory: string): string {
  const series = /^\d+\.\d+/.exec(release)?.[0] ?? release;
  downloadAndUnpack([`linux-source-${series}=${packageVersion}`], directory);
  const archive = globSync(join(directory, "usr", "src", "linux-source-*.tar.*"))[0];
  if (archive === undefined) throw new LabUnavailable(`linux-source-${series} has no archive`);
  const path = "drivers/net/netdevsim";
  const root = `linux-source-${series}`;
  run("tar", ["-xf", archive, "-C", directory, "--strip-components=1", `${root}/${path}`]);
  rmSync(archive);
  return join(directory, path);
}

function build(kernel: LabKernel, directory: string): void {
  const tree = unpackHeaders(kernel, directory);
  const driver = unpackDriver(kernel, directory);
  const jobs = `-j${availableParallelism()}`;
  // Type information of modules would need the whole vmlinux.
  const settings = ["CONFIG_NETDEVSIM=m", "CONFIG_DEBUG_INFO_BTF_MODULES="];
  run(commandPath("make"), ["-s", jobs, "-C", tree, `M=${driver}`, ...settings, "modules"]);
  execFileSync("strip", ["--strip-debug", join(driver, "netdevsim.ko")]);
  renameSync(join(driver, "netdevsim.ko"), join(directory, "netdevsim.ko"));
  for (const part of ["usr", "drivers", "lib", "boot"]) {
    rmSync(join(directory, part), { recursive: true, force: true });
  }
}

function distributionHas({ modulesRoot, release }: LabKernel): boolean {
  const args = ["-d", modulesRoot, "-S", release, "--show-depends", "netdevsim"];
  return spawnSync(commandPath("modprobe"), args).status === 0;
}

/** Loads netdevsim in the lab; builds it first (about 15 s) when that was never done. */
export async function loadNetdevsim(lab: Lab): Promise<void> {
  const kernel = labKernel();
  if (distributionHas(kernel)) {
    await lab.check(["modprobe", "netdevsim"]);
    return;
  }
  const directory = cached(`netdevsim-${kernel.packageVersion}`, (temporary) => {
    build(kernel, temporary);
  });
  const needed = "for m in psample macsec ptp tls; do modprobe -q $m; done";
  await lab.check(`${needed}; insmod ${directory}/netdevsim.ko`);
}
