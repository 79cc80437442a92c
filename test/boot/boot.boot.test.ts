// The package on machines that boot, two at a time: the life of a host from installation to purge, and
// a host whose power fails. Both begin with images of one Debian root with the package in it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { bootSkipReason } from "./boot-unavailable.ts";
import { hostLife } from "./host-life.ts";
import { Machine, type Scene } from "./machine.ts";
import { labImages, type Images } from "./package-image.ts";
import { powerCuts } from "./power-cuts.ts";
import { spec } from "./specs.ts";

suite("boot", { skip: bootSkipReason(), concurrency: 2 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "sriovctl-boot-"));
  let images: Images | null = null;

  before(async () => {
    images = await labImages(directory, spec);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const story = (name: string, kind: keyof Images, scenes: readonly Scene[]): void => {
    suite(name, { concurrency: 1 }, () => {
      let machine: Machine;
      before(() => {
        if (images === null) throw new Error("There is no image");
        machine = new Machine(images[kind], join(directory, `${kind}.disk`));
      });
      after(() => machine?.cut());
      for (const scene of scenes) test(scene.name, () => scene.run(machine));
    });
  };
  story("a host's life", "installed", hostLife);
  story("a host whose power fails", "enabled", powerCuts);
});
