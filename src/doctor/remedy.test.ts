// Fixes are copied into a root shell: the edits of boot loaders' files are run here on such files, by
// the sed that a host has.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { healthyFacts } from "../../test/evidence-of.ts";
import { kernelArguments, systemOf } from "./remedy.ts";

const scratch = mkdtempSync(join(tmpdir(), "sriovctl-remedy-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

type Change = Parameters<typeof kernelArguments>[1];

/** What a file is after the commands that edit it. */
function edited(distribution: readonly string[], file: string, before: string, change: Change) {
  const system = systemOf({ ...healthyFacts, distribution }, null);
  const copy = join(scratch, "edited");
  writeFileSync(copy, before);
  const edits = kernelArguments(system, change).filter(
    ({ kind, text }) => kind === "run" && text.endsWith(` ${file}`) && text.includes("sed"),
  );
  assert.ok(edits.length > 0);
  for (const { text } of edits) {
    const script = text.replace(/^sudo /, "").replace(file, copy);
    const { status, stderr } = spawnSync("sh", ["-c", script], { encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""], script);
  }
  return readFileSync(copy, "utf8");
}

const grub = (words: string, quote = '"'): string =>
  `GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=${quote}${words}${quote}\n`;

const rows: Readonly<Record<string, readonly [before: string, change: Change, after: string]>> = {
  "a word is added": [
    grub("quiet"),
    { add: ["intel_iommu=on", "iommu.strict=1"] },
    grub("intel_iommu=on iommu.strict=1 quiet"),
  ],
  "between single quotes": [
    grub("quiet", "'"),
    { add: ["pci=config_acs=xx111x1@0000:00:01.0"] },
    grub("pci=config_acs=xx111x1@0000:00:01.0 quiet", "'"),
  ],
  "a word is removed": [
    grub("quiet iommu=off splash"),
    { remove: ["iommu=off"] },
    grub("quiet  splash"),
  ],
  "the only word is removed": [grub("iommu=pt"), { remove: ["iommu=pt"] }, grub("")],
  "the end of another word stays": [
    grub("intel_iommu=off iommu=off"),
    { remove: ["iommu=off"] },
    grub("intel_iommu=off "),
  ],
  "the beginning of another word stays": [
    grub("pcie_acs_override=downstream,multifunction"),
    { remove: ["pcie_acs_override=downstream"] },
    grub("pcie_acs_override=downstream,multifunction"),
  ],
};

for (const [name, [before, change, after_]] of Object.entries(rows)) {
  test(`GRUB: ${name}`, () => {
    assert.equal(edited(["debian"], "/etc/default/grub", before, change), after_);
  });
}

test("systemd-boot of Proxmox VE", () => {
  const file = "/etc/kernel/cmdline";
  const before = "root=ZFS=rpool/ROOT/pve-1 boot=zfs iommu=off\n";
  assert.equal(
    edited(["pve"], file, before, { add: ["intel_iommu=on"], remove: ["iommu=off"] }),
    "root=ZFS=rpool/ROOT/pve-1 boot=zfs  intel_iommu=on\n",
  );
});

test("each distribution has its own way, and an unknown one words", () => {
  const words = (distribution: readonly string[] | null, release: string | null = null): string =>
    kernelArguments(systemOf({ ...healthyFacts, distribution }, release), {
      add: ["pci=realloc"],
      remove: ["iommu=off"],
    })
      .map(({ text }) => text)
      .join("\n");
  assert.match(words(["ubuntu", "debian"]), /update-grub$/);
  assert.match(words(["debian"], "6.8.12-4-pve"), /proxmox-boot-tool refresh/);
  assert.match(
    words(["rocky", "rhel", "centos", "fedora"]),
    /^sudo grubby --update-kernel=ALL --args="pci=realloc" --remove-args="iommu=off"$/,
  );
  assert.match(
    words(["rhcos", "rhel", "fedora"]),
    /^sudo rpm-ostree kargs --append-if-missing=pci=realloc --delete-if-present=iommu=off$/,
  );
  assert.match(words(["opensuse-leap", "suse", "opensuse"]), /grub2-mkconfig/);
  assert.match(words(["cachyos", "arch"]), /grub-mkconfig -o \/boot\/grub\/grub.cfg/);
  assert.match(words(["pop", "ubuntu", "debian"]), /kernelstub --add-options "pci=realloc"/);
  for (const unknown of [null, ["nixos"]]) {
    assert.equal(
      words(unknown),
      "On the kernel's command line, add pci=realloc and remove iommu=off (in the boot loader)",
    );
  }
});
