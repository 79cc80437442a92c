// Podman in a lab: a container is a process of busybox with namespaces of its own, no image and no network but
// what it is given. On a machine without Podman the packages are downloaded (11 MB) and unpacked into the lab's root.

import type { Lab } from "./lab.ts";
import { lackingPackages, unpacked } from "./unpacked-packages.ts";

/** Of all that comes with it, what a container without a network of Podman's own needs. */
const isWanted = ({ name }: { readonly name: string }): boolean =>
  /^(?:podman|conmon|crun|golang-github-containers-common|lib(?:gpgme|subid|yajl).*)$/.test(name);

const timeoutMs = 240_000;

const run = [
  "podman --cgroup-manager=cgroupfs --storage-driver=vfs run -d --name web",
  "--network=none --cgroups=disabled --security-opt=seccomp=unconfined --cap-add=NET_RAW",
  "--log-driver=none --rootfs /srv/web /bin/busybox sleep 1000",
].join(" ");

/** Starts a container `web`. */
export async function startContainer(lab: Lab): Promise<void> {
  const packages = lackingPackages(["podman", "crun"]).filter(isWanted);
  if (packages.length > 0) {
    await lab.check(`tar -C ${unpacked(packages, "podman")} -c usr etc | tar -C / -x`, {
      timeoutMs,
    });
  }
  await lab.check(
    `mkdir -p /srv/web/bin /srv/web/proc /srv/web/sys /srv/web/dev /srv/web/etc /srv/web/run /srv/web/tmp
    cp "$(command -v busybox)" /srv/web/bin/busybox
    ${run}`,
    { timeoutMs },
  );
}
