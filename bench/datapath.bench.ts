// What a frame costs on the emulated card, end to end: a guest posts it and rings the doorbell, the
// card reads descriptor and frame through the IOMMU, the switch decides, the frame is written
// into the receiver's ring, and the receiver takes it and posts the buffer again. CPU time, the sizes
// interleaved.

import { allPairs } from "../src/eswitch/all-pairs.ts";
import type { SwitchState } from "../src/eswitch/switch-state.ts";
import { endCode } from "../src/host/emulated/datapath/frame-ends.ts";
import { devicePages, GuestDriver } from "../src/host/emulated/datapath/guest-driver.ts";
import { GuestMemory } from "../src/host/emulated/datapath/guest-memory.ts";
import { Iommu } from "../src/host/emulated/datapath/iommu.ts";
import { Mmio } from "../src/host/emulated/datapath/mmio.ts";
import { Nic, packetBufferBytes } from "../src/host/emulated/datapath/nic.ts";
import { PfDriver } from "../src/host/emulated/datapath/pf-driver.ts";
import { pageBytes, Ram } from "../src/host/emulated/datapath/ram.ts";
import { frameBytes } from "../src/host/emulated/datapath/traffic.ts";
import { cpuMsOf, printRows, type BenchRow } from "./row.ts";
import { sceneOf, vfMac } from "./switch-scene.ts";

const shape = { ringLength: 16, bufferBytes: 2048 };
const burst = 8;
const tenantVfs = 8;
const sizeBytes = 64;
const rounds = 9;
const framesPerRound = 1 << 19;

const space = {
  pf: { registers: { base: 2 ** 32, sizeBytes: 1 << 16 }, msix: null },
  vf: {
    registers: { base: 2 ** 33, sizeBytes: 1 << 14 },
    msix: { base: 2 ** 34, sizeBytes: 1 << 14 },
  },
};

type Tenant = { readonly nic: Nic; readonly drivers: readonly GuestDriver[] };

/** Cards with a guest on each VF, in one host's memory; by tenant, who has a VLAN for itself. */
function tenantsOf(numCards: number, numVfs: number): readonly Tenant[] {
  const pages = devicePages(shape.ringLength, shape.bufferBytes);
  const ram = new Ram(numCards * numVfs * pages, packetBufferBytes);
  return Array.from({ length: numCards }, () => {
    const driver = new PfDriver(sceneOf(numVfs, numVfs + 1));
    const iommu = new Iommu(numVfs + 1, null);
    const nic = new Nic({ driver, ram, packetBuffer: ram.end, iommu });
    const mmio = new Mmio(nic, space);
    return Array.from({ length: numVfs / tenantVfs }, (_, tenant) => ({
      nic,
      drivers: Array.from({ length: tenantVfs }, (_unused, at) => {
        const memory = new GuestMemory(ram, iommu, pages);
        return startGuest(nic, mmio, { memory, port: tenant * tenantVfs + at });
      }),
    }));
  }).flat();
}

/** Its buffers have frames for each other VF of its VLAN in turn. */
function startGuest(nic: Nic, mmio: Mmio, guest: { memory: GuestMemory; port: number }) {
  const { memory, port } = guest;
  const { iommu, canMaster, msix } = nic.functions;
  iommu.attach(port, memory.domain);
  canMaster[port] = 1;
  msix.setOpen(port, true);
  const driver = new GuestDriver({ mmio, port, memory, firstPage: 0, ...shape });
  driver.start();
  const first = port - (port % tenantVfs);
  for (let slot = 0; slot < shape.ringLength; slot++) {
    const to = first + ((port + 1 + (slot % (tenantVfs - 1))) % tenantVfs);
    const macs = { destination: vfMac(to), source: vfMac(port) };
    driver.post(frameBytes({ ...macs, tag: null, sizeBytes }));
  }
  driver.start();
  return driver;
}

/** One tenant after the other, so that as many frames are under way whatever the number of VFs. */
function sendAll(tenants: readonly Tenant[]): void {
  let left = framesPerRound;
  for (let at = 0; left > 0; at = at + 1 === tenants.length ? 0 : at + 1) {
    const tenant = tenants[at];
    if (tenant === undefined) return;
    for (const driver of tenant.drivers) {
      for (let nth = 0; nth < burst; nth++) driver.postBuffer(sizeBytes);
      driver.kick();
    }
    tenant.nic.run();
    for (const driver of tenant.drivers) driver.receive();
    left -= tenantVfs * burst;
  }
}

type Copies = { readonly ram: Ram; readonly to: Int32Array; readonly from: Int32Array };

/** From each sender's buffers into the receivers', in the order in which the card does it. */
function copiesOf(tenants: readonly Tenant[]): Copies {
  const { ringLength, bufferBytes } = shape;
  const firstBuffer = devicePages(0, bufferBytes) * pageBytes;
  const pairs = tenants.flatMap(({ drivers }) =>
    drivers.flatMap(({ memory }, at) =>
      Array.from({ length: ringLength }, (_, slot) => {
        const receiver = drivers[(at + 1 + (slot % (tenantVfs - 1))) % tenantVfs]?.memory ?? memory;
        const buffer = firstBuffer + slot * bufferBytes;
        return [
          receiver.hostAddress(buffer + ringLength * bufferBytes),
          memory.hostAddress(buffer),
        ] as const;
      }),
    ),
  );
  const [to, from] = [0, 1].map((side) => Int32Array.from(pairs, (pair) => pair[side] ?? 0));
  const ram = tenants[0]?.drivers[0]?.memory.ram;
  if (ram === undefined || to === undefined || from === undefined) throw new Error("no guests");
  return { ram, to, from };
}

/** The bytes of as many frames, and nothing else. */
function copyAll({ ram, to, from }: Copies): void {
  for (let left = framesPerRound; left > 0; left -= to.length) {
    const length = Math.min(left, to.length);
    for (let at = 0; at < length; at++) ram.copy(to[at] ?? 0, from[at] ?? 0, sizeBytes);
  }
}

const median = (values: readonly number[]): number =>
  values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;

function endToEnd(): BenchRow[] {
  const large = tenantsOf(1, 4096);
  // The last one is a tenant among idle ones: what the card's own tables cost, without the memory.
  const hosts = [tenantsOf(1, 8), tenantsOf(1, 256), large, tenantsOf(512, 8), large.slice(0, 1)];
  const copies = hosts.slice(0, 3).map(copiesOf);
  const works = [
    ...hosts.map((tenants) => () => sendAll(tenants)),
    ...copies.map((own) => () => copyAll(own)),
  ];
  for (const work of works) work();
  const nsByRound = Array.from({ length: rounds }, () =>
    works.map((work) => (cpuMsOf(work) * 1e6) / framesPerRound),
  );
  for (const { nic } of hosts.flat()) {
    const isWhole = nic.ends.every((frames, end) => (end === endCode.delivered) === frames > 0);
    if (!isWhole) throw new Error(`Frames were lost: ${[...nic.ends].join(" ")}`);
  }
  const nsOf = (at: number): string => median(nsByRound.map((row) => row[at] ?? NaN)).toFixed(0);
  const growth = median(nsByRound.map(([few = 0, , many = 0]) => many / few));
  const ofCard = median(nsByRound.map(([, , many = 0, apart = 0]) => many / apart));
  const ofTables = median(nsByRound.map(([few = 0, , , , alone = 0]) => alone / few));
  const perSecond = 1000 / Number(nsOf(1));
  return [
    {
      what: "emulated frame end to end, 256 VFs, 64 bytes",
      measured: `${perSecond.toFixed(2)} M a CPU-second (${nsOf(1)} ns)`,
      goal: ">= 1 M a CPU-second",
      isMet: perSecond >= 1,
    },
    {
      what: "its cost from 8 to 4,096 VFs, 8 of them busy",
      measured: `${ofTables.toFixed(2)} x (${nsOf(0)}, ${nsOf(4)} ns)`,
      goal: "<= 1.5 x",
      isMet: ofTables <= 1.5,
    },
    {
      what: "its cost from 8 to 4,096 VFs, all of them busy",
      measured: `${growth.toFixed(2)} x (${nsOf(0)}, ${nsOf(1)}, ${nsOf(2)} ns)`,
      goal: "<= 1.5 x",
      isMet: growth <= 1.5,
    },
    {
      what: "copying those 64 bytes alone, 8, 256, 4,096 VFs",
      measured: `${nsOf(5)}, ${nsOf(6)}, ${nsOf(7)} ns`,
      goal: "-",
      isMet: null,
    },
    {
      what: "4,096 guests on one card / on 512 cards of 8 VFs",
      measured: `${ofCard.toFixed(2)} x (${nsOf(2)}, ${nsOf(3)} ns)`,
      goal: "-",
      isMet: null,
    },
  ];
}

function pairsRow(): BenchRow {
  const numVfs = 256;
  const scene = sceneOf(numVfs, numVfs + 33);
  const { filter } = scene.pfPort;
  // Half of the bridge's guests are in the card's filter.
  const others = Array.from({ length: 32 }, (_, at) => `5e:54:00:00:00:${(at + 16).toString(16)}`);
  const guests = [...(filter ?? []), ...others].map((mac, at) => ({ mac, port: `tap${at}` }));
  const state: SwitchState = { ...scene, pfPort: { ...scene.pfPort, bridge: "br0", guests } };
  let pairs = 0;
  // The first call has the compiler's work in it, as in a command.
  const ms = cpuMsOf(() => {
    pairs = allPairs(state).reach.flat().length;
  });
  return {
    what: `trace --all-pairs, 256 VFs and ${guests.length} bridge guests`,
    measured: `${ms.toFixed(0)} ms CPU (${pairs.toLocaleString("en-US")} pairs)`,
    goal: "<= 1,000 ms",
    isMet: ms <= 1000,
  };
}

printRows([pairsRow(), ...endToEnd()]);
