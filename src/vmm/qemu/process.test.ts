// What is read of QEMU's process and of the IOMMU group, on a folder that looks like the running system:
// /proc of QEMU 10.0.2 with one VF, sysfs of an igb below a port without ACS.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { findQmpSockets, isVmRunning } from "./find-socket.ts";
import { groupProblem, lockProblem, nodeProblem, readQemuProcess } from "./process.ts";

const vf = "0000:01:10.0";
const mib = 1024 * 1024;

const status = (more: string): string =>
  `Name:\tqemu-system-x86\nTgid:\t70\nPid:\t71\nUid:\t64055\t64055\t64055\t64055
Gid:\t108\t108\t108\t108\nGroups:\t36 108 \nVmLck:\t       0 kB\nVmPin:\t       0 kB
CapEff:\t0000000000000000\n${more}`;

const limits = (memlock: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units     
Max resident set          unlimited            unlimited            bytes     
Max locked memory         ${memlock.padEnd(20)} unlimited            bytes     
`;

type Tree = Readonly<Record<string, string>>;

/** Files by path; a text that begins with `->` is a link. */
function rootOf(context: TestContext, tree: Tree): string {
  const root = mkdtempSync(join(tmpdir(), "qemu-root-"));
  context.after(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(tree)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    if (text.startsWith("->")) symlinkSync(text.slice(2), file);
    else writeFileSync(file, text);
  }
  return root;
}

const running: Tree = {
  "proc/70/cmdline": "/usr/bin/qemu-system-x86_64\0-name\0web1\0",
  "proc/71/status": status(""),
  "proc/71/limits": limits("8388608"),
};

test("a process may lock what its limit says, unless it may lock all or has done so", (context) => {
  const process = readQemuProcess(rootOf(context, running), 71);
  assert.ok(process !== null);
  assert.deepEqual([process.pid, process.uid, process.gids], [70, 64055, [108, 36, 108]]);
  const problem = lockProblem(process, 192 * mib);
  assert.match(problem?.message ?? "", /process 70 may lock 8 MiB of memory, wanted 192 MiB/);
  assert.equal(problem?.hint?.endsWith("prlimit --pid 70 --memlock=402653184"), true);
  assert.equal(lockProblem(process, 8 * mib), null);
  assert.equal(lockProblem({ ...process, capabilities: 1n << 14n }, 192 * mib), null);
  assert.equal(lockProblem({ ...process, lockedBytes: 192 * mib }, 192 * mib), null);
  const unlimited = rootOf(context, { ...running, "proc/71/limits": limits("unlimited") });
  assert.equal(readQemuProcess(unlimited, 71)?.lockableBytes, Number.POSITIVE_INFINITY);
});

test("a number that is no QEMU here says nothing", (context) => {
  const others: readonly Tree[] = [
    {},
    { ...running, "proc/70/cmdline": "/usr/sbin/sshd\0" },
    { ...running, "proc/71/limits": "" },
    { ...running, "proc/71/status": "Tgid:\t70\n" },
  ];
  for (const tree of others) assert.equal(readQemuProcess(rootOf(context, tree), 71), null);
});

const devices = "sys/bus/pci/devices";
const grouped: Tree = {
  [`${devices}/${vf}/iommu_group`]: "->../../../../kernel/iommu_groups/7",
  [`${devices}/${vf}/driver`]: "->../../drivers/igbvf",
  [`${devices}/0000:00:0c.0/driver`]: "->../../drivers/pcieport",
  [`sys/kernel/iommu_groups/7/devices/${vf}`]: "",
  "sys/kernel/iommu_groups/7/devices/0000:00:0c.0": "",
};

test("a group is viable when nobody but its bridges and vfio has the others", (context) => {
  assert.equal(groupProblem(rootOf(context, grouped), vf), null);
  const pf = "0000:01:00.0";
  const withPf: Tree = {
    ...grouped,
    [`${devices}/${pf}/driver`]: "->../../drivers/igb",
    [`sys/kernel/iommu_groups/7/devices/${pf}`]: "",
  };
  assert.match(
    groupProblem(rootOf(context, withPf), vf)?.message ?? "",
    /IOMMU group 7 of VF 0000:01:10\.0 is not viable: 0000:01:00\.0 \(igb\) is with a host driver/,
  );
  assert.match(groupProblem(rootOf(context, {}), vf)?.message ?? "", /has no IOMMU group/);
});

test("who may not open the group's node is told, once the node is there", (context) => {
  const process = readQemuProcess(rootOf(context, running), 71);
  assert.ok(process !== null);
  assert.equal(nodeProblem(rootOf(context, grouped), vf, process), null);
  const root = rootOf(context, { ...grouped, "dev/vfio/7": "" });
  chmodSync(join(root, "dev/vfio/7"), 0o600);
  const problem = nodeProblem(root, vf, process);
  assert.match(problem?.message ?? "", /runs as user 64055 and may not open \/dev\/vfio\/7/);
  assert.equal(nodeProblem(root, vf, { ...process, capabilities: 1n << 1n }), null);
  chmodSync(join(root, "dev/vfio/7"), 0o606);
  assert.equal(nodeProblem(root, vf, process), null);
});

test("a VM's sockets are found on its command line", (context) => {
  const rows: readonly (readonly [commandLine: string, sockets: readonly string[]])[] = [
    ["-name web1 -qmp unix:/run/web1.sock,server=on,wait=off", ["/run/web1.sock"]],
    ["-name guest=web1,debug-threads=on --qmp unix:/run/a,,b,server", ["/run/a,b"]],
    ["-name other -qmp unix:/run/other.sock", []],
    [
      "-name web1,process=x -chardev socket,id=m,path=/run/m.sock,server=on -mon chardev=m,mode=control",
      ["/run/m.sock"],
    ],
    ["-name web1 -chardev socket,id=m,path=/run/m.sock -mon chardev=m,mode=readline", []],
    ["-name web1 -qmp tcp:localhost:4444,server=on", []],
  ];
  for (const [commandLine, sockets] of rows) {
    const cmdline = `/usr/bin/qemu-system-x86_64\0${commandLine.replaceAll(" ", "\0")}\0`;
    const root = rootOf(context, { "proc/70/cmdline": cmdline, "proc/self/cmdline": cmdline });
    assert.deepEqual(findQmpSockets("web1", `${root}/proc`), sockets, commandLine);
    assert.equal(isVmRunning("web1", `${root}/proc`), !commandLine.includes("other"));
  }
  assert.deepEqual(findQmpSockets("web1", "/nothing/here"), []);
});
