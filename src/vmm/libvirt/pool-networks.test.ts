// Pools as networks of a libvirt that a table plays; its XML is what net-dumpxml of libvirt 9.0.0 prints.
// test/kernel/attach-libvirt.kernel.test.ts has the real one.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { stableUuid } from "../../coexist/stable-uuid.ts";
import type { ProgramOutput, RunProgram } from "../program.ts";
import { parseNetwork } from "./network.ts";
import { settleNetworks } from "./pool-networks.ts";

const uuid = stableUuid("network", "pool");

const networkXml = (
  functions: readonly number[],
  vlanId: number | null = null,
): string => `<network>
  <name>pool</name>
  <uuid>${uuid}</uuid>
  <forward mode='hostdev' managed='no'>
    <driver name='vfio'/>
${functions.map((fn) => `    <address type='pci' domain='0x0000' bus='0x01' slot='0x10' function='0x${fn}'/>\n`).join("")}  </forward>
${vlanId === null ? "" : `  <vlan>\n    <tag id='${vlanId}'/>\n  </vlan>\n`}</network>
`;

const answer = (stdout: string, stderr = ""): ProgramOutput => ({
  stdout: Buffer.from(stdout),
  stderr: Buffer.from(stderr),
  end: { status: "exited", exitCode: stderr === "" ? 0 : 1 },
});

class Libvirt {
  kept: string | null = null;
  live: string | null = null;
  isAutostarted = false;
  numConnections = 0;
  readonly did: string[] = [];

  readonly run: RunProgram = async ([, , , uri, verb = "", ...words]) => {
    assert.equal(uri, "qemu:///system");
    const missing = answer("", "error: failed to get network 'pool'\nerror: Network not found: no");
    if (verb === "net-dumpxml") {
      if (this.kept === null) return missing;
      if (words[0] === "--inactive" || this.live === null) return answer(this.kept);
      const { numConnections } = this;
      const using = numConnections === 0 ? "" : ` connections='${numConnections}'`;
      return answer(this.live.replace("<network>", `<network${using}>`));
    }
    if (verb === "net-info") {
      const yes = (is: boolean): string => (is ? "yes" : "no");
      return answer(
        `Name:           pool\nActive:         ${yes(this.live !== null)}\nPersistent:     yes\n` +
          `Autostart:      ${yes(this.isAutostarted)}\n`,
      );
    }
    this.did.push(verb);
    if (verb === "net-define") this.kept = readFileSync(words[0] ?? "", "utf8");
    else if (verb === "net-start") this.live = this.kept;
    else if (verb === "net-destroy") this.live = null;
    else if (verb === "net-autostart") this.isAutostarted = true;
    else throw new Error(`not asked in this test: ${verb}`);
    return answer("");
  };
}

const settled = async (libvirt: Libvirt, xml: string) => {
  libvirt.did.length = 0;
  const [network] = await settleNetworks(libvirt.run, null, [xml]);
  return [network?.outcome, network?.message ?? null, libvirt.did.join(" ")];
};

test("a pool becomes a network that runs, once, and follows its pool", async () => {
  const libvirt = new Libvirt();
  const created = await settled(libvirt, networkXml([6], 130));
  assert.deepEqual(created, ["created", null, "net-define net-start net-autostart"]);
  const other = networkXml([6], 130).replace("managed='no'", "").replace("'0x0'/>", "'0'/>");
  assert.deepEqual(await settled(libvirt, other), ["unchanged", null, ""]);
  for (const xml of [networkXml([4, 6], 130), networkXml([4, 6]), networkXml([4])]) {
    const steps = "net-define net-destroy net-start";
    assert.deepEqual(await settled(libvirt, xml), ["changed", null, steps]);
    assert.deepEqual(await settled(libvirt, xml), ["unchanged", null, ""]);
  }
  libvirt.live = null;
  assert.deepEqual(await settled(libvirt, networkXml([4])), ["changed", null, "net-start"]);
});

test("a network that guests use is not restarted under them", async () => {
  const libvirt = new Libvirt();
  await settled(libvirt, networkXml([6]));
  libvirt.numConnections = 1;
  assert.deepEqual(await settled(libvirt, networkXml([6])), ["unchanged", null, ""]);
  for (const steps of ["net-define", ""]) {
    const [outcome, message, did] = await settled(libvirt, networkXml([4]));
    assert.deepEqual([outcome, did], ["waiting", steps]);
    assert.match(message ?? "", /pool to its pool: guests use it, so it changes when/);
  }
  libvirt.numConnections = 0;
  const after = await settled(libvirt, networkXml([4]));
  assert.deepEqual(after, ["changed", null, "net-destroy net-start"]);
});

test("what somebody else made or added stays", async () => {
  const libvirt = new Libvirt();
  const foreign = networkXml([6]).replace(uuid, "0b0a0c0d-0000-4000-8000-000000000001");
  libvirt.kept = foreign;
  const [outcome, message, did] = await settled(libvirt, networkXml([6]));
  assert.deepEqual([outcome, did, libvirt.kept], ["failed", "", foreign]);
  assert.match(message ?? "", /libvirt has a network pool that sriovctl did not make$/);
  const added = networkXml([6]).replace("</network>", "<portgroup name='a'/></network>");
  libvirt.kept = added;
  const same = await settled(libvirt, networkXml([6]));
  assert.deepEqual(same, ["changed", null, "net-start net-autostart"]);
  const lost = await settled(libvirt, networkXml([4]));
  assert.equal(lost[0], "failed");
  assert.match(lost[1] ?? "", /somebody added <portgroup>, which would be lost$/);
  assert.equal(libvirt.kept, added);
});

test("a libvirt that does not answer is said, and nothing is done", async () => {
  const words = "error: failed to connect to the hypervisor\nerror: Connection refused\n";
  const run: RunProgram = async () => answer("", words);
  const [network] = await settleNetworks(run, null, [networkXml([6])]);
  assert.equal(network?.outcome, "failed");
  assert.match(network?.message ?? "", /libvirt does not answer$/);
});

test("any text is a network or words, and nothing throws", () => {
  const whole = networkXml([2, 4], 9);
  const edits = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.string()), { maxLength: 6 });
  fc.assert(
    fc.property(edits, (changes) => {
      let text = whole;
      for (const [at, piece] of changes) text = text.slice(0, at) + piece + text.slice(at + 1);
      parseNetwork(text);
    }),
    { numRuns: 60 },
  );
  for (const text of ["", "<domain/>", "<network/>"])
    assert.equal(typeof parseNetwork(text), "string");
});
