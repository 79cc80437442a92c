// The package under test, built from this checkout, and the image it is installed into.

import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { makeRootImage } from "./root-image.ts";

const root = join(import.meta.dirname, "..", "..");

/** Builds what is released and returns the Debian package. */
export function labPackage(): string {
  const build = join(root, "scripts", "dist.ts");
  const { status, stderr } = spawnSync(process.execPath, [build], { encoding: "utf8" });
  if (status !== 0) throw new Error(`Cannot build the package: ${stderr}`);
  const [file] = globSync("dist/*.deb", { cwd: root });
  if (file === undefined) throw new Error("Cannot build the package: there is no .deb");
  return join(root, file);
}

/** The path of a new image in `directory` with the package installed. */
export function labImage(directory: string, packageFile: string): string {
  const image = join(directory, "root.img");
  makeRootImage(image, packageFile);
  return image;
}
