// Who is a user by the command line alone: the forms of it, and until when it counts, on a made-up /proc.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { commandLineUsers, functionsOnCommandLine, namingVms } from "./command-lines.ts";
import { parseTimes } from "./guest-time.ts";
import type { User } from "./user.ts";

const proc = mkdtempSync(join(tmpdir(), "sriovctl-command-lines-"));
after(() => rmSync(proc, { recursive: true, force: true }));

const vf = "0000:01:10.2";
const json = `{"driver":"vfio-pci","host":"${vf}","id":"hostdev0"}`;

const commandLines: readonly (readonly [words: readonly string[], addresses: string[]])[] = [
  [["-device", "vfio-pci,host=0000:01:10.0,id=h0"], ["0000:01:10.0"]],
  [["-device", "vfio-pci,host=01:10.0"], ["0000:01:10.0"]],
  [["-device", json], [vf]],
  [["-device", "vfio-pci,sysfsdev=/sys/bus/pci/devices/10001:01:10.6"], ["10001:01:10.6"]],
  [["--device", "path=/sys/bus/pci/devices/0000:01:10.4/"], ["0000:01:10.4"]],
  [["-netdev", "user,hostfwd=tcp::2222-:22", "-device", "e1000"], []],
];

test("functionsOnCommandLine() knows the forms of QEMU, libvirt and others", () => {
  for (const [words, addresses] of commandLines) {
    const found = functionsOnCommandLine({ pid: 1, commandLine: ["qemu-kvm", ...words] });
    assert.deepEqual(
      found.map(({ address }) => address),
      addresses,
      words.join(" "),
    );
  }
});

/** proc_pid_stat(5), with fields of a QEMU 10.0 on Linux 6.12. */
const stat = (name: string, userTicks: number, guestTicks: number): string =>
  `812 (${name}) S 1 812 812 0 -1 4194560 9861 0 12 0 ${userTicks} 31 0 0 20 0 4 0 9210 1105575936 21210 18446744073709551615 1 1 0 0 0 0 268444224 4096 1073760894 0 0 0 17 0 0 0 0 ${guestTicks} 0 0 0 0 0 0 0 0 0`;

const qemu = "/usr/bin/qemu-system-x86_64";
const ran = stat("qemu-system-x86", 70, 13);
const notRun = stat("qemu-system-x86", 70, 0);
const cpu = (ticks: number): string => stat("CPU 0/TCG", ticks, 0);

type Row = readonly [
  name: string,
  vm: { readonly command?: string; readonly device?: string; readonly stat?: string },
  isUser: boolean,
  more?: { readonly thread?: string; readonly isHidden?: boolean; readonly holds?: boolean },
];

const byHost = `vfio-pci,host=${vf}`;

const rows: readonly Row[] = [
  ["it clears huge pages, or was started with -S", { stat: notRun }, true],
  ["it ends while it is looked at", { stat: "" }, true],
  ["its guest has run, and it has let go", {}, false],
  ["so has one of libvirt", { device: json }, false],
  ["its guest has run, and it has it open", {}, true, { holds: true }],
  ["its guest has run, and its descriptors are not for us", {}, true, { isHidden: true }],
  [
    "it may take it when its guest accepts lan0",
    { device: `${byHost},failover_pair_id=lan0` },
    true,
  ],
  [
    "a mediated device is below it",
    { device: `vfio-pci,sysfsdev=/sys/bus/pci/devices/${vf}/9-a` },
    true,
  ],
  [
    "a reboot makes the machine anew",
    { command: "cloud-hypervisor", device: `path=/sys/bus/pci/devices/${vf}/` },
    true,
  ],
  ["an emulated processor has started", { stat: notRun }, true, { thread: cpu(2) }],
  ["an emulated processor has computed for 3.6 s", { stat: notRun }, false, { thread: cpu(365) }],
  ["another thread has", { stat: notRun }, true, { thread: stat("touch_pages", 9000, 0) }],
];

test("a command line counts until the guest has run and the VM has let go", () => {
  for (const [name, { command = qemu, device = byHost, stat = ran }, isUser, more = {}] of rows) {
    const { thread = notRun, isHidden = false, holds = false } = more;
    mkdirSync(join(proc, "812/task/813"), { recursive: true });
    writeFileSync(join(proc, "812/stat"), `${stat}\n`);
    writeFileSync(join(proc, "812/task/813/stat"), `${thread}\n`);
    const process = { pid: 812, commandLine: [command, "-name", "web1", "-device", device] };
    const vms = namingVms(proc, [process], new Set([vf]));
    const owner = { kind: "vm", name: "web1", pid: 812, evidence: "fd" } as const;
    const holders: User[] = holds ? [{ address: vf, owner }] : [];
    const users = commandLineUsers(vms, holders, () => isHidden);
    assert.equal(users.length === 1, isUser, name);
  }
  assert.deepEqual(namingVms(proc, [{ pid: 812, commandLine: [qemu, byHost] }], new Set()), []);
});

test("parseTimes() takes any name, and what is no stat as nothing", () => {
  assert.deepEqual(parseTimes(stat("a) R (b", 7, 9)), {
    name: "a) R (b",
    userTicks: 7,
    guestTicks: 9,
  });
  for (const text of ["", "812", "812 (x", "812 () S", "x".repeat(5000)]) {
    assert.ok(!(parseTimes(text).guestTicks > 0), text.slice(0, 9));
  }
});
