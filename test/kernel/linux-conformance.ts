// Runs in the lab: the conformance suite on the Linux host, on the lab's own devices. The test that
// boots the lab starts it; igb and nvme must be loaded, with no VFs.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StartVm } from "../../src/host/conformance/asking.ts";
import { LinuxHost } from "../../src/host/linux/linux-host.ts";
import { hostConformance } from "../../src/host/host.conformance.ts";
import { startArguments } from "../../src/vmm/qemu/arguments.ts";
import { QmpConnection } from "../../src/vmm/qemu/qmp.ts";
import { listeningGuestRom } from "./listening-guest.ts";

const deadlineMs = 60_000;

/** With KVM, by which alone the kernel knows that a guest has run. */
const machine = ["-nodefaults", "-display", "none", "-machine", "q35", "-accel", "kvm", "-m", "64"];

const startVm: StartVm = async (name, vfs) => {
  const directory = mkdtempSync("/tmp/vm-");
  const [rom, socket] = [join(directory, "rom"), join(directory, "qmp")];
  writeFileSync(rom, listeningGuestRom());
  const devices = { vfs, id: "vf", failover: null, vfToken: null, isIommufd: false };
  const monitor = ["-qmp", `unix:${socket},server=on,wait=off`];
  const words = [...machine, "-name", name, "-bios", rom, ...monitor, ...startArguments(devices)];
  const qemu = spawn("qemu-system-x86_64", words, { stdio: ["ignore", "inherit", "inherit"] });
  const ended = once(qemu, "exit");
  while (!existsSync(socket) && qemu.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 100));
  // It greets once all of its devices are made.
  const connection = await QmpConnection.open(socket, deadlineMs);
  return {
    letGo: async (vf) => {
      const id = `vf${vfs.indexOf(vf)}`;
      await connection.call("device_del", { id }, deadlineMs);
      await connection.awaitEvent(
        ({ name, data }) => name === "DEVICE_DELETED" && data["device"] === id,
        deadlineMs,
      );
    },
    end: async () => {
      connection.close();
      qemu.kill("SIGKILL");
      await ended;
    },
  };
};

hostConformance(
  "linux",
  async () => {
    const host = new LinuxHost({ root: "/", runDirectory: "/run/sriovctl" });
    return {
      host,
      igb: "0000:01:00.0",
      otherIgb: "0000:02:00.0",
      igbWithoutAcs: "0000:04:00.0",
      portWithoutAcs: "0000:00:0c.0",
      nvme: "0000:03:00.0",
      startVm,
      close: () => host.close(),
    };
  },
  { differences: [] },
);
