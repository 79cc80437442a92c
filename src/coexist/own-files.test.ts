// The files that we install ourselves claim nothing, and stand before nobody else's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pfOf } from "../../test/inventory-of.ts";
import { installedFiles } from "../install/installation.ts";
import { claimsOn } from "../model/claim.ts";
import { readClaims } from "./claims.ts";

test("what enable installs is no claim on a PF and hides none", () => {
  const program = {
    command: ["/usr/bin/sriovctl"],
    configDir: "/etc/sriovctl",
    stateDir: "/var/lib/sriovctl",
  };
  const own = installedFiles(program, "/run/sriovctl");
  const link = {
    path: "/etc/systemd/network/10-p0.network",
    text: "[Match]\nName=ens59\n[SR-IOV]\nVirtualFunction=0\nTrust=yes\n",
  };
  const { claims, problems } = readClaims([...own, link]);
  assert.deepEqual(problems, []);
  const found = claimsOn(pfOf("0000:3b:00.0"), claims);
  assert.deepEqual(
    found.map(({ claim, judgement }) => [claim.manager, claim.settings[0]?.where, judgement]),
    [["networkd", `${link.path}:3`, "yes"]],
  );
});
