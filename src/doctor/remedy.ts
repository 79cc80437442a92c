// Fixes as commands to copy. What differs between distributions (how the kernel's command line is
// changed, how the initial ramdisk is made again) is decided here, from /etc/os-release; where the
// distribution is not known, the fix is said in words.

import type { HostFacts } from "../model/host-facts.ts";

/** `run` is a command to copy, `say` something to do by hand. */
export type Step = { readonly kind: "run" | "say"; readonly text: string };

export const run = (text: string): Step => ({ kind: "run", text });
export const say = (text: string): Step => ({ kind: "say", text });

type Family = "debian" | "pve" | "fedora" | "ostree" | "arch" | "suse" | "pop";

export type System = { readonly family: Family | null };

const families: Readonly<Record<string, Family>> = {
  pve: "pve",
  proxmox: "pve",
  pop: "pop",
  debian: "debian",
  ubuntu: "debian",
  rhcos: "ostree",
  fedora: "fedora",
  rhel: "fedora",
  centos: "fedora",
  arch: "arch",
  suse: "suse",
  opensuse: "suse",
  sles: "suse",
};

export function systemOf({ distribution }: HostFacts, kernelRelease: string | null): System {
  // Proxmox VE calls itself Debian; its kernel does not.
  if (kernelRelease !== null && /-pve\b/.test(kernelRelease)) return { family: "pve" };
  const known = (distribution ?? []).map((id) => families[id]).find((family) => family);
  return { family: known ?? null };
}

type ArgumentChange = { readonly add?: readonly string[]; readonly remove?: readonly string[] };

const grubFile = "/etc/default/grub";

/** Characters that mean something to sed's extended expressions. */
const quoted = (text: string): string => text.replaceAll(/[.[\]*^$+?(){}|\\/&]/g, "\\$&");

/** As the shell takes it between single quotes: `["'` of a sed expression. */
const anyQuote = `"'\\''`;

/** A whole word, not the end of another: `iommu=off` is in `intel_iommu=off` too. */
const withoutWord = (word: string): string =>
  `s/(^|[ ${anyQuote}])${quoted(word)}($|[ ${anyQuote}])/\\1\\2/`;

function grubEdits({ add = [], remove = [] }: ArgumentChange): Step[] {
  const words = add.map((word) => quoted(word)).join(" ");
  const adding = `sudo sed -i -E 's/^(GRUB_CMDLINE_LINUX_DEFAULT=[${anyQuote}])/\\1${words} /' ${grubFile}`;
  const removing = remove.map((word) =>
    run(`sudo sed -i -E '/^GRUB_CMDLINE_LINUX/${withoutWord(word)}' ${grubFile}`),
  );
  return [...(add.length === 0 ? [] : [run(adding)]), ...removing];
}

const cmdlineEdits = ({ add = [], remove = [] }: ArgumentChange): Step[] => {
  const adding = `sed -i -E 's/$/ ${add.map((word) => quoted(word)).join(" ")}/' /etc/kernel/cmdline`;
  const removing = remove.map((word) =>
    run(`sed -i -E '${withoutWord(word)}' /etc/kernel/cmdline`),
  );
  return [...(add.length === 0 ? [] : [run(adding)]), ...removing];
};

const grubby = ({ add = [], remove = [] }: ArgumentChange): Step => {
  const words = [
    ...(add.length === 0 ? [] : [`--args="${add.join(" ")}"`]),
    ...(remove.length === 0 ? [] : [`--remove-args="${remove.join(" ")}"`]),
  ];
  return run(`sudo grubby --update-kernel=ALL ${words.join(" ")}`);
};

const kargs = ({ add = [], remove = [] }: ArgumentChange): string =>
  [
    ...add.map((word) => `--append-if-missing=${word}`),
    ...remove.map((word) => `--delete-if-present=${word}`),
  ].join(" ");

const inWords = ({ add = [], remove = [] }: ArgumentChange): string =>
  [
    ...(add.length === 0 ? [] : [`add ${add.join(" ")}`]),
    ...(remove.length === 0 ? [] : [`remove ${remove.join(" ")}`]),
  ].join(" and ");

/** Changes the kernel's command line, for good; it takes effect at the next boot. */
export function kernelArguments({ family }: System, change: ArgumentChange): Step[] {
  const { add = [], remove = [] } = change;
  switch (family) {
    case "debian":
      return [...grubEdits(change), run("sudo update-grub")];
    case "pve":
      return [
        say("Where /etc/kernel/cmdline exists (systemd-boot):"),
        ...cmdlineEdits(change),
        run("proxmox-boot-tool refresh"),
        say("Otherwise (GRUB):"),
        ...grubEdits(change),
        run("update-grub"),
      ];
    case "fedora":
      return [grubby(change)];
    case "ostree":
      return [run(`sudo rpm-ostree kargs ${kargs(change)}`)];
    case "arch":
      return [
        ...grubEdits(change),
        run("sudo grub-mkconfig -o /boot/grub/grub.cfg"),
        say(`With systemd-boot: ${inWords(change)} in the options line of /boot/loader/entries`),
      ];
    case "suse":
      return [...grubEdits(change), run("sudo grub2-mkconfig -o /boot/grub2/grub.cfg")];
    case "pop":
      return [
        ...add.map((word) => run(`sudo kernelstub --add-options "${word}"`)),
        ...remove.map((word) => run(`sudo kernelstub --delete-options "${word}"`)),
      ];
    case null:
      return [say(`On the kernel's command line, ${inWords(change)} (in the boot loader)`)];
  }
}
