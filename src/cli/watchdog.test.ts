// How the watchdog is started under systemd: its name is a unit's name whatever the host is called,
// and no text becomes an option or a shell's word.

import assert from "node:assert/strict";
import { test } from "node:test";
import { systemdRunArguments, unitOf } from "./watchdog.ts";

test("the unit is named after host and journal, with nothing that a unit's name may not have", () => {
  const rows = [
    ["linux", "000007-20260801T101500Z", "sriovctl-confirm-linux-000007-20260801T101500Z"],
    ["emulated:a/b c", "000001-x", "sriovctl-confirm-emulated_a_b_c-000001-x"],
  ] as const;
  for (const [host, journal, unit] of rows) assert.equal(unitOf(host, journal), unit);
});

test("systemd-run gets a service that is restarted, its environment, and the command after --", () => {
  const argv = systemdRunArguments({
    unit: "sriovctl-confirm-linux-1",
    description: "Undoes unless confirmed: sriovctl apply -f 'a b.yaml'",
    environment: { PATH: "/usr/bin", SRIOVCTL_STATE_DIR: "/var/lib/sriovctl" },
    command: ["/opt/a$b/sriovctl", "__watchdog", "linux", "1"],
  });
  assert.deepEqual(argv, [
    "--quiet",
    "--collect",
    "--unit=sriovctl-confirm-linux-1",
    "--description=Undoes unless confirmed: sriovctl apply -f 'a b.yaml'",
    "--property=Type=exec",
    "--property=Restart=on-failure",
    "--property=RestartSec=2",
    "--property=StartLimitIntervalSec=3600",
    "--property=StartLimitBurst=20",
    "--property=OOMScoreAdjust=-900",
    "--setenv=PATH=/usr/bin",
    "--setenv=SRIOVCTL_STATE_DIR=/var/lib/sriovctl",
    "--",
    "/opt/a$$b/sriovctl",
    "__watchdog",
    "linux",
    "1",
  ]);
});
