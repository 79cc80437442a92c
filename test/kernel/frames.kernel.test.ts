// Real frames through the switch of an igb: between VFs in network namespaces, the PF, guests of a
// bridge on it and the wire. Each delivery is compared with what the model of src/eswitch says.
// What QEMU's igb did is pinned where the model leaves something open, and where the two differ:
// QEMU checks no source, hands groups back to their sender, gives what nobody wants to the PF, and
// takes VFs with group filters for the promiscuous PF (hw/net/igb_core.c igb_receive_assign()).

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import { join } from "node:path";
import { decide } from "../../src/eswitch/decide.ts";
import type { Frame, Port, Tag } from "../../src/eswitch/frame.ts";
import { switchStateOf, type SwitchState } from "../../src/eswitch/switch-state.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import type { Inventory } from "../../src/model/inventory.ts";
import { type Lab, bootLab } from "./lab.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { type LabTopology, fullTopology } from "./topology.ts";

const pf = "0000:01:00.0";
const topology: LabTopology = {
  ...fullTopology,
  slots: fullTopology.slots.filter(({ id }) => id === "port0"),
};

const macOf = {
  vf0: "02:00:00:00:00:00",
  vf1: "02:00:00:00:00:01",
  vf2: "02:00:00:00:00:02",
  vf3: "02:00:00:00:00:03",
  vf4: "02:00:00:00:00:04",
  vf5: "02:00:00:00:00:05",
  pf: "52:54:00:aa:00:00",
  wire: "52:54:00:cc:00:00",
  known: "02:00:00:00:00:77",
  guest: "02:00:00:00:00:78",
  nobody: "02:00:00:00:00:99",
  broadcast: "ff:ff:ff:ff:ff:ff",
  joined: "01:00:5e:00:00:99",
  group: "01:00:5e:11:22:33",
} as const;
type Name = keyof typeof macOf;
type Place = "vf0" | "vf1" | "vf2" | "vf3" | "vf4" | "vf5" | "pf" | "wire" | "guest";

/** Trunks 0, 1 (in VLAN 50 too, and in a group) and 5 (no spoof check); 2 and 3 in VLAN 100, 4 in
 * VLAN 200. `known` is in the PF's filter. */
const setUp = `
  sysctl -q -w net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.all.disable_ipv6=1
  for m in virtio_net igb 8021q bridge veth; do modprobe $m; done
  cd /sys/bus/pci/devices
  until pf=$(ls ${pf}/net 2> /dev/null) && [ -n "$pf" ]; do :; done
  wire=$(basename $(dirname $(grep -l ${macOf.wire} /sys/class/net/*/address)))
  ip link set $wire name wire; ip link set wire up
  ip link set $pf name pf0; ip link set pf0 up
  until grep -q 1 /sys/class/net/pf0/carrier; do :; done
  echo 0 > ${pf}/sriov_drivers_autoprobe
  echo 6 > ${pf}/sriov_numvfs
  for i in 0 1 2 3 4 5; do ip link set pf0 vf $i mac 02:00:00:00:00:0$i; done
  ip link set pf0 vf 2 vlan 100; ip link set pf0 vf 3 vlan 100
  ip link set pf0 vf 4 vlan 200 qos 3; ip link set pf0 vf 5 spoofchk off
  echo 1 > ${pf}/sriov_drivers_autoprobe
  modprobe igbvf
  for i in 0 1 2 3 4 5; do
    vf=$(basename $(readlink ${pf}/virtfn$i))
    [ -e $vf/driver ] || echo $vf > /sys/bus/pci/drivers_probe
    until name=$(ls $vf/net 2> /dev/null) && [ -n "$name" ]; do :; done
    ip netns add t$i; ip link set $name netns t$i
    ip -n t$i link set $name name v; ip -n t$i link set v up
  done
  for i in 0 1; do
    ip -n t$i link add link v name v.50 type vlan id 50; ip -n t$i link set v.50 up
  done
  ip -n t1 maddr add ${macOf.joined} dev v
  bridge fdb add ${macOf.known} dev pf0 self permanent
  until grep -q 1 /sys/class/net/pf0/carrier; do :; done
  for i in 0 1 2 3 4 5; do until ip -n t$i link show v | grep -q LOWER_UP; do sleep 0.1; done; done
  echo set up`;

const addBridge = `
  ip link add br0 type bridge; ip link set br0 up
  ip netns add g; ip link add tap0 type veth peer name v netns g
  ip -n g link set v address ${macOf.guest}; ip -n g link set v up
  ip link set tap0 master br0; ip link set tap0 up
  ip link set pf0 master br0
  until bridge link show dev pf0 | grep -q forwarding; do sleep 0.1; done
  until bridge link show dev tap0 | grep -q forwarding; do sleep 0.1; done`;

/** `seen`: who got it where the model is not certain, or wrong about QEMU. */
type Row = {
  readonly what: string;
  readonly from: Place;
  readonly to: Name;
  readonly source?: Name;
  readonly vlan?: number;
  readonly seen?: string;
};

const rows: readonly Row[] = [
  { what: "unicast to a VF", from: "vf0", to: "vf1" },
  { what: "unicast to the PF", from: "vf0", to: "pf" },
  { what: "unicast into the PF's filter", from: "vf0", to: "known" },
  { what: "unicast to nobody", from: "vf0", to: "nobody" },
  { what: "unicast to the wire's peer", from: "vf0", to: "wire" },
  { what: "the PF to a VF", from: "pf", to: "vf0" },
  { what: "the PF to the wire", from: "pf", to: "wire" },
  { what: "the wire to a VF", from: "wire", to: "vf0" },
  { what: "the wire to the PF", from: "wire", to: "pf" },
  { what: "the wire to nobody", from: "wire", to: "nobody", seen: "pf" },
  { what: "within a VLAN", from: "vf2", to: "vf3" },
  { what: "from a VLAN to the wire", from: "vf2", to: "nobody" },
  { what: "a priority on the wire", from: "vf4", to: "nobody" },
  { what: "into another VLAN", from: "vf2", to: "vf4", seen: "" },
  { what: "from no VLAN into one", from: "vf0", to: "vf2", seen: "" },
  { what: "from a VLAN into none", from: "vf2", to: "vf0", seen: "" },
  { what: "the wire into a VLAN", from: "wire", to: "vf2", vlan: 100 },
  { what: "the wire untagged to a VF with a VLAN", from: "wire", to: "vf2", seen: "pf" },
  { what: "the wire in another VLAN", from: "wire", to: "vf2", vlan: 200, seen: "pf@200" },
  { what: "the PF into a VLAN", from: "pf", to: "vf2", vlan: 100 },
  { what: "the PF from a VLAN", from: "vf2", to: "pf", seen: "" },
  {
    what: "between guests in a VLAN of their own",
    from: "vf0",
    to: "vf1",
    vlan: 50,
    seen: "vf1@50",
  },
  { what: "to a guest that has not joined the VLAN", from: "vf0", to: "vf5", vlan: 50, seen: "" },
  { what: "a trunk that tags into a VLAN", from: "vf5", to: "vf2", vlan: 100 },
  { what: "a tag below a port VLAN", from: "vf2", to: "vf3", vlan: 50, seen: "vf3@50" },
  { what: "spoofed, with the check off", from: "vf5", to: "vf0", source: "nobody" },
  { what: "spoofed, with the check on", from: "vf0", to: "vf1", source: "nobody", seen: "vf1" },
  {
    what: "spoofed from a VLAN to the wire",
    from: "vf2",
    to: "nobody",
    source: "guest",
    seen: "wire@100",
  },
  { what: "the PF with another source", from: "pf", to: "vf0", source: "nobody" },
  { what: "broadcast of a VF", from: "vf0", to: "broadcast", seen: "pf vf0 vf1 vf5 wire" },
  { what: "broadcast in a VLAN", from: "vf2", to: "broadcast", seen: "vf2 vf3 wire@100" },
  { what: "broadcast of the PF", from: "pf", to: "broadcast", seen: "pf vf0 vf1 vf5 wire" },
  { what: "broadcast from the wire", from: "wire", to: "broadcast" },
  {
    what: "broadcast from the wire in a VLAN",
    from: "wire",
    to: "broadcast",
    vlan: 100,
    seen: "vf2 vf3",
  },
  {
    what: "multicast that one guest has joined",
    from: "vf0",
    to: "joined",
    seen: "pf vf0 vf1 vf5 wire",
  },
  { what: "multicast that nobody has joined", from: "vf0", to: "group", seen: "wire" },
];

const bridgeRows: readonly Row[] = [
  { what: "the bridge's guest to a VF", from: "guest", to: "vf0" },
  { what: "a VF to the bridge's guest", from: "vf0", to: "guest", seen: "vf0 vf1 vf5 wire" },
  { what: "a VF to a guest in the filter", from: "vf0", to: "known" },
  {
    what: "a VF to nobody, past a promiscuous PF",
    from: "vf0",
    to: "nobody",
    seen: "vf0 vf1 vf5 wire",
  },
  { what: "the wire to the bridge's guest", from: "wire", to: "guest", seen: "vf0 vf1 vf5" },
  { what: "the wire to a VF, past a promiscuous PF", from: "wire", to: "vf0" },
  {
    what: "broadcast of a VF to bridge and guests",
    from: "vf0",
    to: "broadcast",
    seen: "pf vf0 vf1 vf5 wire",
  },
];

type Seen = { readonly id: number; readonly port: string; readonly tags: readonly number[] };

const portOf = (place: Place): Port =>
  place === "wire"
    ? { kind: "uplink" }
    : place === "pf" || place === "guest"
      ? { kind: "pf" }
      : { kind: "vf", vfIndex: Number(place.slice(2)) };

const placeOf = (port: Port): string =>
  port.kind === "vf" ? `vf${port.vfIndex}` : port.kind === "pf" ? "pf" : "wire";

const tagsText = (tags: readonly number[]): string =>
  tags.map((tci) => `${tci & 0xfff}${tci >> 13 === 0 ? "" : `p${tci >> 13}`}`).join("+");
const seenText = (place: string, tags: readonly number[]): string =>
  tags.length === 0 ? place : `${place}@${tagsText(tags)}`;
const tciOf = ({ id, qos }: Tag): number => id | (qos << 13);

const frameOf = ({ from, to, source, vlan }: Row): Frame => ({
  destination: macOf[to],
  source: macOf[source ?? from],
  tag: vlan === undefined ? null : { id: vlan, qos: 0, protocol: "802.1q" },
  etherType: 0x88b5,
  sizeBytes: 60,
});

/** What the model is certain of; null where it leaves something open. */
function expected(state: SwitchState, row: Row): string | null {
  const { deliveries } = decide(state, frameOf(row), portOf(row.from));
  if (deliveries.some(({ certainty }) => certainty !== "yes")) return null;
  return deliveries
    .map(({ port, tags }) => seenText(placeOf(port), tags.map(tciOf)))
    .toSorted()
    .join(" ");
}

const python = "/usr/bin/python3";
const skip = labSkipReason() || (existsSync(python) ? false : `${python} is not installed`);

suite("frames through an igb", { skip }, () => {
  let lab: Lab;
  before(async () => {
    lab = await bootLab({ topology });
    await lab.check(setUp, { timeoutMs: 120_000 });
  });
  after(() => lab?.close());

  async function readState(): Promise<SwitchState> {
    const script = join(import.meta.dirname, "read-switch.ts");
    const printed = await lab.check(["node", script], { timeoutMs: 120_000 });
    const { inventory, nics }: { inventory: Inventory; nics: HostFacts["nics"] } =
      JSON.parse(printed);
    const found = inventory.physicalFunctions.find(({ address }) => address === pf);
    assert.ok(found !== undefined);
    const state = switchStateOf(found, { nics } as HostFacts);
    // Otherwise everything that is missed is open, and nothing is compared.
    assert.notEqual(state?.pfPort.filter ?? null, null, "the PF's filter was read");
    assert.ok(state !== null);
    return state;
  }

  async function send(sent: readonly Row[], places: readonly Place[]): Promise<string[]> {
    const wish = {
      ports: places.map((name) => ({
        name,
        netns: name === "guest" ? "g" : name.startsWith("vf") ? `t${name.slice(2)}` : null,
        device: name === "wire" ? "wire" : name === "pf" ? "pf0" : "v",
        promiscuous: name === "wire",
      })),
      frames: sent.map((row, id) => {
        const { destination, source } = frameOf(row);
        const tags = row.vlan === undefined ? [] : [row.vlan];
        return { id, from: row.from, destination, source, tags };
      }),
    };
    const probe = join(import.meta.dirname, "frames-probe.py");
    const printed = await lab.check(`${python} ${probe} <<'END'\n${JSON.stringify(wish)}\nEND`, {
      timeoutMs: 120_000,
    });
    const seen: readonly Seen[] = JSON.parse(printed);
    return sent.map((_, id) =>
      seen
        // What the bridge does with a frame that the PF got is not the card's doing.
        .filter((each) => each.id === id && each.port !== "guest")
        .map(({ port, tags }) => seenText(port, tags))
        .toSorted()
        .join(" "),
    );
  }

  /** `what -> seen`, of all rows at once, so that a difference shows with the others around it. */
  async function compare(sent: readonly Row[], places: readonly Place[]): Promise<void> {
    const state = await readState();
    const seen = await send(sent, places);
    const text = (of: (row: Row, at: number) => string): string[] =>
      sent.map((row, at) => `${row.what} -> ${of(row, at)}`);
    assert.deepEqual(
      text((_, at) => seen[at] ?? ""),
      text((row) => row.seen ?? expected(state, row) ?? "left open: pin what is seen"),
    );
    // A pin that says what the model says anyway is none.
    const idle = sent.filter((row) => row.seen !== undefined && row.seen === expected(state, row));
    assert.deepEqual(idle, []);
  }

  const places: readonly Place[] = ["vf0", "vf1", "vf2", "vf3", "vf4", "vf5", "pf", "wire"];

  test("between VFs, PF and wire", () => compare(rows, places));

  test("with the PF in a bridge", async () => {
    await lab.check(addBridge, { timeoutMs: 60_000 });
    await compare(bridgeRows, [...places, "guest"]);
  });
});
