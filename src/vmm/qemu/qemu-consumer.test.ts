// What is said of a VM before a VF goes there, and how a VF goes in and out, by the answers of QEMU
// 10.0.2 on machines q35 and pc. test/kernel/attach-qemu.kernel.test.ts has real VFs and guests.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { plugTo } from "../../../test/plug-to.ts";
import type { Plug } from "../../model/plug.ts";
import { qemuConsumer } from "./qemu-consumer.ts";

const vf = "0000:01:10.0";

type Answers = Readonly<Record<string, unknown>>;

/** Entries of qom-list as `name: type`. */
const entries = (text: string): unknown =>
  text
    .trim()
    .split(/\s+/)
    .map((word) => ({ name: word.split(":")[0], type: word.split(":")[1] }));

const peripheral = "/machine/peripheral";
const portEntries = (id: string): unknown =>
  entries(`type:string parent_bus:link<bus> hotplug:bool ${id}:child<PCIE> chassis:uint8`);

/** rp1 has a switch in it, rp2 takes no hot-plug, `down` is the switch's port and free. */
const q35: Answers = {
  "query-name": { name: "web1" },
  "query-status": { status: "running", running: true },
  "qom-list /machine": entries("type:string q35:child<q35-pcihost>"),
  "qom-list /machine/q35": entries("type:string pcie.0:child<PCIE>"),
  [`qom-list ${peripheral}`]: entries(
    "type:string up:child<x3130-upstream> rp1:child<pcie-root-port> net0:child<virtio-net-pci> rp2:child<pcie-root-port> down:child<xio3130-downstream>",
  ),
  "qom-list /machine/peripheral-anon": entries("type:string device[0]:child<pcie-root-port>"),
  "qom-list /machine/peripheral-anon/device[0]": portEntries("pcie.1"),
  "qom-list /machine/peripheral-anon/device[0]/pcie.1": entries("child[0]:link<virtio-blk-pci>"),
  "qom-get /machine/peripheral-anon/device[0] hotplug": true,
  [`qom-list ${peripheral}/rp1`]: portEntries("rp1"),
  [`qom-list ${peripheral}/rp2`]: portEntries("rp2"),
  [`qom-list ${peripheral}/down`]: portEntries("down"),
  [`qom-list ${peripheral}/rp1/rp1`]: entries("type:string child[0]:link<x3130-upstream>"),
  [`qom-list ${peripheral}/rp2/rp2`]: entries("type:string realized:bool"),
  [`qom-list ${peripheral}/down/down`]: entries("type:string realized:bool"),
  [`qom-get ${peripheral}/rp1 hotplug`]: true,
  [`qom-get ${peripheral}/rp2 hotplug`]: false,
  [`qom-get ${peripheral}/down hotplug`]: true,
  [`qom-get ${peripheral}/net0 failover`]: true,
  [`qom-get ${peripheral}/net0 mac`]: "52:54:00:00:00:01",
  [`x-query-virtio-status ${peripheral}/net0/virtio-backend`]: {
    "guest-features": { "dev-features": ["VIRTIO_NET_F_STANDBY: Device acting as standby"] },
  },
};

const withVf0: Answers = {
  ...q35,
  [`qom-list ${peripheral}`]: entries(
    "rp1:child<pcie-root-port> down:child<xio3130-downstream> vf0:child<vfio-pci>",
  ),
  [`qom-list ${peripheral}/down/down`]: entries("child[0]:link<vfio-pci>"),
  [`qom-get ${peripheral}/vf0 host`]: vf,
  [`qom-get ${peripheral}/vf0 parent_bus`]: `${peripheral}/down/down`,
  [`qom-get ${peripheral}/vf0 failover_pair_id`]: "",
};

const pc: Answers = {
  "query-name": {},
  "qom-list /machine": entries("type:string i440fx:child<i440FX-pcihost>"),
  "qom-list /machine/i440fx": entries("type:string pci.0:child<PCI>"),
  [`qom-list ${peripheral}`]: entries("type:string"),
  "qom-list /machine/peripheral-anon": entries("type:string"),
};

type Machine = {
  readonly endpoint: string;
  readonly root: string;
  /** Commands that change something, in their order. */
  readonly changes: readonly string[];
};

/** QEMU as far as its answers go; `changed` are those after a device_add or device_del. */
async function machineOf(
  context: TestContext,
  answers: Answers,
  changed: Answers = answers,
  event = "",
): Promise<Machine> {
  const root = mkdtempSync(join(tmpdir(), "qemu-vm-"));
  context.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, `sys/bus/pci/devices/${vf}`), { recursive: true });
  symlinkSync("../../7", join(root, `sys/bus/pci/devices/${vf}/iommu_group`));
  const endpoint = join(root, "qmp.sock");
  const changes: string[] = [];
  const server = createServer((socket) => {
    socket.write('{"QMP": {"version": {}, "capabilities": ["oob"]}}\r\n');
    socket.on("data", (chunk) => {
      for (const line of chunk.toString().trim().split("\n")) {
        const { execute, arguments: values, id } = JSON.parse(line);
        const isChange = execute.startsWith("device_");
        if (isChange) changes.push(`${execute} ${JSON.stringify(values)}`);
        const key = [execute, ...Object.values(values)].join(" ");
        const now = changes.length > 0 ? changed : answers;
        const known = isChange || execute === "qmp_capabilities" ? {} : now[key];
        const error = { class: "DeviceNotFound", desc: `no ${key}` };
        const reply = known === undefined ? { id, error } : { id, return: known };
        socket.write(`${JSON.stringify(reply)}\r\n${isChange ? event : ""}`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(endpoint, resolve));
  context.after(() => server.close());
  return { endpoint, root, changes };
}

const plugFor = (endpoint: string | null, more: Partial<Plug> = {}): Plug =>
  plugTo("qemu:web1/vf0", { vf, endpoint, ...more });

const named = (name: string, device: string): Pick<Plug, "consumer"> => ({
  consumer: { kind: "qemu", name, device },
});
const rp1Only: Answers = {
  ...q35,
  [`qom-list ${peripheral}`]: entries("rp1:child<pcie-root-port>"),
};
const unpaired: Answers = {
  ...q35,
  [`x-query-virtio-status ${peripheral}/net0/virtio-backend`]: {
    "guest-features": { "dev-features": ["VIRTIO_NET_F_MAC: Device has given MAC address"] },
  },
};
const failover = "net0";
const paired: Answers = {
  ...q35,
  [`qom-list ${peripheral}`]: entries("net0:child<virtio-net-pci> vf5:child<vfio-pci>"),
  [`qom-list ${peripheral}/down/down`]: entries("type:string"),
  [`qom-get ${peripheral}/vf5 host`]: "0000:01:10.4",
  [`qom-get ${peripheral}/vf5 failover_pair_id`]: "net0",
};

const rows: readonly (readonly [Answers, Partial<Plug>, ...messages: readonly RegExp[]])[] = [
  [q35, {}],
  [q35, { scope: "both" }],
  [q35, { failover, mac: "52:54:00:00:00:01" }],
  [withVf0, {}],
  [q35, { scope: "persistent" }, /^QEMU keeps no configuration of VM web1/],
  [q35, named("db1", "vf0"), /is the socket of VM web1$/],
  [q35, named("web1", "net0"), /^VM web1 has another device with ID net0$/],
  [withVf0, named("web1", "vf1"), /^VM web1 has VF 0000:01:10\.0 as vf0, wanted vf1$/],
  [withVf0, { failover }, /^vf0 of VM web1 has failover NIC none, wanted net0$/],
  [rp1Only, {}, /no free hot-pluggable port: of 2 ports 2 take hot-plug, all of them full$/],
  [pc, {}, /^The machine of VM web1 has no PCI Express/],
  [q35, { failover: "net9" }, /^VM web1 has no device net9 to stand in for the VF$/],
  [
    q35,
    { failover: "rp2" },
    /^rp2 of VM web1 cannot stand in: it was started without failover=on$/,
  ],
  [q35, { failover, mac: "02:00:00:00:00:01" }, /MAC 52:54:00:00:00:01, the VF 02:00:00:00:00:01/],
  [
    paired,
    { failover },
    /no free hot-pluggable port/,
    /^net0 of VM web1 stands in for vf5 already$/,
  ],
  [unpaired, { failover }, /^The guest of VM web1 has not taken net0 as a stand-in$/],
  [
    { ...pc, "query-name": { name: "web1" } },
    { vf: "0000:09:10.0", failover },
    /no PCI Express/,
    /no device net0/,
    /^VF 0000:09:10\.0 has no IOMMU group/,
  ],
];

for (const [answers, wish, ...messages] of rows) {
  const what = messages.map(String).join(" and ") || "nothing";
  test(`check finds ${what} for ${JSON.stringify(wish)}`, async (context) => {
    const { endpoint, root, changes } = await machineOf(context, answers);
    const problems = await qemuConsumer({ root }).check(plugFor(endpoint, wish));
    const said = problems.map(({ message }) => message);
    assert.equal(said.length, messages.length, said.join("\n"));
    messages.forEach((pattern, at) => assert.match(said[at] ?? "", pattern));
    assert.deepEqual(changes, []);
  });
}

test("a VF goes into the free port, once, and is read back", async (context) => {
  const { endpoint, root, changes } = await machineOf(context, q35, withVf0);
  const adapter = qemuConsumer({ root });
  const plug = plugFor(endpoint, { vfToken: "2ab74924-c335-45f4-9b16-8569e5b08258" });
  assert.equal((await adapter.look(plug)).device, null);
  const plugged = await adapter.plug(plug, 5000);
  assert.deepEqual(
    [plugged.device, plugged.isLive, plugged.notes],
    ["vf0", true, ["in port down"]],
  );
  assert.deepEqual(await adapter.plug(plug, 5000), plugged);
  assert.deepEqual(changes, [
    `device_add {"driver":"vfio-pci","host":"${vf}","id":"vf0","bus":"down","vf-token":"2ab74924-c335-45f4-9b16-8569e5b08258"}`,
  ]);
});

test("what QEMU only keeps for later is not said to be plugged", async (context) => {
  const { endpoint, root } = await machineOf(context, q35);
  const plug = plugFor(endpoint, { failover });
  await assert.rejects(qemuConsumer({ root }).plug(plug, 1000), {
    code: "consumer-refused",
    message: `VM web1 took VF ${vf} but does not have it`,
  });
});

test("a VF comes out when the guest lets go, and not twice", async (context) => {
  const event = '{"event": "DEVICE_DELETED", "data": {"device": "vf0", "path": "/x"}}\r\n';
  const { endpoint, root, changes } = await machineOf(context, withVf0, q35, event);
  const adapter = qemuConsumer({ root });
  const options = { deadlineMs: 5000, isForced: false };
  assert.deepEqual(await adapter.unplug(plugFor(endpoint), options), { status: "done" });
  assert.deepEqual(await adapter.unplug(plugFor(endpoint), options), { status: "done" });
  assert.deepEqual(changes, ['device_del {"id":"vf0"}']);
});

test("a guest that does not let go, or says no, is told apart", async (context) => {
  const options = { deadlineMs: 30, isForced: false };
  const idle = await machineOf(context, { ...withVf0, "query-status": { status: "paused" } });
  const waited = await qemuConsumer({ root: idle.root }).unplug(plugFor(idle.endpoint), options);
  assert.equal(waited.status, "pending");
  assert.match(waited.message, /has not let go of vf0 within 0 s: the VM is paused$/);
  const event =
    '{"event": "DEVICE_UNPLUG_GUEST_ERROR", "data": {"device": "vf0", "path": "/x"}}\r\n';
  const refusing = await machineOf(context, withVf0, withVf0, event);
  const unplug = qemuConsumer({ root: refusing.root }).unplug(plugFor(refusing.endpoint), options);
  await assert.rejects(unplug, { message: "The guest of VM web1 refuses to let go of vf0" });
});

test("a VF in a port without hot-plug is not asked for", async (context) => {
  const fixed: Answers = { ...withVf0, [`qom-get ${peripheral}/down hotplug`]: false };
  const { endpoint, root, changes } = await machineOf(context, fixed);
  const unplug = qemuConsumer({ root }).unplug(plugFor(endpoint), {
    deadlineMs: 5,
    isForced: true,
  });
  await assert.rejects(unplug, /vf0 of VM web1 is in port down, which takes no hot-plug/);
  assert.deepEqual(changes, []);
});

test("a VM without VFs is told what the first one pins", async (context) => {
  const memory: Answers = {
    ...q35,
    "query-memory-size-summary": { "base-memory": 2 ** 30, "plugged-memory": 0 },
    "query-balloon": { actual: 2 ** 29 },
    "qom-get /machine mem-merge": true,
  };
  const { endpoint, root } = await machineOf(context, memory);
  const { notes, isLive } = await qemuConsumer({ root }).look(plugFor(endpoint));
  assert.equal(isLive, false);
  assert.deepEqual(notes, [
    "a VF pins all 1024 MiB of the memory of web1 while it runs",
    "its balloon (512 MiB of 1024 MiB) no longer gives memory back",
    "the host can neither swap it nor merge it (KSM)",
  ]);
});

test("what keeps a VM from letting go while it runs is seen before", async (context) => {
  const rows: readonly (readonly [answers: Answers, says: RegExp | null])[] = [
    [withVf0, null],
    [q35, null],
    [{ ...withVf0, [`qom-get ${peripheral}/down hotplug`]: false }, /port down, which takes no/],
    [
      { ...withVf0, "query-status": { status: "paused" } },
      /VM web1 is paused, and a guest lets go/,
    ],
  ];
  for (const [answers, says] of rows) {
    const { endpoint, root, changes } = await machineOf(context, answers);
    const problems = await qemuConsumer({ root }).checkUnplug(plugFor(endpoint));
    assert.equal(problems.length, says === null ? 0 : 1);
    assert.match(problems[0]?.message ?? "", says ?? /^$/);
    assert.deepEqual(changes, []);
  }
});

test("with a VM that has ended its VF is out; one that is not found is said to be so", async (context) => {
  const root = mkdtempSync(join(tmpdir(), "qemu-none-"));
  context.after(() => rmSync(root, { recursive: true }));
  const adapter = qemuConsumer({ root });
  for (const endpoint of [null, join(root, "gone.sock")]) {
    const plug = plugFor(endpoint);
    const options = { deadlineMs: 5, isForced: false };
    assert.deepEqual(await adapter.unplug(plug, options), { status: "done" });
    await assert.rejects(adapter.look(plug), { code: "not-found" });
    assert.equal((await adapter.check(plug)).length, 1);
  }
});
