// The machines by name. Adding one is a file in machines/ and a line here.

import { SriovError } from "../../model/errors.ts";
import { demo } from "./machines/demo.ts";
import { dense } from "./machines/dense.ts";
import { igbLab } from "./machines/igb-lab.ts";
import { limit } from "./machines/limit.ts";
import type { Profile } from "./profile.ts";

export const machines: readonly Profile[] = [demo, igbLab, dense, limit];

/** Throws SriovError `host-unknown`. */
export function profileOf(name: string): Profile {
  const found = machines.find((profile) => profile.name === name);
  if (found !== undefined) return found;
  const names = machines.map((profile) => profile.name).join(", ");
  throw new SriovError("host-unknown", `Cannot open emulated machine ${name}: wanted ${names}`, {
    operation: "open emulated machine",
    target: name,
  });
}
