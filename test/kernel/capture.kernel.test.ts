// Captures of a real kernel's host: what is listed and diagnosed from the file is what was listed and
// diagnosed on the spot, identifiers are gone from it, and a disable that hangs does not hang it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { parseEvidence } from "../../src/capture/format.ts";
import { decodeReplies } from "../../src/capture/netlink-replies.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { bootProgramLab, type ProgramLab } from "./program-in-lab.ts";
import { smallTopology } from "./topology.ts";

const devices = "/sys/bus/pci/devices";
const igb = "0000:01:00.0";
const holder = join(import.meta.dirname, "vfio-holder.ts");
/** With a checkout's start in software emulation; the sources have their own deadlines. */
const captureMsMax = 90_000;

/** All bytes of netlink's replies. */
function repliesIn(text: string): Buffer {
  const { evidence } = parseEvidence(text, "x") ?? {};
  const { links, eswitch } = decodeReplies(evidence?.answers.get("netlink-replies") ?? []);
  return Buffer.concat([...links, ...eswitch.map(([, bytes]) => bytes)]);
}

suite("captures of a real kernel", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;

  before(async () => {
    lab = await bootProgramLab(["igb", "igbvf", "nvme", "vfio-pci"], smallTopology);
    const [vf0, vf1] = ["52:54:00:cc:00:01", "7e:11:22:33:44:55"];
    await lab.lab.check(`
      for pf in ${igb} 0000:03:00.0; do echo 0 > ${devices}/$pf/sriov_drivers_autoprobe; done
      echo 3 > ${devices}/${igb}/sriov_numvfs; echo 2 > ${devices}/0000:03:00.0/sriov_numvfs
      nic=$(ls ${devices}/${igb}/net); ip link set $nic up
      ip link set $nic vf 0 mac ${vf0} vlan 100; ip link set $nic vf 1 mac ${vf1}
      echo vfio-pci > ${devices}/0000:01:10.0/driver_override
      echo 0000:01:10.0 > /sys/bus/pci/drivers_probe
      node ${holder} 0000:01:10.0 > /tmp/holder & echo $! > /tmp/holder.pid
      until grep -q holding /tmp/holder; do sleep 0.1; done`);
  });
  after(() => lab?.lab.close());

  const textOf = (name: string): string =>
    readFileSync(join(lab.lab.resultsDirectory, name), "utf8");

  test("list, show and doctor say the same of the host and of its capture", async () => {
    const raw = "--host snapshot:/results/raw.capture";
    const { json } = await lab.sriovctl(0, "capture --raw --out /results/raw.capture");
    assert.deepEqual([json.user, json.identifiers, json.isCut], ["root", "raw", false]);
    const [pf] = (await lab.sriovctl(0, `${raw} list`)).json.physicalFunctions;
    assert.equal(pf.virtualFunctions[0].mac, "52:54:00:cc:00:01");
    assert.equal(pf.virtualFunctions[0].owners[0].kind, "process");
    for (const words of ["list", `show ${igb}`, `show ${igb}/vf0`]) {
      const there = (await lab.sriovctl(0, words)).json;
      const here = (await lab.sriovctl(0, `${raw} ${words}`)).json;
      assert.deepEqual({ ...here, host: "" }, { ...there, host: "" }, words);
    }
    // In emulation a program may take too long to tell of itself: then fewer rules are asked.
    const read = (host: string) => lab.read(`${lab.command} --json ${host} doctor || [ $? = 4 ]`);
    const [there, here] = [await read(""), await read(raw)];
    assert.deepEqual(here.findings, there.findings);
    assert.deepEqual(here.capacity, there.capacity);
  });

  test("without identifiers none of them is left, and it is the same file again", async () => {
    await lab.sriovctl(0, "--host snapshot:/results/raw.capture capture --out /results/a.capture");
    await lab.sriovctl(0, "--host snapshot:/results/a.capture capture --out /results/b.capture");
    const [raw, replaced] = [textOf("raw.capture"), textOf("a.capture")];
    assert.equal(textOf("b.capture"), replaced);
    const told = await lab.lab.check("ip -details link show");
    const macs = new Set(told.match(/\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b/g));
    const own = [...macs].filter((mac) => !/^(?:00:00:00:00:00:00|ff:|33:33|01:)/.test(mac));
    assert.ok(own.length >= 4, own.join(" "));
    assert.match(raw, /^ask netlink-replies$/m);
    const bytesOf = (text: string): string => repliesIn(text).toString("hex");
    for (const mac of own) {
      const digits = mac.replaceAll(":", "");
      assert.ok(bytesOf(raw).includes(digits), `${mac} in the kernel's replies`);
      assert.ok(!replaced.includes(mac) && !bytesOf(replaced).includes(digits), mac);
    }
    for (const file of ["/proc/sys/kernel/random/boot_id", "/etc/machine-id"]) {
      const { stdout } = await lab.lab.run(`cat ${file}`);
      const text = stdout.trim();
      if (text !== "") assert.ok(raw.includes(text) && !replaced.includes(text), file);
    }
  });

  test("a disable that waits for a held VF does not hold the capture up", async () => {
    await lab.lab.check(`
      (echo 0 > ${devices}/${igb}/sriov_numvfs) > /dev/null 2>&1 &
      until [ ! -e ${devices}/${igb}/virtfn0 ]; do sleep 0.1; done`);
    const { durationMs } = await lab.sriovctl(0, "capture --out /results/stuck.capture");
    assert.ok(durationMs < captureMsMax, `${durationMs} ms`);
    const list = await lab.sriovctl(0, "--host snapshot:/results/stuck.capture list");
    const [pf] = list.json.physicalFunctions;
    assert.equal(pf.isChanging, true);
    await lab.lab.check(`
      kill -KILL $(cat /tmp/holder.pid)
      while [ "$(cat ${devices}/${igb}/sriov_numvfs)" != 0 ]; do sleep 0.1; done`);
  });
});
