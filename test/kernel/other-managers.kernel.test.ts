// Other managers do, on a real kernel, what we wrote for them: udevd with our .link files and our
// rules, NetworkManager with our profile. What they made is judged by our own drift, and while
// their files are there we refuse the PF. Their programs come from Debian's packages, unpacked into
// the lab's root, which is memory.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { peerTools } from "../peers/tools.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { type Json, type ProgramLab, bootProgramLab } from "./program-in-lab.ts";
import { smallTopology } from "./topology.ts";

const pf = "0000:01:00.0";
const folder = `/sys/bus/pci/devices/${pf}`;

const text = `
adapters:
  - physicalFunctions:
      - { name: p0, match: { address: "${pf}" }, numVfs: 3 }
virtualFunctions:
  - { vfs: p0/0, mac: "52:54:00:bb:00:01", vlan: { id: 100, qos: 3 }, trust: on, spoofCheck: off }
  - { vfs: p0/2, mac: "52:54:00:bb:00:03", vlan: 120 }
`;

const timeoutMs = 240_000;

suite("other managers", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;
  let spec = "";

  const script = (lines: string): Promise<string> => lab.lab.check(lines, { timeoutMs });

  before(async () => {
    const root = dirname(dirname(dirname(peerTools().nmcli)));
    lab = await bootProgramLab(["igb", "igbvf", "vfio-pci"], smallTopology);
    spec = lab.spec("p0.yaml", text);
    // The packages' /lib and /bin are links to folders here.
    await script(`tar -C ${root} -c . | tar -C / -x --keep-directory-symlink
      mkdir -p /run/udev /etc/udev/rules.d /etc/systemd/network
      /lib/systemd/systemd-udevd --daemon
      udevadm trigger --action=add; udevadm settle`);
  });
  after(() => lab?.lab.close());

  /** Puts the files that we write for `to` where it reads them; returns them. */
  const install = async (to: string, place: string): Promise<string> => {
    const files = (await lab.sriovctl(0, `export --to ${to} -f ${spec} --out /tmp/${to}`)).json;
    const names = files.files.map(({ path }: Json) => join(place, path.split("/").at(-1)));
    await script(`mkdir -p ${place} && cp -p /tmp/${to}/* ${place}/`);
    return names.join(" ");
  };

  const isRefused = async (manager: RegExp): Promise<void> => {
    const { problems } = (await lab.sriovctl(3, `plan -f ${spec}`)).json;
    assert.deepEqual(
      problems.map(({ code }: Json) => code),
      ["co-owned"],
    );
    assert.match(problems[0].message, manager);
  };

  const numVfs = async (): Promise<string> => (await script(`cat ${folder}/sriov_numvfs`)).trim();

  /** With their files gone, the host is as the spec says. */
  const isAsWanted = async (files: string): Promise<void> => {
    await script(`rm ${files}`);
    assert.equal(await numVfs(), "3");
    await lab.sriovctl(0, `drift -f ${spec}`);
    await script(`echo 0 > ${folder}/sriov_numvfs`);
  };

  const appear = (): Promise<string> =>
    script(`udevadm control --reload
      udevadm trigger --action=add --settle ${folder}/net/*; udevadm settle`);

  test("udev makes the VFs of our .link file as the spec says", async () => {
    const files = await install("networkd", "/etc/systemd/network");
    await isRefused(/networkd sets 3 VFs, the policy of VF 0,2 there/);
    await appear();
    await isAsWanted(files);
  });

  test("udev makes the VFs of our rules as the spec says", async () => {
    const files = await install("udev", "/etc/udev/rules.d");
    await isRefused(/udev sets 3 VFs, the policy of VF 0,2 there/);
    await appear();
    await isAsWanted(files);
    await script("udevadm control --reload");
  });

  test("a VF that networkd took beside a guest's is found by the doctor", async () => {
    const [forGuest, taken] = ["0000:01:10.0", "0000:01:10.2"];
    const isQuiet = async (): Promise<boolean> => {
      const { findings } = (await lab.sriovctl(0, `doctor ${pf}`)).json;
      return findings.every(({ rule }: Json) => rule !== "vf-taken-by-host");
    };
    await script(`ip link set $(ls ${folder}/net) up
      echo 0 > ${folder}/sriov_drivers_autoprobe; echo 2 > ${folder}/sriov_numvfs
      cd /sys/bus/pci/devices
      echo vfio-pci > ${forGuest}/driver_override; echo igbvf > ${taken}/driver_override
      for vf in ${forGuest} ${taken}; do echo $vf > /sys/bus/pci/drivers_probe; done`);
    assert.ok(await isQuiet());
    await script(`
      printf '[Match]\nDriver=igbvf\n[Network]\nAddress=192.0.2.7/24\n' > /etc/systemd/network/90-any.network
      mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
      chown -R systemd-network /run/systemd/netif
      /lib/systemd/systemd-networkd > /tmp/networkd-vf.log 2>&1 & echo $! > /tmp/networkd.pid
      for i in $(seq 600); do
        grep -qs 'ADMIN_STATE=configur' /run/systemd/netif/links/* && break; sleep 0.1; done
      cat /tmp/networkd-vf.log >&2`);
    const { findings } = await lab.read(`${lab.command} --json doctor ${pf} || [ $? = 4 ]`);
    const found = findings.find(({ rule }: Json) => rule === "vf-taken-by-host");
    assert.deepEqual(found?.targets, [`${pf}/vf1`], JSON.stringify(findings, null, 1));
    assert.match(found.says, /^networkd set up VFs beside those of guests/);
    assert.match(found.evidence.join("\n"), /netif\/links\/\d+: ADMIN_STATE=/);
    await script(`kill -KILL $(cat /tmp/networkd.pid); rm /etc/systemd/network/90-any.network
      rm -f /run/systemd/netif/links/*
      for vf in ${forGuest} ${taken}; do echo > /sys/bus/pci/devices/$vf/driver_override; done
      echo 0 > ${folder}/sriov_numvfs; echo 1 > ${folder}/sriov_drivers_autoprobe`);
  });

  test("what networkd makes of its own files is what we import from them", async () => {
    const theirs = "/etc/systemd/network";
    await script(`mac=$(cat ${folder}/net/*/address)
      printf '[Match]\\nPermanentMACAddress=%s\\n[Link]\\nSR-IOVVirtualFunctions=3\\n' $mac > ${theirs}/10-a.link
      printf '[Match]\\nPermanentMACAddress=%s\\n[SR-IOV]\\nVirtualFunction=0\\nVLANId=100\\n' $mac > ${theirs}/a.network
      printf 'QualityOfService=3\\nMACSpoofCheck=no\\nTrust=yes\\nMACAddress=52:54:00:bb:00:01\\n' >> ${theirs}/a.network
      printf '[SR-IOV]\\nVirtualFunction=2\\nVLANId=120\\nMACAddress=52:54:00:bb:00:03\\n' >> ${theirs}/a.network`);
    const out = "/results/imported.yaml";
    const { left } = (await lab.sriovctl(0, `import --from networkd --out ${out}`)).json;
    assert.deepEqual(left, []);
    await appear();
    await script(`mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
      chown -R systemd-network /run/systemd/netif
      SYSTEMD_LOG_LEVEL=debug /lib/systemd/systemd-networkd > /tmp/networkd.log 2>&1 &
      pid=$!
      for i in $(seq 600); do grep -q 'SR-IOV configured' /tmp/networkd.log && break; sleep 0.1; done
      grep -i sr-iov /tmp/networkd.log >&2; kill -KILL $pid`);
    await script(`rm ${theirs}/10-a.link ${theirs}/a.network`);
    assert.equal(await numVfs(), "3");
    await lab.sriovctl(0, `drift -f ${out}`);
    await script(`echo 0 > ${folder}/sriov_numvfs`);
  });

  test("NetworkManager makes the VFs of our profile as the spec says", async () => {
    const files = await install("networkmanager", "/etc/NetworkManager/system-connections");
    await isRefused(/networkmanager sets 3 VFs, the policy of VF 0,2 there/);
    await script(`chown root:root ${files}; mkdir -p /run/dbus /var/lib/NetworkManager
      dbus-daemon --system --fork
      NetworkManager --log-level=INFO > /tmp/nm.log 2>&1
      for i in $(seq 600); do [ "$(cat ${folder}/sriov_numvfs)" = 3 ] && break; sleep 0.1; done
      for i in $(seq 600); do
        nmcli -g GENERAL.STATE connection show sriov-p0 | grep -q '^activated' && break; sleep 0.1
      done
      nmcli device >&2; tail -n 40 /tmp/nm.log >&2`);
    // Gone, it leaves things as they are; told to take the profile down, it would remove the VFs.
    await script("kill -KILL $(cat /run/NetworkManager/NetworkManager.pid)");
    await isAsWanted(files);
  });
});
