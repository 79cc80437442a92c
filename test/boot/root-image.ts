// The machine that boot is proved on: a Debian root with systemd as its init, made once by debootstrap
// from the archive that apt here knows, and copied into ext4 images with the lab's kernel
// modules, its agent and the package under test, installed by apt as a user would.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, cpSync, mkdirSync, mkdtempSync } from "node:fs";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { parseIndexTargets } from "../../scripts/apt-sources.ts";
import { cached, labKernel, run } from "../kernel/kernel-cache.ts";
import { commandPath, LabUnavailable } from "../kernel/lab-commands.ts";
import { labFiles, labUnits } from "./lab-units.ts";

const packages = [
  ["systemd", "systemd-sysv", "udev", "dbus", "libpam-systemd"],
  ["iproute2", "kmod", "pciutils", "network-manager", "libatomic1", "libstdc++6"],
].flat();

const imageBytes = 2 ** 31;

/** Archive and codename of this machine's own release, as apt is configured. */
function archive(): { readonly uri: string; readonly codename: string } {
  const release = readFileSync("/etc/os-release", "utf8");
  const codename = /^VERSION_CODENAME=(.*)$/m.exec(release)?.[1] ?? "";
  const targets = parseIndexTargets(run("apt-get", ["indextargets", "Identifier: Packages"]));
  const main = targets.find((each) => each.release === codename && each.component === "main");
  if (main === undefined) throw new LabUnavailable(`apt knows no archive of ${codename}`);
  return { uri: main.repositoryUri, codename };
}

/** The cached root as the archive's packages leave it. */
function debianRoot(): string {
  const { uri, codename } = archive();
  const key = createHash("sha256").update(packages.join(",")).digest("hex").slice(0, 12);
  return cached(`root-${codename}-${key}`, (directory) => {
    const options = ["--variant=minbase", `--include=${packages.join(",")}`];
    run(commandPath("debootstrap"), [...options, codename, directory, uri]);
    rmSync(join(directory, "var/cache/apt/archives"), { recursive: true });
  });
}

/** Each test says which network manager it has, if any. */
const disabledUnits = [
  "NetworkManager.service",
  "NetworkManager-wait-online.service",
  "systemd-networkd.service",
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
];

/** A machine of ours from its first boot on: no presets, a journal that outlives a boot. */
function furnish(directory: string): void {
  const write = (path: string, text: string | Buffer, mode = 0o644): void => {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text, { mode });
  };
  write("etc/machine-id", "5f0c1a9e6d2b4c7f8a3e1d2c3b4a5968\n");
  write("etc/hostname", "lab\n");
  write("etc/fstab", "/dev/vda / ext4 defaults 0 1\n");
  mkdirSync(join(directory, "var/log/journal"), { recursive: true });
  const agent = readFileSync(new URL("../kernel/guest/agent-service", import.meta.url));
  write("usr/local/lib/lab/agent", agent, 0o755);
  for (const [path, text] of Object.entries(labFiles)) {
    write(path, text, path.includes("/lib/lab/") ? 0o755 : 0o644);
  }
  run("systemctl", ["--root", directory, "disable", ...disabledUnits]);
  // The console is for the suite's own words.
  run("systemctl", ["--root", directory, "mask", "serial-getty@ttyS0.service"]);
  run("systemctl", ["--root", directory, "enable", ...labUnits]);
}

function installPackage(directory: string, packageFile: string): void {
  const name = basename(packageFile);
  cpSync(packageFile, join(directory, "root", name));
  const apt = ["apt-get", "install", "-y", "--no-install-recommends", `/root/${name}`];
  run(commandPath("chroot"), [directory, "env", "DEBIAN_FRONTEND=noninteractive", ...apt]);
}

/**
 * Makes a root with the package installed, and an image of it each time that `write` is called;
 * what the caller does to the folder in between is in the next image.
 */
export function withRoot(
  packageFile: string,
  work: (root: string, write: (image: string) => void) => void,
): void {
  const { modulesRoot, release } = labKernel();
  const root = mkdtempSync(join(tmpdir(), "sriovctl-root-"));
  try {
    chmodSync(root, 0o755);
    execFileSync("cp", ["-a", `${debianRoot()}/.`, root]);
    furnish(root);
    const modules = join("lib/modules", release);
    cpSync(join(modulesRoot, modules), join(root, "usr", modules), { recursive: true });
    installPackage(root, packageFile);
    work(root, (image) => {
      writeFileSync(image, "");
      run("truncate", ["-s", String(imageBytes), image]);
      run(commandPath("mkfs.ext4"), ["-q", "-F", "-d", root, image]);
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
