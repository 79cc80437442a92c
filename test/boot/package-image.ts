// The package under test, built from this checkout, and the images of machines that have it.

import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildRelease } from "../../scripts/dist.ts";
import { withRoot } from "./root-image.ts";

const program = join(import.meta.dirname, "..", "..", "bin", "sriovctl.js");

export type Images = {
  /** Only installed. */
  readonly installed: string;
  /** With a spec, and enabled as one enables it in an image: `enable --root`. */
  readonly enabled: string;
};

/** Builds what is released, and images in `directory`. */
export async function labImages(directory: string, spec: string): Promise<Images> {
  const { debian } = await buildRelease();
  if (debian === null) throw new Error("Cannot build the package: dpkg-deb is not installed");
  const images = { installed: join(directory, "root.img"), enabled: join(directory, "on.img") };
  withRoot(debian, (root, write) => {
    write(images.installed);
    mkdirSync(join(root, "etc/sriovctl"), { recursive: true });
    writeFileSync(join(root, "etc/sriovctl/host.yaml"), spec);
    const words = [program, "enable", "--root", root];
    const { status, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
    if (status !== 0) throw new Error(`Cannot enable the image's units: ${stderr}`);
    write(images.enabled);
  });
  return images;
}
