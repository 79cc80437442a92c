// `hook` as libvirt calls it, with the XML that libvirt 9.0.0 gave to a hook, on the emulated machine:
// the domain web1 has VF 0 as an interface and VF 1 as a plain device.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const root = join(import.meta.dirname, "..", "..");
const xml = readFileSync(join(root, "test", "captures", "libvirt-hook-domain.xml"), "utf8");

const specText = (vlan: number, alias = "acc0"): string =>
  JSON.stringify({
    apiVersion: "sriovctl/v1",
    adapters: [
      { physicalFunctions: [{ name: "p0", match: { address: "0000:3b:00.0" }, numVfs: 4 }] },
    ],
    virtualFunctions: [{ vfs: "p0/0", driver: "vfio-pci", vlan, mac: "02:00:5e:10:00:01" }],
    assign: [{ to: `libvirt:web1/${alias}`, vf: "p0/1", driver: "vfio-pci", trust: true }],
  });

async function machine(context: TestContext, applied: string) {
  const directory = temporaryDirectory(context);
  const env = stateIn(directory);
  const config = join(directory, "config");
  mkdirSync(config);
  const spec = join(config, "host.yaml");
  const want = (text: string): void => writeFileSync(spec, text);
  want(applied);
  const host = ["--host", "emulated:demo"];
  const run = (...argv: readonly string[]) => runProgram([...host, ...argv], { env });
  const done = await run("apply", "-f", spec, "--yes");
  assert.equal(done.exitCode, 0, done.stderr);
  /** A process of its own, because the XML comes on standard input. */
  const hook = (phase: string, input = xml) => {
    const argv = [join(root, "bin", "sriovctl.js"), ...host, "hook", "libvirt", "web1", phase];
    const options = { env: { ...process.env, ...env }, encoding: "utf8", input } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, options);
    return { status, stdout, stderr };
  };
  return { run, hook, want, spec, state: join(directory, "state") };
}

test("a VF is set before its guest starts, and what others did to it is set right after", async (context) => {
  const { hook, want, run, spec } = await machine(context, specText(7));
  want(specText(120));
  assert.deepEqual(hook("prepare"), {
    status: 0,
    stdout: "0000:3b:00.0/vf0: set vlan 120\n",
    stderr: "",
  });
  assert.equal((await run("drift", "-f", spec)).exitCode, 0);
  want(specText(130));
  const after = hook("release");
  assert.equal(after.stdout, "0000:3b:00.0/vf0: set vlan 130\n", after.stderr);
  assert.match((await run("history")).stdout, / done +sriovctl .*hook libvirt web1 release/);
});

/** As libvirt tells of an interface that has its VF from a pool, but for while it has it. */
const fromPool = xml
  .replace("<interface type='hostdev' managed='yes'>", "<interface type='network'>")
  .replace(/<source>\s*<address type='pci'.*?<\/source>/s, "<source network='tenants'/>");

test("a VF from a pool is set when libvirt has chosen it, and after the guest had it", async (context) => {
  const { hook, want, run, spec } = await machine(context, specText(7));
  want(specText(120));
  assert.equal(hook("prepare", fromPool).stdout, "");
  assert.equal(hook("start").stdout, "0000:3b:00.0/vf0: set vlan 120\n");
  want(specText(130));
  const after = hook("release", fromPool);
  assert.equal(after.stdout, "0000:3b:00.0/vf0: set vlan 130\n", after.stderr);
  assert.equal((await run("drift", "-f", spec)).exitCode, 0);
  want(specText(140));
  assert.equal(hook("release", fromPool).stdout, "", "it is remembered for one guest's life");
});

test("a guest that starts keeps the driver that libvirt has bound its VF to", async (context) => {
  const { hook, want } = await machine(context, specText(120));
  want(specText(130).replaceAll("vfio-pci", "kernel"));
  const withoutVlan = xml.replace(/<vlan>.*?<\/vlan>/s, "");
  const { status, stdout, stderr } = hook("start", withoutVlan);
  assert.deepEqual([status, stdout, stderr], [0, "0000:3b:00.0/vf0: set vlan 130\n", ""]);
});

test("a start is refused where libvirt would set something else than the spec says", async (context) => {
  const { hook, want } = await machine(context, specText(120));
  want(specText(121));
  const { status, stderr } = hook("prepare");
  assert.equal(status, 3);
  assert.match(stderr, /p0\/0 is to have VLAN 121: the domain's XML sets VLAN 120/);
  assert.match(stderr, /libvirt:web1 must not start/);
});

test("a start is refused where the domain has another VF than the spec gives it", async (context) => {
  const { hook } = await machine(context, specText(120, "net1"));
  const { status, stderr } = hook("prepare");
  assert.equal(status, 3);
  assert.match(stderr, /its net1 is 0000:3b:01\.0, wanted p0\/1 \(0000:3b:01\.1\)/);
});

test("what is sriovctl's own trouble is no refusal", async (context) => {
  const { hook, want, run } = await machine(context, specText(120));
  assert.equal(hook("prepare", "no XML").status, 2);
  want("apiVersion: sriovctl/v9\n");
  assert.equal(hook("prepare").status, 2);
  assert.equal((await run("hook", "xen", "web1", "prepare")).exitCode, 2);
  assert.deepEqual(await run("hook", "libvirt", "web1", "started"), {
    exitCode: 0,
    stdout: "",
    stderr: "",
  });
});

test("journals that cannot be read or written refuse no start", async (context) => {
  const { hook, want, state } = await machine(context, specText(7));
  want(specText(120));
  const journal = join(state, "emulated/demo/journal");
  rmSync(journal, { recursive: true });
  writeFileSync(journal, "");
  const { status, stderr } = hook("prepare");
  assert.equal(status, 2, stderr);
});

test("VFs in a VM's own lines and in its mappings are set", async (context) => {
  const { run, want, state } = await machine(context, specText(7));
  const pve = join(state, "emulated/demo.root/etc/pve");
  mkdirSync(join(pve, "qemu-server"), { recursive: true });
  mkdirSync(join(pve, "mapping"));
  writeFileSync(join(pve, "qemu-server/101.conf"), "hostpci0: mapping=nic,pcie=1\n");
  writeFileSync(join(pve, "mapping/pci.cfg"), "nic\n\tmap node=pve,path=0000:3b:01.0\n");
  want(specText(120));
  const started = await run("hook", "pve", "101", "pre-start");
  assert.equal(started.stdout, "0000:3b:00.0/vf0: set vlan 120\n", started.stderr);
});

test("a VM of Proxmox VE gets the VFs that the spec assigns to it", async (context) => {
  const assigned = specText(120).replace("libvirt:web1/acc0", "pve:101/hostpci0");
  const { run, want } = await machine(context, assigned);
  want(assigned.replace(`"trust":true`, `"trust":false`));
  const started = await run("hook", "pve", "101", "pre-start", "--json");
  assert.deepEqual(
    [started.exitCode, JSON.parse(started.stdout).changes],
    [0, [{ target: "0000:3b:00.0/vf1", words: "set trust off" }]],
  );
  assert.equal((await run("hook", "pve", "102", "pre-start")).stdout, "");
});

test("enable installs the hooks alone, disable removes them", async (context) => {
  const site = temporaryDirectory(context);
  const libvirt = join(site, "etc/libvirt/hooks/qemu.d/90-sriovctl");
  const pve = join(site, "var/lib/vz/snippets/sriovctl");
  const run = (...argv: readonly string[]) => runProgram([...argv, "--root", site]);
  const enabled = await run("enable", "--libvirt-hook", "--pve-hookscript", "--strict");
  assert.equal(enabled.exitCode, 0, enabled.stderr);
  assert.match(enabled.stdout, /Restart libvirtd .*\n.*qm set VMID --hookscript/);
  for (const path of [libvirt, pve]) {
    assert.equal(statSync(path).mode & 0o777, 0o755);
    assert.match(readFileSync(path, "utf8"), /so the guest is not started/);
  }
  assert.ok(!existsSync(join(site, "etc/systemd/system/sriovctl-apply.service")));
  await run("enable", "--libvirt-hook");
  assert.match(readFileSync(libvirt, "utf8"), /and the guest goes on without it/);
  assert.equal((await run("disable")).exitCode, 0);
  assert.ok(!existsSync(libvirt) && !existsSync(pve));
  assert.equal((await run("enable", "--strict")).exitCode, 2);
});
