// Other managers read what we write for them, with their own parsers: NetworkManager by nmcli,
// netplan by its generator, systemd's .link files and udev rules by udevadm, libvirt networks by
// libvirt's schema. Each is also shown something wrong, so that silence means consent.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import fc from "fast-check";
import type { ClaimSetting } from "../../src/model/claim.ts";
import { readClaims } from "../../src/coexist/claims.ts";
import type { ConfigFile } from "../../src/coexist/config-file.ts";
import {
  exportInput,
  inputOf,
  plainPf,
  plainVf,
} from "../../src/coexist/export-input.arbitrary.ts";
import { exporters } from "../../src/coexist/exporters.ts";
import { peerTools, runTool, type Tools } from "./tools.ts";

function toolsOrReason(): { tools: Tools | null; reason: string } {
  try {
    const tools = peerTools();
    const { status, stderr } = runTool(tools, [tools.nmcli, "--version"]);
    return status === 0 ? { tools, reason: "" } : { tools: null, reason: stderr.slice(0, 200) };
  } catch (error) {
    return { tools: null, reason: error instanceof Error ? error.message : String(error) };
  }
}

const { tools, reason } = toolsOrReason();
// A continuous run must not pass by having asked nobody.
if (tools === null && process.env["CI"]) throw new Error(reason);

function peer(name: string, body: (tools: Tools, context: TestContext) => void): void {
  test(name, { skip: tools === null ? reason : false }, (context) => {
    if (tools !== null) body(tools, context);
  });
}

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "sriovctl-peers-"));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const placeless = (setting: ClaimSetting): ClaimSetting => ({ ...setting, where: "" });

const order = (setting: ClaimSetting): string =>
  `${setting.kind} ${"vfIndex" in setting ? setting.vfIndex : ""}`;

/** What our reader sees in a file, without its places. */
const meaning = (file: ConfigFile): unknown =>
  readClaims([file]).claims.map(({ selector, settings }) => {
    const inOrder = settings.map(placeless).toSorted((left, right) => {
      return order(left) < order(right) ? -1 : 1;
    });
    return [selector, inOrder];
  });

peer("NetworkManager reads our profiles and writes the same", (found) => {
  fc.assert(
    fc.property(exportInput, (input) => {
      const { files } = exporters.networkmanager(input);
      for (const { path, text } of files) {
        const argv = [found.nmcli, "--offline", "connection", "modify", "connection.zone", "x"];
        const { status, stdout, stderr } = runTool(found, argv, text);
        assert.deepEqual([status, stderr], [0, ""]);
        assert.match(stdout, /zone=x/);
        // 1.42 has no eswitch-mode yet and drops it.
        const ours = text.replace(/^eswitch-mode=.*\n/m, "");
        const theirs = stdout.replace(/^eswitch-mode=.*\n/m, "");
        assert.deepEqual(meaning({ path, text: theirs }), meaning({ path, text: ours }));
      }
    }),
    { numRuns: 20 },
  );
  const bad = "[connection]\nid=a\ntype=ethernet\n[sriov]\ntotal-vfs=x\nvf.0=trust=what\n";
  const argv = [found.nmcli, "--offline", "connection", "modify", "connection.zone", "x"];
  // It drops what it does not take, so what it writes again is what it took.
  assert.doesNotMatch(runTool(found, argv, bad).stdout, /what|total-vfs=x/);
});

peer("we read what nmcli writes", (found) => {
  const vfs =
    "0 mac=02:00:00:00:00:01 spoof-check=true trust=false max-tx-rate=100 vlans=100.3.ad, 3 vlans=5";
  const words = "--offline connection add type ethernet con-name p0 ifname ens1f0".split(" ");
  const sriov = ["sriov.total-vfs", "8", "sriov.vfs", vfs, "sriov.autoprobe-drivers", "0"];
  const argv = [found.nmcli, ...words, ...sriov];
  const { status, stdout, stderr } = runTool(found, argv);
  assert.deepEqual([status, stderr], [0, ""]);
  const path = "/etc/NetworkManager/system-connections/p0.nmconnection";
  const [claim] = readClaims([{ path, text: stdout }]).claims;
  assert.deepEqual(claim?.selector, { names: ["ens1f0"], unjudged: [] });
  assert.deepEqual(claim.settings.map(placeless), [
    { kind: "num-vfs", numVfs: 8, where: "" },
    { kind: "autoprobe", isOn: false, where: "" },
    {
      where: "",
      kind: "vf",
      vfIndex: 0,
      policy: {
        mac: "02:00:00:00:00:01",
        rate: { maxMbps: 100 },
        spoofCheck: true,
        trust: false,
        vlan: { id: 100, qos: 3, protocol: "802.1ad" },
      },
    },
    { where: "", kind: "vf", vfIndex: 3, policy: { vlan: { id: 5, qos: 0, protocol: "802.1q" } } },
  ]);
});

function place(root: string, { path, text }: ConfigFile): string {
  const target = join(root, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
  chmodSync(target, 0o600);
  return target;
}

peer("netplan generates from our file", (found, context) => {
  fc.assert(
    fc.property(exportInput, (input) => {
      const root = folder(context);
      for (const file of exporters.netplan(input).files) place(root, file);
      const argv = [found.netplanGenerate, "--root-dir", root];
      const { status, stdout, stderr } = runTool(found, argv);
      assert.deepEqual([status, stdout, stderr], [0, "", ""]);
    }),
    { numRuns: 10 },
  );
  const root = folder(context);
  const text = "network:\n  ethernets:\n    p0: { virtual-function-count: many }\n";
  place(root, { path: "/etc/netplan/a.yaml", text });
  const { status, stderr } = runTool(found, [found.netplanGenerate, "--root-dir", root]);
  assert.notEqual(status, 0);
  assert.match(stderr, /many/);
});

/** In a mount namespace of its own, /run is empty but for these files. */
const judge = `set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/network /run/udev/rules.d
cp "$1"/*.link /run/systemd/network/
cp "$1"/*.rules /run/udev/rules.d/
SYSTEMD_LOG_LEVEL=debug exec "$2" test --action=add /sys/class/net/lo 2>&1
`;

function udevSays(found: Tools, directory: string): string | null {
  const script = join(directory, "judge.sh");
  writeFileSync(script, judge);
  const namespaces = ["unshare", "--mount", "--net", "--propagation", "private"];
  const argv = [...namespaces, "sh", script, directory, found.udevadm];
  const { status, stdout } = runTool(found, argv);
  return status === 0 ? stdout : null;
}

peer("udev and systemd read our rules and .link files", (found, context) => {
  const directory = folder(context);
  const inputs = fc.sample(exportInput, { numRuns: 10, seed: 7 });
  for (const [index, input] of inputs.entries()) {
    const files = [...exporters.networkd(input).files, ...exporters.udev(input).files];
    for (const { path, text } of files) {
      writeFileSync(join(directory, `${index}-${basename(path)}`), text);
    }
  }
  writeFileSync(join(directory, "99-bad.link"), "[Match]\nOriginalName=x\n[SR-IOV]\nVLANId=9999\n");
  writeFileSync(join(directory, "99-bad.rules"), "ATTR{device/sriov_numvfs}=8\n");
  const said = udevSays(found, directory);
  if (said === null) {
    context.skip("no mount namespace of its own, or no libsystemd-shared here");
    return;
  }
  assert.match(said, /99-bad\.link:4: /);
  assert.match(said, /99-bad\.rules:1 /);
  const complaints = said
    .split("\n")
    .filter((line) => /-(?:sriov\S*)\.(?:link|rules):\d/.test(line));
  assert.deepEqual(complaints, []);
  assert.equal(said.match(/Parsed configuration file "\/run\/systemd\/network\/\d-/g)?.length, 10);
  assert.equal(said.match(/Reading rules file: \/run\/udev\/rules\.d\/\d-/g)?.length, 10);
});

peer("libvirt's schema takes our networks", (found, context) => {
  const directory = folder(context);
  const vlan = { id: 120, qos: 0, protocol: "802.1q" } as const;
  const vfs = [0, 1].map((vfIndex) => {
    const vf = plainVf(vfIndex, { pool: "tenants", driver: "vfio-pci" });
    return { ...vf, values: { ...vf.values, vlan } };
  });
  const { files } = exporters["libvirt-network"](inputOf(plainPf(vfs)));
  const check = (text: string) => {
    const target = join(directory, "network.xml");
    writeFileSync(target, text);
    const argv = [found.xmllint, "--noout", "--relaxng", found.networkSchema, target];
    return runTool(found, argv);
  };
  const [network] = files;
  assert.ok(network !== undefined);
  assert.deepEqual(check(network.text).status, 0, check(network.text).stderr);
  assert.notEqual(check(network.text.replace("0x3b", "0x3bbbb")).status, 0);
});
