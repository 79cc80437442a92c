// `sriovctl qemu-args`: whole commands on the emulated machine. That QEMU starts with what is printed
// is shown in test/kernel/attach-qemu.kernel.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { demoMachine } from "../../test/demo-machine.ts";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";
import { startArguments } from "../vmm/qemu/arguments.ts";

const rows: readonly {
  readonly what: string;
  readonly words: string;
  readonly printed: readonly string[];
  readonly said?: RegExp;
}[] = [
  {
    what: "one VF gets a root port of its own",
    words: "ens3np0/vf0 --id net1",
    printed: [
      "-device",
      "pcie-root-port,id=net1-port,chassis=171,slot=3451",
      "-device",
      "vfio-pci,host=0000:5e:18.0,id=net1,bus=net1-port",
    ],
    said: /VF 0000:5e:18\.0 is in use by vm:web1/,
  },
  {
    what: "several VFs are numbered, and one that is named twice is one",
    words: "0000:5e:18.1 ens3np0/vf2 ens3np0v1",
    printed: [
      "-device",
      "pcie-root-port,id=vf0-port,chassis=247,slot=4110",
      "-device",
      "vfio-pci,host=0000:5e:18.1,id=vf0,bus=vf0-port",
      "-device",
      "pcie-root-port,id=vf1-port,chassis=196,slot=4107",
      "-device",
      "vfio-pci,host=0000:5e:18.2,id=vf1,bus=vf1-port",
    ],
    said: /VF 0000:5e:18\.2 is with mlx5_core: QEMU takes it from vfio-pci only/,
  },
  {
    what: "a pair is found by its MAC, which the other half must have",
    words: "ens3np0/vf0 --failover net0",
    printed: [
      "-device",
      "pcie-root-port,id=vf-port,chassis=157,slot=3381",
      "-device",
      "vfio-pci,host=0000:5e:18.0,id=vf,bus=vf-port,failover_pair_id=net0",
    ],
    said: /net0 must be a virtio-net-pci with failover=on,mac=52:54:00:41:01:00/,
  },
  {
    what: "token and iommufd",
    words: "ens3np0/vf3 --vf-token 2ab74924-c335-45f4-9b16-8569E5B08258 --iommufd",
    printed: [
      "-object",
      "iommufd,id=vf-iommufd",
      "-device",
      "pcie-root-port,id=vf-port,chassis=157,slot=3381",
      "-device",
      "vfio-pci,host=0000:5e:18.3,id=vf,bus=vf-port," +
        "vf-token=2ab74924-c335-45f4-9b16-8569e5b08258,iommufd=vf-iommufd",
    ],
  },
];

for (const { what, words, printed, said = /^/ } of rows) {
  test(`qemu-args: ${what}`, async (context) => {
    const env = stateIn(temporaryDirectory(context));
    const argv = ["--host", "emulated:demo", "qemu-args", ...words.split(" ")];
    const { exitCode, stdout, stderr } = await runProgram(argv, { env });
    assert.equal(exitCode, 0, stderr);
    assert.deepEqual(stdout.trimEnd().split("\n"), printed);
    assert.match(stderr, said);
    const asked = await runProgram([...argv, "--json"], { env });
    assert.deepEqual(JSON.parse(asked.stdout), {
      format: "sriovctl-qemu-args/1",
      arguments: printed,
    });
  });
}

const refusals: readonly (readonly [words: string, said: RegExp])[] = [
  ["ens3np0", /Cannot make arguments for ens3np0: it is a PF/],
  ["ens3np0/vf1 --id a,b=c", /Cannot use a,b=c for --id: QEMU takes no such ID/],
  ["ens3np0/vf1 --vf-token 7", /Cannot use 7 as a VF token: it is not a UUID/],
  ["ens3np0/vf1 ens3np0/vf2 --failover net0", /Cannot pair net0 with 2 VFs/],
  [
    "ens3np0/vf1 ens3np0/vf2 --failover net0 --failover net0",
    /Cannot pair net0, net0 with 2 VFs: a NIC stands in for one/,
  ],
];

for (const [words, said] of refusals) {
  test(`qemu-args refuses ${words}`, async (context) => {
    const env = stateIn(temporaryDirectory(context));
    const argv = ["--host", "emulated:demo", "qemu-args", ...words.split(" ")];
    const { exitCode, stdout, stderr } = await runProgram(argv, { env });
    assert.deepEqual([exitCode, stdout], [2, ""]);
    assert.match(stderr, said);
  });
}

test("the ports of many devices, of one call or several, have numbers of their own", () => {
  const vfs = Array.from({ length: 128 }, () => "0000:5e:18.0");
  const wish = { vfs, vfToken: null, isIommufd: false };
  const numbers = ["net", "disk"].flatMap((id) =>
    startArguments({ ...wish, id }).flatMap((word) => /chassis=.*$/.exec(word)?.[0] ?? []),
  );
  assert.equal(new Set(numbers).size, 256);
  for (const words of numbers) {
    const [, chassis, slot] = /^chassis=(\d+),slot=(\d+)$/.exec(words) ?? [];
    assert.ok(Number(chassis) >= 128 && Number(chassis) <= 255, words);
    assert.ok(Number(slot) >= 1 && Number(slot) < 2 ** 13, words);
  }
});

test("a pair for each VF, and who has them leased", async (context) => {
  const { run } = await demoMachine(context);
  assert.equal((await run("lease acquire p0/1 --for vm:db1")).exitCode, 0);
  assert.equal((await run("lease quarantine p0/2 --reason broken")).exitCode, 0);
  const asked = await run("qemu-args p0/1 p0/2 p1/0 --failover a0 --failover a1 --failover a2");
  assert.equal(asked.exitCode, 0, asked.stderr);
  assert.match(asked.stdout, /3b:01.1,id=vf0.*=a0\n[^]*3b:01.2,id=vf1.*=a1\n[^]*id=vf2.*=a2\n/);
  assert.match(asked.stderr, /VF 0000:3b:01.1 is leased to vm:db1/);
  assert.match(asked.stderr, /VF 0000:3b:01.2 is quarantined: broken/);
  const leased = asked.stderr.match(/leased|quarantined/g)?.length;
  assert.equal(leased, 2, asked.stderr);
});
