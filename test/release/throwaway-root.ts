// A root directory of the least that a Debian package needs: a static busybox as its shell, the C
// library of this machine, and dpkg's own records. dpkg works on it from outside and runs the
// maintainer scripts in it; this machine's own system is never touched.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

export type Ran = {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

const busybox = "/usr/bin/busybox";
/** Of util-linux, which our package depends on. */
const flock = "/usr/bin/flock";

/** null when the root can be made here, else why not. */
export function whyNoRoot(): string | null {
  if (process.getuid?.() !== 0) return "chroot wants root";
  if (spawnSync("dpkg", ["--version"]).error !== undefined) return "dpkg is not installed";
  const isStatic = /not a dynamic executable|statically/.test(
    ((ldd) => ldd.stdout + ldd.stderr)(spawnSync("ldd", [busybox], { encoding: "utf8" })),
  );
  return existsSync(busybox) && isStatic ? null : "busybox-static is not installed";
}

/** The libraries that `program` is linked with, as this machine has them. */
function librariesOf(program: string): string[] {
  const { stdout } = spawnSync("ldd", [program], { encoding: "utf8" });
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path = ""]) => path);
}

export class ThrowawayRoot {
  readonly directory: string;

  /** `program`: whose libraries shall be there. */
  constructor(directory: string, program: string) {
    this.directory = directory;
    for (const folder of [
      "usr/bin",
      "dev",
      "etc",
      "run",
      "var/lib/dpkg/info",
      "var/lib/dpkg/updates",
    ]) {
      mkdirSync(join(directory, folder), { recursive: true });
    }
    const made = spawnSync("mknod", [join(directory, "dev/null"), "c", "1", "3"]);
    assert.equal(made.status, 0, "a device file can be made here");
    symlinkSync("usr/bin", join(directory, "bin"));
    copyFileSync(busybox, join(directory, "usr/bin/busybox"));
    for (const applet of ["sh", "find", "grep", "head", "rm"]) {
      symlinkSync("busybox", join(directory, "usr/bin", applet));
    }
    copyFileSync(flock, join(directory, "usr/bin/flock"));
    for (const library of [...librariesOf(program), ...librariesOf(flock)]) {
      mkdirSync(dirname(join(directory, library)), { recursive: true });
      copyFileSync(library, join(directory, library));
    }
    writeFileSync(join(directory, "var/lib/dpkg/status"), "");
    writeFileSync(join(directory, "var/lib/dpkg/available"), "");
  }

  /** The root has no other packages: what ours depends on is not asked for. */
  dpkg(...words: readonly string[]): Ran {
    const options = [`--root=${this.directory}`, "--force-depends", "--force-confold"];
    const ran = spawnSync("dpkg", [...options, ...words], {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    });
    assert.equal(ran.status, 0, `dpkg ${words.join(" ")}: ${ran.stdout}${ran.stderr}`);
    return ran;
  }

  /** A program inside of it, with nothing in its environment but PATH. */
  run(...words: readonly string[]): Ran {
    return spawnSync("/usr/sbin/chroot", [this.directory, ...words], {
      encoding: "utf8",
      env: { PATH: "/usr/bin" },
    });
  }

  /** Every file that is not dpkg's record, sorted: to compare before and after. */
  listing(): string[] {
    return readdirSync(this.directory, { recursive: true, encoding: "utf8" })
      .filter((path) => !path.startsWith("var/lib/dpkg") && !path.startsWith("var/log"))
      .toSorted();
  }
}
