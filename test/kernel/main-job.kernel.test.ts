// The main job on a real kernel, as a user does it: from a spec to verified VFs, refusals, the way
// back, and what happens when the program is killed or the kernel does not answer. Every claim of
// the program is checked against somebody else: ip, lspci, sysfs.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { join } from "node:path";
import { exitCodeOf } from "../../src/model/errors.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { type Json, type ProgramLab, bootProgramLab } from "./program-in-lab.ts";
import { smallTopology } from "./topology.ts";

const devices = "/sys/bus/pci/devices";
const left = "0000:01:00.0";
const right = "0000:02:00.0";
const nvme = "0000:03:00.0";
const holder = join(import.meta.dirname, "vfio-holder.ts");

const adapterText = (name: string, address: string, numVfs: number): string => `
  - name: ${name}
    physicalFunctions:
      - { name: ${name}, match: { address: "${address}" }, numVfs: ${numVfs} }`;

const leftSpec = (numVfs: number): string => `
defaults: { unassigned: none }
adapters:${adapterText("left", left, numVfs)}
virtualFunctions:
  - { vfs: left/0, driver: vfio-pci, mac: "52:54:00:bb:00:01", vlan: { id: 100, qos: 3 }, trust: on, spoofCheck: off }
  - { vfs: left/1, driver: kernel, mac: "52:54:00:bb:00:02", vlan: 120 }
`;

const rightSpec = `
adapters:${adapterText("right", right, 5)}
pools:
  - { name: all, vfs: right/0-4, driver: vfio-pci }
virtualFunctions: []
`;

suite("main job", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;
  before(async () => {
    lab = await bootProgramLab(["igb", "igbvf", "nvme"], smallTopology);
    await lab.lab.check(`mkdir -p /var/lib/sriovctl; ${lab.command} list > /dev/null`);
  });
  after(() => lab?.lab.close());

  /** VFs of a PF as `ip` sees them. */
  const vfsByIp = async (pf: string): Promise<Json[]> => {
    const [link] = await lab.read(`ip -d -j link show dev $(ls ${devices}/${pf}/net)`);
    return link.vfinfo_list ?? [];
  };

  /** `driver` of each VF of a PF by sysfs, in order of index; "" without one. */
  const driversBySysfs = async (pf: string): Promise<string[]> => {
    const text = await lab.lab.check(`cd ${devices}/${pf}
      for i in $(seq 0 254); do [ -e virtfn$i ] || continue
      echo "=$(basename "$(readlink virtfn$i/driver)")"; done`);
    return text.split("\n").flatMap((line) => (line.startsWith("=") ? [line.slice(1)] : []));
  };

  const kinds = ({ actions }: Json): string[] => actions.map(({ kind }: Json) => kind);

  /** Holds a VF as a VM does; returns what lets it go. */
  const hold = async (vf: string): Promise<() => Promise<void>> => {
    const pid = await lab.lab.check(`node ${holder} ${vf} > /tmp/holder 2> /tmp/holder.error &
      for i in $(seq 300); do grep -q holding /tmp/holder && break; sleep 0.1; done
      grep -q holding /tmp/holder || { cat /tmp/holder.error >&2; exit 1; }; echo $!`);
    return async () => {
      await lab.lab.check(`kill -KILL ${pid.trim()}`);
    };
  };

  /** The quickest of three: on a busy machine one alone is late for reasons that are not ours. */
  const quickestListMs = async (): Promise<number> => {
    const tookMs: number[] = [];
    for (let round = 0; round < 3; round++) {
      tookMs.push((await lab.sriovctl(0, "list")).durationMs);
    }
    return Math.min(...tookMs);
  };

  test("igb: a spec becomes VFs with their policy, and drift is seen", async () => {
    const spec = lab.spec("left4.yaml", leftSpec(4));
    const planned = (await lab.sriovctl(0, `plan --rehearse -f ${spec}`)).json;
    assert.equal(planned.empty, false);
    assert.ok(kinds(planned).includes("create-vfs"));
    assert.deepEqual(await driversBySysfs(left), [], "a plan changes nothing");

    const { json: applied, durationMs } = await lab.sriovctl(0, `apply --yes -f ${spec}`);
    assert.equal(applied.outcome, "done");
    console.log(`apply took ${durationMs} ms; foretold ${planned.rehearsal.durationMs} ms`);
    assert.deepEqual(planned.rehearsal.actions, applied.actions, "the twin foretold it");
    assert.equal(applied.verify.empty, true);
    assert.deepEqual(kinds(applied), kinds(planned));
    assert.ok(applied.actions.every(({ result }: Json) => result === "done"));
    assert.equal((await lab.sriovctl(0, `plan -f ${spec}`)).json.empty, true);

    assert.deepEqual(await driversBySysfs(left), ["vfio-pci", "igbvf", "", ""]);
    const lspci = await lab.lab.check("lspci -D | grep '^0000:01:1'");
    assert.equal(lspci.match(/Virtual Function/g)?.length, 4, lspci);
    const [vf0, vf1] = await vfsByIp(left);
    assert.equal(vf0.address, "52:54:00:bb:00:01");
    assert.deepEqual([vf0.vlan_list[0].vlan, vf0.vlan_list[0].qos], [100, 3]);
    assert.deepEqual([vf0.spoofchk, vf0.trust], [false, true]);
    assert.equal(vf1.address, "52:54:00:bb:00:02");
    assert.equal(vf1.vlan_list[0].vlan, 120);

    await lab.lab.check(`d=$(ls ${devices}/${left}/net)
      ip link set $d vf 0 mac 52:54:00:bb:00:77; ip link set $d vf 0 vlan 7 qos 1
      ip link set $d vf 0 trust off; ip link set $d vf 0 spoofchk on`);
    const listed = (await lab.sriovctl(0, "list")).json.physicalFunctions;
    const [seen] = listed.find(({ address }: Json) => address === left).virtualFunctions;
    assert.equal(seen.mac, "52:54:00:bb:00:77");
    assert.deepEqual([seen.vlan.id, seen.vlan.qos], [7, 1]);
    assert.deepEqual([seen.trust, seen.spoofCheck], [false, true]);
    const drift = (await lab.sriovctl(4, `drift -f ${spec}`)).json;
    assert.equal(drift.drift, true);
    const attributes = drift.actions.map(({ detail }: Json) => detail.attribute?.name);
    assert.deepEqual(attributes.toSorted(), ["mac", "spoofCheck", "trust", "vlan"]);
    assert.ok(drift.actions.every(({ target }: Json) => target === `${left}/vf0`));
    const repaired = (await lab.sriovctl(0, `apply --yes -f ${spec}`)).json;
    assert.equal(repaired.actions.length, 4);
    assert.equal((await vfsByIp(left))[0].address, "52:54:00:bb:00:01");
  });

  test("igb: new_id and libvirt's way bind the VFs that we made, and give them back", async () => {
    const spec = lab.spec("left4-others.yaml", leftSpec(4));
    await lab.sriovctl(0, `apply --yes -f ${spec}`);
    const vfio = "/sys/bus/pci/drivers/vfio-pci";
    const vf = (index: number): string => `0000:01:10.${index * 2}`;
    const text = await lab.lab.check(`cd ${devices}; cat ${left}/sriov_drivers_autoprobe
      for i in 0 1 2 3; do cat ${left}/virtfn$i/driver_override; done`);
    assert.deepEqual(text.trim().split("\n"), ["1", "vfio-pci", "(null)", "(null)", "(null)"]);
    // Proxmox VE.
    await lab.lab.check(`echo 8086 10ca > ${vfio}/new_id`);
    assert.deepEqual(await driversBySysfs(left), ["vfio-pci", "igbvf", "vfio-pci", "vfio-pci"]);
    await lab.lab.check(`echo 8086 10ca > ${vfio}/remove_id
      echo ${vf(2)} > ${vfio}/unbind; echo ${vf(3)} > ${vfio}/unbind`);
    // libvirt: virPCIDeviceBindToStub() and back.
    const rebind = (override: string): Promise<string> =>
      lab.lab.check(`cd ${devices}/${vf(1)}; echo ${override} > driver_override
        echo ${vf(1)} > driver/unbind; echo ${vf(1)} > /sys/bus/pci/drivers_probe`);
    await rebind("vfio-pci");
    assert.deepEqual(await driversBySysfs(left), ["vfio-pci", "vfio-pci", "", ""]);
    await rebind("");
    assert.deepEqual(await driversBySysfs(left), ["vfio-pci", "igbvf", "", ""]);
    await lab.sriovctl(0, `drift -f ${spec}`);
  });

  test("igb: a resize waits for the user's consent, and rollback takes it back", async () => {
    const spec = lab.spec("left6.yaml", leftSpec(6));
    const release = await hold("0000:01:10.0");
    const refused = (await lab.sriovctl(3, `apply --yes -f ${spec}`)).json;
    assert.equal(refused.outcome, "refused");
    assert.deepEqual(
      refused.problems.map(({ code, where }: Json) => [code, where]),
      [["would-disrupt", `${left}/vf0`]],
    );
    assert.match(refused.problems[0].message, /process:node on .*: \/proc\/\d+\/fd\/\d+ -> /);
    assert.equal((await driversBySysfs(left)).length, 4, "nothing was touched");
    await release();

    const applied = (await lab.sriovctl(0, `apply --yes -f ${spec}`)).json;
    assert.deepEqual([applied.outcome, applied.verify.empty], ["done", true]);
    assert.equal((await driversBySysfs(left)).length, 6);
    const back = (await lab.sriovctl(0, "rollback --yes")).json;
    assert.deepEqual([back.outcome, back.notRestored], ["undone", []]);
    assert.deepEqual(await driversBySysfs(left), ["vfio-pci", "igbvf", "", ""]);
    const [vf0] = await vfsByIp(left);
    assert.deepEqual([vf0.address, vf0.trust], ["52:54:00:bb:00:01", true]);
    assert.equal(vf0.vlan_list[0].vlan, 100);

    await lab.sriovctl(0, "import --out /results/imported.yaml");
    const { json } = await lab.sriovctl(0, "plan -f /results/imported.yaml");
    assert.deepEqual([json.empty, json.actions], [true, []]);
  });

  test("a held VF blocks the kernel: stuck is said, others answer, recover converges", async () => {
    const spec = lab.spec("left2.yaml", leftSpec(2));
    const release = await hold("0000:01:10.0");
    const freelyMs = await quickestListMs();
    const forced = lab.lab.run(
      `SRIOVCTL_WRITE_DEADLINE=8 ${lab.command} --json apply --yes -f ${spec} \
        --allow-disruption process:node`,
      { timeoutMs: 120_000 },
    );
    await lab.lab.check(`until [ ! -e ${devices}/${left}/virtfn0 ]; do sleep 0.1; done`);
    const beside = await lab.sriovctl(0, "list");
    const pf = beside.json.physicalFunctions.find(({ address }: Json) => address === left);
    assert.equal(pf.isChanging, true);
    const { stdout, exitCode } = await forced;
    const report = JSON.parse(stdout);
    assert.deepEqual([exitCode, report.outcome], [1, "stuck"], stdout);
    const stuck = report.actions.filter(({ result }: Json) => result === "stuck");
    assert.deepEqual(
      stuck.map(({ kind, target }: Json) => [kind, target]),
      [["remove-vfs", left]],
    );
    assert.equal(stuck[0].error.code, "stuck");
    const besideMs = await quickestListMs();
    assert.ok(besideMs - freelyMs < 2000, `list took ${besideMs} ms, ${freelyMs} ms before`);
    assert.match((await lab.sriovctl(0, "list")).stderr, /not ended|recover/);

    for (const other of [spec, lab.spec("right5.yaml", rightSpec)]) {
      const { error } = (await lab.sriovctl(exitCodeOf("locked"), `apply --yes -f ${other}`)).json;
      assert.equal(error.code, "locked");
      assert.match(error.message, /process \d+ \(.*--allow-disruption process:node\) left behind/);
    }
    await release();
    const recovered = (await lab.sriovctl(0, "recover --finish")).json;
    assert.equal(recovered.outcome, "done");
    assert.equal((await lab.sriovctl(0, `plan -f ${spec}`)).json.empty, true);
    assert.deepEqual(await driversBySysfs(left), ["vfio-pci", "igbvf"]);
  });

  /** Starts an apply and kills it with SIGKILL once the journal has so many intents. */
  const killAt = async (spec: string, numIntents: number): Promise<void> => {
    await lab.lab.check(
      `mkdir -p /var/lib/sriovctl/linux/journal; cd /var/lib/sriovctl/linux/journal; ls > /tmp/known
      ${lab.command} apply --yes -f ${spec} > /tmp/killed 2>&1 & pid=$!
      while kill -0 $pid 2> /dev/null; do
        new=$(ls | grep -vxFf /tmp/known)
        [ -n "$new" ] && [ "$(grep -c '"entry":"intent"' $new)" -ge ${numIntents} ] && break
      done
      kill -KILL $pid`,
      { timeoutMs: 120_000 },
    );
  };

  test("killed in the middle, an apply is finished or undone", async () => {
    const spec = lab.spec("right5.yaml", rightSpec);
    for (const [numIntents, way] of [
      [2, "undo"],
      [4, "finish"],
    ] as const) {
      await killAt(spec, numIntents);
      const { stderr } = await lab.sriovctl(0, "list");
      assert.match(stderr, /has not ended/, `after intent ${numIntents}`);
      const again = await lab.sriovctl(exitCodeOf("unfinished-apply"), `apply --yes -f ${spec}`);
      assert.equal(again.json.error.code, "unfinished-apply");
      const { json } = await lab.sriovctl(0, `recover --${way}`);
      assert.equal(json.outcome, way === "undo" ? "undone" : "done");
      const drivers = await driversBySysfs(right);
      assert.deepEqual(drivers, way === "undo" ? [] : Array(5).fill("vfio-pci"));
      const autoprobe = await lab.lab.check(`cat ${devices}/${right}/sriov_drivers_autoprobe`);
      assert.equal(autoprobe, "1\n");
      if (way === "finish") await lab.sriovctl(0, "rollback --yes");
    }
  });

  test("two PFs are made side by side", async () => {
    const text = `
defaults: { unassigned: none }
adapters:${adapterText("left", left, 7)}${adapterText("right", right, 4)}
virtualFunctions:
  - { vfs: left/0-2, driver: kernel, vlan: 100 }
  - { vfs: right/0-1, driver: vfio-pci, mac: auto }
`;
    const spec = lab.spec("both.yaml", text);
    const before = [await driversBySysfs(left), await driversBySysfs(right)];
    const { json } = await lab.sriovctl(0, `apply --yes -f ${spec}`);
    assert.deepEqual([json.outcome, json.verify.empty], ["done", true]);
    assert.deepEqual(await driversBySysfs(left), [...Array(3).fill("igbvf"), "", "", "", ""]);
    assert.deepEqual(await driversBySysfs(right), ["vfio-pci", "vfio-pci", "", ""]);
    const vfs = (await vfsByIp(left)).map(({ vlan_list: list }) => list?.[0]?.vlan ?? 0);
    assert.deepEqual(vfs, [100, 100, 100, 0, 0, 0, 0]);
    assert.equal((await lab.sriovctl(0, "rollback --yes")).json.outcome, "undone");
    assert.deepEqual([await driversBySysfs(left), await driversBySysfs(right)], before);
  });

  test("nvme: 127 VFs for VMs, and back to none", async () => {
    const text = `
adapters:${adapterText("ssd", nvme, 127)}
pools:
  - { name: disks, vfs: ssd/0-126, driver: vfio-pci }
`;
    const { json } = await lab.sriovctl(0, `apply --yes -f ${lab.spec("nvme.yaml", text)}`);
    assert.deepEqual([json.outcome, json.verify.empty], ["done", true]);
    assert.deepEqual(await driversBySysfs(nvme), Array(127).fill("vfio-pci"));
    const lspci = await lab.lab.check("lspci -D -n -d 1b36:0010 | wc -l");
    assert.equal(lspci, "128\n");
    assert.equal((await lab.sriovctl(0, "rollback --yes")).json.outcome, "undone");
    assert.equal(await lab.lab.check(`cat ${devices}/${nvme}/sriov_numvfs`), "0\n");
  });
});
