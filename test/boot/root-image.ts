// The machine that boot is proved on: a Debian root with systemd as its init, made once by debootstrap
// from the archive that apt here knows, and copied into an ext4 image with the lab's kernel
// modules, its agent and the package under test, installed by apt as a user would.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseIndexTargets } from "../../scripts/apt-sources.ts";
import { cached, labKernel, run } from "../kernel/kernel-cache.ts";
import { commandPath, LabUnavailable } from "../kernel/lab-commands.ts";

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

function debootstrap(directory: string): void {
  const { uri, codename } = archive();
  const options = ["--variant=minbase", `--include=${packages.join(",")}`];
  run(commandPath("debootstrap"), [...options, codename, directory, uri]);
  rmSync(join(directory, "var/cache/apt/archives"), { recursive: true });
}

/** A machine of ours from its first boot on: no presets, a journal that outlives a boot. */
function furnish(directory: string): void {
  const write = (path: string, text: string): void => {
    mkdirSync(join(directory, path, ".."), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  write("etc/machine-id", "5f0c1a9e6d2b4c7f8a3e1d2c3b4a5968\n");
  write("etc/hostname", "lab\n");
  write("etc/fstab", "/dev/vda / ext4 defaults 0 1\n");
  mkdirSync(join(directory, "var/log/journal"), { recursive: true });
  mkdirSync(join(directory, "usr/local/lib/lab"), { recursive: true });
  const agent = readFileSync(new URL("../kernel/guest/agent-service", import.meta.url));
  writeFileSync(join(directory, "usr/local/lib/lab/agent"), agent, { mode: 0o755 });
  const unit = [
    ["[Unit]", "DefaultDependencies=no", "After=local-fs.target"],
    ["[Service]", "ExecStart=/usr/local/lib/lab/agent", "KillMode=process"],
    ["[Install]", "WantedBy=sysinit.target", ""],
  ];
  write("etc/systemd/system/lab-agent.service", unit.flat().join("\n"));
  // Each test says which network manager it has, if any.
  const off = ["NetworkManager", "NetworkManager-wait-online", "systemd-networkd"];
  const absent = off.map((name) => `${name}.service`);
  run("systemctl", ["--root", directory, "disable", ...absent]);
  run("systemctl", ["--root", directory, "enable", "lab-agent.service"]);
}

function bootRoot(): string {
  const { codename } = archive();
  return cached(`root-${codename}-${packages.length}`, (directory) => {
    debootstrap(directory);
    furnish(directory);
  });
}

/** Writes the image to `file`, with the package installed when one is named. */
export function makeRootImage(file: string, packageFile: string | null): void {
  const { modulesRoot, release } = labKernel();
  const root = `${file}.root`;
  try {
    execFileSync("cp", ["-a", bootRoot(), root]);
    furnish(root);
    const modules = join("lib/modules", release);
    cpSync(join(modulesRoot, modules), join(root, "usr", modules), { recursive: true });
    if (packageFile !== null) {
      const name = basename(packageFile);
      cpSync(packageFile, join(root, "root", name));
      const apt = ["apt-get", "install", "-y", "--no-install-recommends", `/root/${name}`];
      run(commandPath("chroot"), [root, "env", "DEBIAN_FRONTEND=noninteractive", ...apt]);
    }
    writeFileSync(file, "");
    run("truncate", ["-s", String(imageBytes), file]);
    run(commandPath("mkfs.ext4"), ["-q", "-F", "-d", root, file]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
