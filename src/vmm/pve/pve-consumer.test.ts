// VFs for VMs of Proxmox VE, on a tree of its files and a qm that takes the arguments of its manual
// page alone, and does to the files what the real one does. No Proxmox VE was at hand.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { plugTo } from "../../../test/plug-to.ts";
import { SriovError } from "../../model/errors.ts";
import type { Plug } from "../../model/plug.ts";

import type { RunProgram } from "../program.ts";
import { pveConsumer } from "./pve-consumer.ts";

const folders: string[] = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

const vf = "0000:3b:02.1";

/** qm(1): `qm set <vmid> [OPTIONS]`; the value as pve-qm-hostpci has it in PVE::QemuServer::PCI. */
const pciId = "(?:[a-f0-9]{4,}:)?[a-f0-9]{2}:[a-f0-9]{2}(?:\\.[a-f0-9])?";
const hostpci = new RegExp(`^(?:host=)?${pciId}(?:;${pciId})*(?:,(?:pcie|rombar|x-vga)=[01])*$`);

class Proxmox {
  readonly root = mkdtempSync(join(tmpdir(), "sriovctl-pve-"));
  readonly said: string[] = [];
  readonly alive = new Set<number>();

  constructor(files: Readonly<Record<string, string>>) {
    folders.push(this.root);
    for (const [path, text] of Object.entries(files)) this.write(path, text);
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  text = (vmid: string): string => readFileSync(join(this.root, conf(vmid)), "utf8");

  /** Its process runs, with what its configuration says now. */
  start(vmid: string, pid: number, has: readonly string[]): void {
    this.alive.add(pid);
    this.write(`/run/qemu-server/${vmid}.pid`, `${pid}\n`);
    const lines = has.map((address) => `${address} ${vmid} pid:${pid}\n`);
    this.write("/run/qemu-server/pci-id-reservations", lines.join(""));
  }

  readonly run: RunProgram = async (words) => {
    const line = words.join(" ");
    this.said.push(line);
    const [program, verb, vmid = "", option = "", value = "", ...rest] = words;
    assert.deepEqual([program, verb, rest], ["qm", "set", []], line);
    assert.match(vmid, /^[1-9][0-9]{2,8}$/);
    if (option === "--delete" || option === "--revert") assert.match(value, /^hostpci[0-9]+$/);
    else {
      assert.match(option, /^--hostpci(?:[0-9]|1[0-5])$/);
      assert.match(value, hostpci);
    }
    const locked = /^lock: (\S+)/m.exec(this.text(vmid))?.[1];
    if (locked === undefined) this.#set(vmid, option, value);
    return {
      stdout: Buffer.from(locked === undefined ? `update VM ${vmid}: ${option.slice(1)}\n` : ""),
      stderr: Buffer.from(locked === undefined ? "" : `VM is locked (${locked})\n`),
      end: { status: "exited", exitCode: locked === undefined ? 0 : 25 },
    };
  };

  /** PVE::API2::Qemu update_vm(): of a VM that runs, in the section of what is pending. */
  #set(vmid: string, option: string, value: string): void {
    const [now = "", pending = ""] = this.text(vmid).split(/^\[PENDING\]\n/m);
    const isRunning = /./s.test(this.#pid(vmid));
    const without = (text: string, key: string): string =>
      text.replace(new RegExp(`^${key}: .*\n`, "m"), "");
    const key = option === "--delete" || option === "--revert" ? value : option.slice(2);
    const waiting = without(without(pending, key), "delete");
    const line = `${key}: ${value}\n`;
    if (option === "--revert") this.#write(vmid, now, waiting);
    else if (option === "--delete") {
      if (isRunning && now.includes(`${key}: `))
        this.#write(vmid, now, `${waiting}delete: ${key}\n`);
      else this.#write(vmid, without(now, key), waiting);
    } else if (isRunning) this.#write(vmid, now, waiting + line);
    else this.#write(vmid, without(now, key) + line, waiting);
  }

  #pid(vmid: string): string {
    try {
      return readFileSync(join(this.root, `/run/qemu-server/${vmid}.pid`), "utf8");
    } catch {
      return "";
    }
  }

  #write(vmid: string, now: string, pending: string): void {
    this.write(conf(vmid), now + (pending === "" ? "" : `[PENDING]\n${pending}`));
  }
}

const conf = (vmid: string): string => `/etc/pve/qemu-server/${vmid}.conf`;

const world = (files: Readonly<Record<string, string>>) => {
  const proxmox = new Proxmox(files);
  const { run, root, alive } = proxmox;
  return { proxmox, adapter: pveConsumer({ run, root, isAlive: (pid) => alive.has(pid) }) };
};

const place = { pf: "0000:3b:00.0", vfIndex: 1, vf, scope: "both" } as const;
const plug = (more: Partial<Plug> = {}): Plug => plugTo("pve:103/hostpci0", { ...place, ...more });

const q35 = "cores: 2\nmachine: pc-q35-9.0\nname: web1\n";
const release = { deadlineMs: 1000, isForced: false };

test("a VM that is off gets the VF and loses it by qm", async () => {
  const { proxmox, adapter } = world({ [conf("103")]: q35 });
  assert.deepEqual(await adapter.check(plug()), []);
  const plugged = await adapter.plug(plug(), 1000);
  assert.deepEqual(plugged, {
    isLive: null,
    isPersistent: true,
    mac: null,
    vlan: null,
    device: "hostpci0",
    notes: [],
  });
  await adapter.plug(plug(), 1000);
  assert.deepEqual(proxmox.said, [`qm set 103 --hostpci0 ${vf},pcie=1`]);
  assert.deepEqual(await adapter.unplug(plug(), release), { status: "done" });
  await adapter.unplug(plug(), release);
  assert.deepEqual(proxmox.said.slice(1), ["qm set 103 --delete hostpci0"]);
  assert.equal(proxmox.text("103"), q35);
});

test("on a conventional machine it is no PCIe device", async () => {
  const { proxmox, adapter } = world({ [conf("103")]: "cores: 2\n" });
  await adapter.plug(plug(), 1000);
  assert.deepEqual(proxmox.said, [`qm set 103 --hostpci0 ${vf}`]);
});

test("a VM that runs gets it at its next start, and thinks better of it", async () => {
  const { proxmox, adapter } = world({ [conf("103")]: `${q35}[snap]\nhostpci0: ${vf}\n` });
  proxmox.start("103", 812, []);
  const plugged = await adapter.plug(plug(), 1000);
  assert.deepEqual([plugged.isLive, plugged.isPersistent], [null, true]);
  assert.deepEqual(plugged.notes, ["from the VM's next start"]);
  assert.deepEqual(await adapter.unplug(plug(), release), { status: "done" });
  assert.equal(proxmox.said.at(-1), "qm set 103 --revert hostpci0");
  assert.equal((await adapter.look(plug())).isPersistent, false);
});

test("a VM that runs with it keeps it until it stops", async () => {
  const { proxmox, adapter } = world({ [conf("103")]: `${q35}hostpci0: ${vf},pcie=1\n` });
  proxmox.start("103", 812, [vf]);
  assert.equal((await adapter.look(plug())).isLive, true);
  const unplugged = await adapter.unplug(plug(), release);
  assert.deepEqual(unplugged, {
    status: "pending",
    message: `VM 103 has ${vf} until it stops; its next start is without it`,
    hint: "Stop it: qm shutdown 103",
  });
  const { isLive, isPersistent, notes } = await adapter.look(plug());
  assert.deepEqual([isLive, isPersistent, notes], [true, false, ["until the VM stops"]]);
  await adapter.plug(plug(), 1000);
  assert.equal(proxmox.said.at(-1), "qm set 103 --revert hostpci0");
  assert.equal((await adapter.look(plug())).isPersistent, true);
});

test("what stands in the way is said before qm is asked", async () => {
  const base = { [conf("103")]: q35 };
  const mapping = {
    "/etc/hostname": "node1\n",
    "/etc/pve/mapping/pci.cfg": `nic\n\tmap id=8086:1889,node=node1,path=${vf}\n`,
  };
  type Row = readonly [
    files: Readonly<Record<string, string>>,
    more: Partial<Plug>,
    expected: RegExp,
  ];
  const rows: readonly Row[] = [
    [{}, {}, /^Cannot find VM 103: this node has none of that number$/],
    [base, { scope: "live" }, /gives PCI devices to a VM at its start only$/],
    [base, { failover: "net0" }, /has no failover pairs$/],
    [{ [conf("103")]: `lock: backup\n${q35}` }, {}, /its configuration is locked \(backup\)$/],
    [{ [conf("103")]: `${q35}hostpci0: 0000:5e:00.0\n` }, {}, /its hostpci0 is 0000:5e:00\.0$/],
    [{ [conf("103")]: `${q35}hostpci1: ${vf}\n` }, {}, /VM 103: it has it as hostpci1$/],
    [{ ...base, [conf("104")]: `hostpci2: ${vf}\n` }, {}, /VM 104 has it as hostpci2$/],
    [
      { ...base, ...mapping, [conf("104")]: "hostpci2: mapping=nic\n" },
      {},
      /VM 104 has it as hostpci2$/,
    ],
    [
      { ...base, "/run/qemu-server/pci-id-reservations": `${vf} 105 time:99999999999\n` },
      {},
      /VM 105 has reserved it$/,
    ],
  ];
  for (const [files, more, expected] of rows) {
    const { proxmox, adapter } = world(files);
    const problems = await adapter.check(plug(more));
    assert.equal(problems.length, 1, String(expected));
    assert.match(problems[0]?.message ?? "", expected);
    assert.deepEqual(proxmox.said, []);
  }
  // A VM that went down without a word left its reservation behind, one that never came up too.
  for (const left of ["pid:812", "time:1000"]) {
    const stale = { ...base, "/run/qemu-server/pci-id-reservations": `${vf} 105 ${left}\n` };
    assert.deepEqual(await world(stale).adapter.check(plug()), []);
  }
});

test("what qm refuses comes with its own words", async () => {
  const { adapter } = world({ [conf("103")]: `lock: migrate\n${q35}` });
  await assert.rejects(adapter.plug(plug(), 1000), (error) => {
    assert.ok(error instanceof SriovError);
    assert.equal(error.code, "consumer-refused");
    assert.match(error.message, /qm says VM is locked \(migrate\)$/);
    return true;
  });
  await assert.rejects(world({}).adapter.plug(plug(), 1000), { code: "not-found" });
});
