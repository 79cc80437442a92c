// VFs for namespaces, against two namespaces that answer the words of ip(8) as the kernel does; what
// they claim of names, marks and dying namespaces is seen on a real kernel in test/kernel.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { plugTo } from "../../../test/plug-to.ts";
import { SriovError } from "../../model/errors.ts";
import type { Plug } from "../../model/plug.ts";

import type { RunProgram } from "../program.ts";
import { netnsConsumer } from "./netns-consumer.ts";

const named = mkdtempSync(join(tmpdir(), "sriovctl-netns-"));
after(() => rmSync(named, { recursive: true }));
// Any namespace but the one of our own network passes for another one: nothing enters it here.
symlinkSync("/proc/self/ns/uts", join(named, "ci"));
symlinkSync("/proc/self/ns/net", join(named, "own"));
writeFileSync(join(named, "file"), "");

type Link = {
  ifname: string;
  ifindex: number;
  parentdev: string | null;
  address: string;
  altnames: string[];
  isUp: boolean;
  ips: string[];
};

const vf = "0000:01:10.0";

const link = (ifname: string, ifindex: number, parentdev: string | null = null): Link => ({
  ifname,
  ifindex,
  parentdev,
  address: "02:00:00:00:00:01",
  altnames: [],
  isUp: false,
  ips: [],
});

class Namespaces {
  host: Link[] = [link("lo", 1), link("enp1s16", 7, vf)];
  inside: Link[] = [link("lo", 1)];
  /** Commands that change something, from now until the power goes. */
  left = Number.POSITIVE_INFINITY;
  readonly said: string[] = [];
  container = { Running: true, Pid: 812 };

  readonly run: RunProgram = async (words) => {
    const isInside = words[0] === "nsenter";
    const program = isInside ? words.slice(2) : words;
    const text = this.#answer(program, isInside ? this.inside : this.host);
    const [stdout, stderr] = text instanceof Error ? ["", text.message] : [text, ""];
    return {
      stdout: Buffer.from(stdout),
      stderr: Buffer.from(stderr),
      end: { status: "exited", exitCode: stderr === "" ? 0 : 2 },
    };
  };

  #answer(words: readonly string[], links: Link[]): string | Error {
    const line = words.join(" ");
    if (line === "ip -details -json address show") return JSON.stringify(links.map(shown));
    if (words[1] === "inspect") return JSON.stringify(this.container);
    if (this.left-- <= 0) throw new Error("power failure");
    this.said.push(links === this.inside ? `inside ${line}` : line);
    return this.#change(words, links);
  }

  #change(words: readonly string[], links: Link[]): string | Error {
    const at = (key: string): string => words[words.indexOf(key) + 1] ?? "";
    const has = (key: string): boolean => words.includes(key);
    const one = links.find(({ ifname }) => ifname === at("dev"));
    if (one === undefined) return new Error(`Cannot find device "${at("dev")}"`);
    const taken = (list: readonly Link[], name: string): boolean =>
      list.some((each) => each !== one && (each.ifname === name || each.altnames.includes(name)));
    if (words[1] === "address") one.ips.push(words[3] ?? "");
    else if (has("property")) {
      const altname = at("altname");
      one.altnames = one.altnames.filter((name) => name !== altname);
      if (has("add")) one.altnames.push(altname);
    } else if (has("netns")) {
      const other = links === this.host ? this.inside : this.host;
      if (taken(other, one.ifname) && taken(other, at("name"))) return new Error("File exists");
      links.splice(links.indexOf(one), 1);
      other.push(one);
      Object.assign(one, { isUp: false, ips: [], ifname: at("name") });
    } else if (has("name")) {
      if (one.isUp) return new Error("Device or resource busy");
      if (taken(links, at("name"))) return new Error("File exists");
      one.ifname = at("name");
    } else if (has("address")) one.address = at("address");
    else one.isUp = has("up");
    return "";
  }

  /** net/core/dev.c default_device_exit_net() */
  die(): void {
    const one = this.inside.find(({ parentdev }) => parentdev !== null);
    this.inside = [];
    if (one !== undefined) {
      const isTaken = this.host.some(({ ifname }) => ifname === one.ifname);
      this.host.push({ ...one, isUp: false, ips: [], ...(isTaken ? { ifname: "dev7" } : {}) });
    }
  }
}

const shown = ({ ifname, ifindex, parentdev, address, altnames, isUp, ips }: Link): unknown => ({
  ifname,
  ifindex,
  address,
  altnames,
  flags: isUp ? ["UP", "LOWER_UP"] : [],
  ...(parentdev === null ? {} : { parentbus: "pci", parentdev }),
  addr_info: ips.map((ip) => ({ local: ip.split("/")[0], prefixlen: Number(ip.split("/")[1]) })),
});

const world = () => {
  const namespaces = new Namespaces();
  return { namespaces, adapter: netnsConsumer({ run: namespaces.run, named }) };
};

const wished = plugTo("netns:ci/eth0", {
  mac: "52:54:00:00:00:07",
  ipAddresses: ["192.0.2.7/24", "2001:db8::7/64"],
});
const release = { deadlineMs: 1000, isForced: false };

test("the netdev moves with its new name, MAC and addresses, and back under its old name", async () => {
  const { namespaces, adapter } = world();
  namespaces.inside.push(link("enp1s16", 3));
  const before = structuredClone(namespaces.host);
  assert.deepEqual(await adapter.check(wished), []);
  const plugged = await adapter.plug(wished, 1000);
  assert.deepEqual(plugged, {
    isLive: true,
    isPersistent: null,
    mac: "52:54:00:00:00:07",
    vlan: null,
    device: "eth0",
    notes: ["up, with link", "addresses: 192.0.2.7/24, 2001:db8::7/64"],
  });
  assert.deepEqual(await adapter.look(wished), plugged);
  const said = namespaces.said.length;
  assert.deepEqual(await adapter.plug(wished, 1000), plugged);
  assert.equal(namespaces.said.length, said, "it was plugged as asked");

  assert.deepEqual(await adapter.unplug(wished, release), { status: "done" });
  assert.equal((await adapter.look(wished)).isLive, false);
  const [, there] = namespaces.host;
  assert.deepEqual({ ...there, address: before[1]?.address }, before[1]);
  assert.deepEqual(await adapter.unplug(wished, release), { status: "done" });
});

test("plug and unplug are taken up wherever they broke off", async () => {
  for (let steps = 0; steps < 12; steps++) {
    const { namespaces, adapter } = world();
    namespaces.left = steps;
    await adapter.plug(wished, 1000).catch(() => {});
    namespaces.left = Number.POSITIVE_INFINITY;
    assert.equal((await adapter.plug(wished, 1000)).isLive, true, `after ${steps} steps`);
    namespaces.left = steps;
    await adapter.unplug(wished, release).catch(() => {});
    namespaces.left = Number.POSITIVE_INFINITY;
    assert.equal((await adapter.unplug(wished, release)).status, "done");
    const { host } = namespaces;
    assert.deepEqual([host[1]?.ifname, host[1]?.altnames], ["enp1s16", []], `${steps} steps`);
  }
});

test("a netdev that came back from a dead namespace gets its name back", async () => {
  const { namespaces, adapter } = world();
  await adapter.plug(plugTo("netns:ci/eth0"), 1000);
  namespaces.host.push(link("eth0", 9));
  namespaces.die();
  const gone = netnsConsumer({ run: namespaces.run, named: join(named, "none") });
  const { isLive, notes } = await gone.look(wished);
  assert.equal(isLive, false);
  assert.deepEqual(notes, [
    "Cannot enter network namespace ci: there is none",
    "came back to the host as dev7, not clean",
  ]);
  assert.deepEqual(await gone.unplug(wished, release), { status: "done" });
  const back = namespaces.host.find(({ parentdev }) => parentdev === vf);
  assert.deepEqual([back?.ifname, back?.altnames], ["enp1s16", []]);
});

test("an old name that is taken meanwhile is not insisted on", async () => {
  const { namespaces, adapter } = world();
  await adapter.plug(wished, 1000);
  namespaces.host.push(link("enp1s16", 11), link("eth0", 12));
  assert.deepEqual(await adapter.unplug(wished, release), { status: "done" });
  assert.equal(namespaces.host.find(({ parentdev }) => parentdev === vf)?.ifname, "vf7");
});

test("what stands in the way is said before anything is changed", async () => {
  const rows: readonly (readonly [to: string, more: Partial<Plug>, expected: RegExp])[] = [
    ["netns:none/eth0", {}, /^Cannot enter network namespace none: there is none$/],
    ["netns:own/eth0", {}, /namespace own: it is the host's own$/],
    ["netns:file/eth0", {}, /file is no namespace$/],
    ["netns:ci/lo", {}, /to network namespace ci: it has another interface lo$/],
    ["netns:ci/eth0", { vf: "0000:01:10.2" }, /it has no netdev, neither here nor there$/],
    ["netns:ci/eth0", { scope: "persistent" }, /no configuration for a next start$/],
    ["netns:ci/eth0", { ipAddresses: ["192.0.2.7"] }, /"192\.0\.2\.7" is no IP address with/],
    ["netns:ci/eth0", { ipAddresses: ["192.0.2.7/33"] }, /is no IP address with prefix$/],
    ["netns:ci/eth0", { failover: "net0" }, /failover is between NICs of a VM$/],
    ["pid:2000000000/eth0", {}, /process 2000000000: there is none$/],
  ];
  for (const [to, more, expected] of rows) {
    const { namespaces, adapter } = world();
    const problems = await adapter.check(plugTo(to, more));
    assert.equal(problems.length, 1, to);
    assert.match(problems[0]?.message ?? "", expected);
    assert.deepEqual(namespaces.said, []);
  }
  // A journal may have been written by somebody else.
  const device = "../x";
  const hostile = { ...wished, consumer: { kind: "netns", name: "..", device } } as const;
  const [problem] = await world().adapter.check(hostile);
  assert.match(problem?.message ?? "", /wanted netns:NAME\/INTERFACE$/);
});

test("plugging into what is not there is a failure with the consumer's name", async () => {
  const { adapter } = world();
  await assert.rejects(adapter.plug(plugTo("netns:none/eth0"), 1000), (error) => {
    assert.ok(error instanceof SriovError);
    assert.deepEqual([error.code, error.target], ["not-found", "netns:none/eth0"]);
    return true;
  });
});

test("a container's namespace is that of its first process", async () => {
  const { namespaces, adapter } = world();
  namespaces.container = { Running: false, Pid: 0 };
  const [stopped] = await adapter.check(plugTo("docker:web/eth1"));
  assert.match(stopped?.message ?? "", /^Cannot enter docker container web: it does not run$/);
  namespaces.container = { Running: true, Pid: process.pid };
  const [own] = await adapter.check(plugTo("podman:web/eth1"));
  assert.match(
    own?.message ?? "",
    /of podman container web \(process \d+\): it is the host's own$/,
  );
});
