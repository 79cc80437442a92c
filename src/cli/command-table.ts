// Every command of the program as data: what it takes, what it is for, two or three examples, and
// where its code is. The code is imported when the command runs, so that `list` never pays for
// the YAML parser. Long because it is a table.

import type { RunCommand } from "./context.ts";

export type OptionRow = {
  /** As commander reads them: `--out <file>`. */
  readonly flags: string;
  readonly summary: string;
  readonly isRepeatable?: true;
  /** Offered by shell completion; others are allowed. */
  readonly values?: readonly string[];
};

export type CommandRow = {
  readonly name: string;
  readonly summary: string;
  /** As commander reads them: `<target>`, `[file...]`. */
  readonly operands: readonly (readonly [name: string, summary: string])[];
  readonly options: readonly OptionRow[];
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** It is about what is unfinished, and says so itself. */
  readonly saysUnfinished?: true;
  readonly load: () => Promise<RunCommand>;
};

export const globalOptions: readonly OptionRow[] = [
  {
    flags: "--host <host>",
    summary:
      "linux (this machine, the default), linux:ROOT (a sysfs tree), snapshot:FILE (a capture) or emulated[:NAME]",
    values: ["linux", "emulated:demo", "emulated:igb-lab", "emulated:dense", "emulated:limit"],
  },
  {
    flags: "--speed <factor>",
    summary: "let an emulated host take its time, this many times faster than a real one",
    values: ["1", "10"],
  },
  { flags: "--json", summary: "print one JSON document" },
  { flags: "--no-color", summary: "print without colour (as does NO_COLOR)" },
  { flags: "-v, --verbose", summary: "say more" },
  { flags: "--debug", summary: "say everything, with stack traces" },
];

const specOption: OptionRow = {
  flags: "-f, --file <spec>",
  summary: "the spec, YAML or JSON; - reads standard input",
};

const labelsOption: OptionRow = {
  flags: "-f, --file <spec>",
  summary: "spec whose labels name PFs (p0, p0/3), instead of those in /etc/sriovctl",
};

const consentOption: OptionRow = {
  flags: "--allow-disruption <kind:name>",
  summary: "agree that this user is disrupted (repeatable), e.g. vm:web1, protect:management",
  isRepeatable: true,
};

const handOverOption: OptionRow = {
  flags: "--hand-over",
  summary: "resize PFs in use: take attached VFs out of their VMs and give them back",
};

const yesOption: OptionRow = { flags: "-y, --yes", summary: "do not ask for confirmation" };

const rootOption: OptionRow = {
  flags: "--root <folder>",
  summary: "the system in this folder, instead of the one that runs",
};

const dryRunOption: OptionRow = { flags: "--dry-run", summary: "only say what would be done" };

export const commandTable: readonly CommandRow[] = [
  {
    name: "list",
    summary: "Show adapters, PFs, VFs and who uses them",
    operands: [],
    options: [{ flags: "-w, --wide", summary: "one line a VF, with its policy and IOMMU group" }],
    examples: [
      ["sriovctl list", "what this machine has"],
      ["sriovctl --host emulated:demo list --wide", "the emulated machine, every VF"],
      ["sriovctl list --json | jq '.physicalFunctions[].numVfs'", "for programs"],
    ],
    load: async () => (await import("./commands/list.ts")).list,
  },
  {
    name: "show",
    summary: "Show one PF or VF in detail",
    operands: [
      ["<target>", "BDF, BDF/vfN, a network interface, or LABEL and LABEL/N of the specs"],
    ],
    options: [],
    examples: [
      ["sriovctl show 0000:3b:00.0", "a PF"],
      ["sriovctl show 0000:3b:00.0/vf3", "its VF 3"],
      ["sriovctl show ens1f0", "the function behind a network interface"],
    ],
    load: async () => (await import("./commands/show.ts")).show,
  },
  {
    name: "who",
    summary: "Say who uses one PF or VF, with the evidence",
    operands: [
      ["<target>", "BDF, BDF/vfN, a network interface, or LABEL and LABEL/N of the specs"],
    ],
    options: [],
    examples: [
      ["sriovctl who 0000:3b:00.0/vf3", "whom taking this VF away would hit, and how one knows"],
      ["sriovctl who ens1f0 --json | jq .users", "for programs"],
    ],
    load: async () => (await import("./commands/who.ts")).who,
  },
  {
    name: "doctor",
    summary: "Say what is in the way of SR-IOV here, how safe it is, and what to do; exit 4",
    operands: [["[target]", "only this PF, VF or VM: BDF, BDF/vfN, interface, name of a VM"]],
    options: [
      {
        flags: "--severity <level>",
        summary: "exit 4 from this severity on: error (the default), warning or info",
        values: ["error", "warning", "info"],
      },
      {
        flags: "--explain <rule>",
        summary: "everything about one rule, and whether it is found here",
      },
      {
        ...specOption,
        summary: "the spec with counts and waivers, instead of the configuration folder's",
      },
    ],
    examples: [
      ["sriovctl doctor", "this machine"],
      ["sriovctl doctor ens1f0", "one PF and its VFs"],
      ["sriovctl doctor web1", "what concerns a VM"],
      ["sriovctl doctor --explain iommu-off", "one rule"],
      ["sriovctl doctor --severity warning --json", "in a monitor"],
    ],
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  {
    name: "trace",
    summary: "Say what the card's switch does with a frame, and why; or who reaches whom",
    operands: [["[pf]", "with --all-pairs only this PF: BDF or interface"]],
    options: [
      {
        flags: "--from <sender>",
        summary:
          "vf:PF/3, pf:PF, uplink:PF, guest-of-bridge[:BRIDGE], a function as for show, or a label",
      },
      { flags: "--dst <mac>", summary: "destination: a MAC, broadcast, vf:PF/5 or pf:PF" },
      { flags: "--src <mac>", summary: "source MAC, instead of the sender's own" },
      { flags: "--vlan <id>", summary: "tag that the sender itself puts on" },
      { flags: "--ethertype <hex>", summary: "0x0800 unless told" },
      { flags: "--size <bytes>", summary: "without tag and checksum, 64 unless told" },
      { flags: "--all-pairs", summary: "who reaches whom on a PF; exit 4 with leaks of tenants" },
      {
        flags: "--dma <function>",
        summary: "instead: which memory a PF or VF reaches, and who is reached past the IOMMU",
      },
      labelsOption,
    ],
    examples: [
      ["sriovctl trace --from vf:ens3np0/1 --dst vf:ens3np0/0", "from VF 1 to VF 0"],
      ["sriovctl trace --from 0000:5e:18.1 --dst broadcast -v", "with where each fact is from"],
      ["sriovctl trace --all-pairs ens3np0", "and leaks between tenants"],
      ["sriovctl trace --dma 0000:5e:00.0/vf0", "what the IOMMU lets VF 0 reach"],
    ],
    load: async () => (await import("./commands/trace.ts")).trace,
  },
  {
    name: "bench",
    summary: "Measure this host's data paths, hold the claims for SR-IOV, compare; exit 4 if worse",
    operands: [
      ["<action>", "paths, report, compare, or restore after a run that was killed"],
      ["[file...]", "measured runs: one to report, the old and the new one to compare"],
    ],
    options: [
      { flags: "--use <vfs>", summary: "paths: VFs that it may use, BDF/vfN or BDF, with commas" },
      { flags: "--wire <interface>", summary: "paths: the other end of the PF's cable" },
      { flags: "--spare <pf>", summary: "paths: a whole device that a guest may have" },
      { flags: "--paths <ids>", summary: "paths: only these; --dry-run --json names them" },
      { flags: "--rounds <n>", summary: "paths: interleaved, 5 unless told" },
      { flags: "--seconds <n>", summary: "paths: of each measurement, 2 unless told" },
      { flags: "--sizes <bytes>", summary: "paths: frames, 64,128,256,512,1024,1518,9000" },
      { flags: "--pin <cpu,cpu>", summary: "paths: processors of sender and receiver" },
      {
        flags: "--guest-kernel <file>",
        summary: "paths: image of the kernel that runs, where it is not in /boot",
      },
      {
        flags: "--accel <how>",
        summary: "paths: guests with kvm (where it is there) or tcg",
        values: ["kvm", "tcg"],
      },
      { flags: "-o, --out <file>", summary: "paths: write what was measured there, as JSON" },
      { flags: "--html <file>", summary: "paths, report: write one page with plots, too" },
      {
        flags: "--tolerance <percent>",
        summary: "compare: less than this is no change, 5 unless told",
      },
      dryRunOption,
      yesOption,
    ],
    examples: [
      ["sriovctl bench paths --use ens1f0/vf0,ens1f0/vf1 --dry-run", "what it would touch"],
      ["sriovctl bench paths --use ens1f0/vf0,ens1f0/vf1 --out a.json --html a.html", "do it"],
      ["sriovctl bench report a.json --html a.html", "with plots"],
      ["sriovctl bench compare a.json b.json", "after a new driver or firmware"],
    ],
    load: async () => (await import("./commands/bench.ts")).bench,
  },
  {
    name: "traffic",
    summary: "Send frames on an emulated machine, and count what a VF saves; or try its policies",
    operands: [["[pf]", "whose VFs send: BDF or interface; the first that has VFs unless told"]],
    options: [
      { flags: "--from <vf>", summary: "one sender, with --to; each VF to the next unless told" },
      { flags: "--to <vf>", summary: "vf:PF/5, or a VF as for show" },
      { flags: "--frames <count>", summary: "of each sender, 256 unless told" },
      { flags: "--size <bytes>", summary: "of a frame, without tag and checksum, 64 unless told" },
      { flags: "--burst <count>", summary: "frames for one write of the doorbell, 32 unless told" },
      { flags: "--vlan <id>", summary: "tag that the guests themselves put on" },
      {
        flags: "--check",
        summary: "try what the policy of each VF should stop; exit 4 if it fails",
      },
      labelsOption,
    ],
    examples: [
      ["sriovctl --host emulated:demo traffic", "a VF, virtio and an emulated NIC side by side"],
      ["sriovctl --host emulated:demo traffic --burst 1", "a doorbell for every frame"],
      ["sriovctl --host emulated:demo traffic ens3np0 --check", "spoofing, VLANs, DMA, resets"],
    ],
    load: async () => (await import("./commands/traffic.ts")).traffic,
  },
  {
    name: "plan",
    summary: "Show what apply would do, why, and whom it would hit",
    operands: [],
    options: [
      specOption,
      consentOption,
      handOverOption,
      { flags: "-o, --out <file>", summary: "save the plan for `sriovctl apply FILE`" },
      { flags: "--rehearse", summary: "run it on an emulated twin of this host first" },
    ],
    examples: [
      ["sriovctl plan -f host.yaml", "what would happen"],
      ["sriovctl plan -f host.yaml --rehearse", "what would fail, and how long it would take"],
      ["sriovctl plan -f host.yaml --out night.plan", "save it for later"],
      ["sriovctl plan -f host.yaml --allow-disruption vm:web1", "with a user's consent"],
    ],
    load: async () => (await import("./commands/plan.ts")).planCommand,
  },
  {
    name: "apply",
    summary: "Bring the host to the spec: verified, journalled, undone on failure",
    operands: [["[plan]", "a saved plan, instead of -f"]],
    options: [
      specOption,
      yesOption,
      consentOption,
      handOverOption,
      { flags: "--keep-going", summary: "after a failure go on with the others, undo nothing" },
      {
        flags: "--confirm-within <time>",
        summary: "undo it again unless `sriovctl confirm` comes in time: 90s, 5m, 1h; or off",
        values: ["90s", "5m", "off"],
      },
      {
        flags: "--unattended",
        summary: "apply every *.yaml of the configuration folder; ask nobody, disrupt nobody",
      },
      { flags: "--wait <seconds>", summary: "with --unattended: wait so long for its PFs" },
      { flags: "--pf <address>", summary: "with --unattended: only the adapter of this PF" },
    ],
    examples: [
      ["sriovctl apply -f host.yaml", "plan, ask, do, verify"],
      ["sriovctl apply night.plan --yes", "a saved plan, if the host is still as it was"],
      ["sriovctl apply -f host.yaml --confirm-within 90s", "goes back unless confirmed"],
      ["sriovctl apply -f host.yaml --hand-over", "resize PFs whose VFs are in VMs"],
      ["sriovctl apply -f host.yaml --yes --json", "for programs"],
      ["sriovctl apply --unattended --wait 60", "what the unit of a boot runs"],
    ],
    load: async () => (await import("./commands/apply.ts")).applyCommand,
  },
  {
    name: "status",
    summary: "One screen: wanted, there, drift, what waits, and the next boot; exit 4 to look",
    operands: [],
    options: [{ ...specOption, summary: "this spec instead of the configuration folder's" }],
    examples: [
      ["sriovctl status", "by the specs in /etc/sriovctl"],
      ["sriovctl status --json | jq .needsAttention", "in a monitor"],
    ],
    saysUnfinished: true,
    load: async () => (await import("./commands/status.ts")).status,
  },
  {
    name: "confirm",
    summary: "Keep the change of an apply that waits for it (--confirm-within)",
    operands: [],
    options: [],
    examples: [["sriovctl confirm", "still there: it stays"]],
    saysUnfinished: true,
    load: async () => (await import("./commands/confirm.ts")).confirmCommand,
  },
  {
    name: "drift",
    summary: "Compare the host with a spec; exit 4 when they differ",
    operands: [],
    options: [specOption],
    examples: [["sriovctl drift -f host.yaml || echo differs", "in a timer or a monitor"]],
    load: async () => (await import("./commands/drift.ts")).drift,
  },
  {
    name: "recover",
    summary: "Finish or undo an apply that was interrupted",
    operands: [],
    options: [
      { flags: "--finish", summary: "run the rest of the interrupted plan" },
      { flags: "--undo", summary: "go back to the state before it" },
      yesOption,
      consentOption,
    ],
    examples: [
      ["sriovctl recover", "show what is left and choose"],
      ["sriovctl recover --undo --yes", "go back without asking"],
    ],
    load: async () => (await import("./commands/recover.ts")).recover,
  },
  {
    name: "rollback",
    summary: "Return to the state before the last apply",
    operands: [],
    options: [yesOption, consentOption],
    examples: [["sriovctl rollback", "show the way back, ask, go"]],
    load: async () => (await import("./commands/rollback.ts")).rollback,
  },
  {
    name: "history",
    summary: "List the applies of this host",
    operands: [],
    options: [],
    examples: [["sriovctl history", "newest first"]],
    load: async () => (await import("./commands/history.ts")).history,
  },
  {
    name: "lease",
    summary: "Say who has which VF: give VFs of a pool away, clean, and take them back, clean",
    operands: [
      ["<action>", "ls, acquire, renew, release, quarantine, history or reconcile"],
      [
        "[vf...]",
        "BDF/vfN or a VF's address; renew and release mean all of --for without one, ls all",
      ],
    ],
    options: [
      { flags: "--for <kind:name>", summary: "the holder, e.g. vm:web1; ls: of it alone" },
      { flags: "--pool <pool>", summary: "acquire, ls: VFs of this pool of the specs" },
      {
        flags: "--pf <address>",
        summary: "acquire, ls: of this PF (repeatable)",
        isRepeatable: true,
      },
      { flags: "--count <n>", summary: "acquire: so many, or none" },
      { flags: "--numa <node>", summary: "acquire: on this NUMA node" },
      {
        flags: "--near <place>",
        summary: "acquire: on the node of a GPU (0000:c1:00.0) or cpu:0-15",
      },
      {
        flags: "--prefer",
        summary: "with --numa or --near: another node will do when it has none",
      },
      { flags: "--alone", summary: "acquire: sharing its IOMMU group with no other function" },
      {
        flags: "--placement <how>",
        summary: "acquire: pack fills one PF before the next (default), spread goes round",
        values: ["pack", "spread"],
      },
      {
        flags: "--apart <what>",
        summary: "acquire: each on a PF, or a card, of its own (for a bond)",
        values: ["pf", "card"],
      },
      {
        flags: "--ttl <time>",
        summary: "acquire, renew: until then (90s, 5m, 8h), or off",
        values: ["1h", "8h", "off"],
      },
      { flags: "--pid <process>", summary: "acquire: the lease is void when this process ends" },
      { flags: "--generation <n>", summary: "renew, release, quarantine: as acquire said" },
      { flags: "--reason <text>", summary: "for the history" },
      { flags: "--all", summary: "ls: free VFs that were leased before, too" },
      { ...specOption, summary: "pools of this spec instead of the configuration folder's" },
      { ...yesOption, summary: "reconcile: do not ask" },
      {
        flags: "--unattended",
        summary: "reconcile: only VFs that came back from a namespace that ended, without asking",
      },
    ],
    examples: [
      ["sriovctl lease acquire --pool tenants --for vm:web1", "one VF, reset and as the pool says"],
      ["sriovctl lease acquire --pool tenants --for vm:db1 --count 2 --apart card", "for a bond"],
      ["sriovctl lease ls", "who has what, and what is odd about it"],
      ["sriovctl lease release 0000:3b:00.0/vf3 --for vm:web1", "back, cleaned and verified"],
      ["sriovctl lease reconcile", "after a crash: see what is left, agree, mend"],
    ],
    load: async () => (await import("./commands/lease.ts")).lease,
  },
  {
    name: "qemu-args",
    summary: "Print the arguments with which QEMU starts with these VFs, root ports included",
    operands: [["<vf...>", "BDF/vfN, a VF's address or interface, or LABEL/N of the specs"]],
    options: [
      { flags: "--id <id>", summary: "device ID; several VFs get numbers after it (default vf)" },
      {
        flags: "--failover <nic>",
        summary:
          "ID of the virtio NIC that stands in (repeatable: one for each VF, in their order)",
        isRepeatable: true,
      },
      { flags: "--vf-token <uuid>", summary: "what the PF's driver in user space wants to see" },
      { flags: "--iommufd", summary: "through iommufd, where the kernel has it" },
    ],
    examples: [
      ["sriovctl qemu-args 0000:3b:00.0/vf3", "one word a line"],
      ["qemu-system-x86_64 -machine q35 $(sriovctl qemu-args ens1f0v3 --id net1)", "as it is used"],
      ["sriovctl qemu-args 0000:3b:00.0/vf3 --failover net0 --json", "as an array, for programs"],
    ],
    load: async () => (await import("./commands/qemu-args.ts")).qemuArgs,
  },
  {
    name: "attach",
    summary: "Give a VF to a VM, namespace, container or application: leased, clean, with its MAC",
    operands: [["[vf]", "BDF/vfN, a VF's address, or LABEL/N of the specs; instead of --pool"]],
    options: [
      {
        flags: "--to <consumer>",
        summary: "libvirt:DOMAIN/ALIAS, qemu:VM/ID, netns:NAME/INTERFACE, docker:..., dpdk:APP ...",
      },
      { flags: "--pool <pool>", summary: "a VF of this pool of the specs" },
      { flags: "--whole <pf>", summary: "all of this PF instead of a VF, to a VM" },
      { ...consentOption, summary: "with --whole: agree that this user of the PF is disrupted" },
      { flags: "--mac <mac>", summary: "its MAC, or auto: made from the consumer's name" },
      { flags: "--vlan <id>", summary: "port VLAN, 1 to 4094, or none" },
      { flags: "--qos <priority>", summary: "with --vlan: 0 to 7" },
      { flags: "--live", summary: "only into what runs now" },
      { flags: "--persistent", summary: "only from its next start on" },
      {
        flags: "--form <form>",
        summary: "libvirt: interface (it sets MAC and VLAN) or hostdev (the device alone)",
        values: ["interface", "hostdev"],
      },
      { flags: "--failover <nic>", summary: "libvirt, qemu: the virtio NIC that stands in for it" },
      { flags: "--vf-token <uuid>", summary: "what a PF in user space wants from its VFs' users" },
      { flags: "--user <user>", summary: "dpdk, qemu: who may open the VF's group" },
      {
        flags: "--ip <cidr>",
        summary: "namespaces, containers: an address of it (repeatable)",
        isRepeatable: true,
      },
      { flags: "--connect <uri>", summary: "libvirt: the connection" },
      { flags: "--socket <path>", summary: "qemu: its QMP socket" },
      { ...specOption, summary: "pools of this spec instead of the configuration folder's" },
      dryRunOption,
      yesOption,
    ],
    examples: [
      ["sriovctl attach --pool tenants --to libvirt:web1/net1 --mac auto", "one VF of a pool"],
      ["sriovctl attach 0000:3b:00.0/vf3 --to netns:ci/eth1 --ip 192.0.2.7/24", "this VF"],
      ["sriovctl attach p0/3 --to qemu:web2/nic0 --socket /run/web2.qmp --dry-run", "only say"],
      ["sriovctl attach --whole 0000:87:00.0 --to libvirt:fw/dev0", "the whole device"],
    ],
    load: async () => (await import("./commands/attach.ts")).attachCommand,
  },
  {
    name: "detach",
    summary: "Take a VF from its consumer, clean it and give its lease back",
    operands: [["<what>", "the VF, or the consumer: libvirt:web1/net1, or libvirt:web1 for all"]],
    options: [
      { ...specOption, summary: "pools of this spec instead of the configuration folder's" },
      consentOption,
      { flags: "--whole <pf>", summary: "all of this PF, which the consumer was given" },
      { flags: "--connect <uri>", summary: "with --whole, libvirt: the connection" },
      { flags: "--socket <path>", summary: "with --whole, qemu: its QMP socket" },
      dryRunOption,
      yesOption,
    ],
    examples: [
      ["sriovctl detach libvirt:web1/net1", "show, ask, take it out, clean it"],
      ["sriovctl detach 0000:3b:00.0/vf3 --yes", "by its VF"],
    ],
    load: async () => (await import("./commands/detach.ts")).detachCommand,
  },
  {
    name: "without-vfs",
    summary: "Run a command while a consumer is without its VFs, and attach them again",
    operands: [
      ["<consumer>", "libvirt:web1 for all of its VFs, or libvirt:web1/net1"],
      ["<command...>", "after --: a snapshot, a migration, a change of memory"],
    ],
    options: [
      consentOption,
      {
        flags: "--target <host>",
        summary: "first look for free VFs of the same model there: snapshot:FILE, a capture of it",
      },
    ],
    examples: [
      ["sriovctl without-vfs libvirt:web1 -- virsh save web1 /srv/web1.save", "a snapshot"],
      [
        "sriovctl without-vfs libvirt:web1 --target snapshot:b.capture -- virsh migrate web1 ...",
        "a migration, if host b has VFs for it",
      ],
    ],
    load: async () => (await import("./commands/without-vfs.ts")).withoutVfsCommand,
  },
  {
    name: "hook",
    summary: "Set a guest's VFs before its start and after its end; hypervisors call it",
    operands: [
      ["<manager>", "libvirt (its domain XML on standard input) or pve"],
      ["<guest>", "domain or VMID"],
      ["<phase>", "prepare and release of libvirt, pre-start and post-stop of pve do something"],
      ["[more...]", "what else the hypervisor says"],
    ],
    options: [],
    examples: [
      [
        "virsh dumpxml web1 | sriovctl hook libvirt web1 prepare",
        "as libvirt calls it; 3: refused",
      ],
      ["sriovctl hook pve 101 pre-start", "as Proxmox VE calls it"],
    ],
    load: async () => (await import("./commands/hook.ts")).hook,
  },
  {
    name: "import",
    summary: "Write a spec of what the host has now, or of another manager's settings",
    operands: [["[path...]", "files or folders of that manager, instead of the host's own"]],
    options: [
      { flags: "-o, --out <file>", summary: "write it there instead of standard output" },
      {
        flags: "--from <manager>",
        summary: "networkd, networkmanager, netplan, nmstate, sysfs or udev: from its files",
        values: ["networkd", "networkmanager", "netplan", "nmstate", "sysfs", "udev"],
      },
    ],
    examples: [
      ["sriovctl import --out host.yaml", "start from what is there"],
      ["sriovctl import --from netplan --out host.yaml", "take over what netplan sets up"],
    ],
    load: async () => (await import("./commands/import.ts")).importCommand,
  },
  {
    name: "export",
    summary: "Write a spec, or what the host has, as another manager's files",
    operands: [],
    options: [
      {
        flags: "--to <manager>",
        summary:
          "networkd, networkmanager, netplan, nmstate, udev, libvirt-network, proxmox or nova",
        values: [
          "networkd",
          "networkmanager",
          "netplan",
          "nmstate",
          "udev",
          "libvirt-network",
          "proxmox",
          "nova",
        ],
      },
      specOption,
      { flags: "-o, --out <folder>", summary: "write the files there instead of printing them" },
      { flags: "--define", summary: "libvirt-network: have libvirt define and start them" },
      { flags: "--connect <uri>", summary: "with --define: the connection (qemu:///system)" },
    ],
    examples: [
      ["sriovctl export --to networkd -f host.yaml --out files", "to leave, or to compare"],
      ["sriovctl export --to libvirt-network --define", "a libvirt network of each pool"],
    ],
    load: async () => (await import("./commands/export.ts")).exportCommand,
  },
  {
    name: "enable",
    summary: "Apply the specs in /etc/sriovctl at every boot, and to PFs that come later",
    operands: [],
    options: [
      { flags: "--libvirt-hook", summary: "instead: set guests' VFs when libvirt starts them" },
      { flags: "--pve-hookscript", summary: "instead: the same for Proxmox VE" },
      { flags: "--strict", summary: "with a hook: no start either when sriovctl itself fails" },
      rootOption,
      dryRunOption,
    ],
    examples: [
      ["sriovctl enable", "install the units, then nothing else is needed"],
      ["sriovctl enable --root /mnt/image", "in an image that is being built"],
      ["sriovctl enable --libvirt-hook", "guests get their VFs as specified, or do not start"],
    ],
    load: async () => (await import("./commands/enable.ts")).enable,
  },
  {
    name: "disable",
    summary: "Apply nothing at boot any more, remove the hooks; VFs stay as they are",
    operands: [],
    options: [rootOption, dryRunOption],
    examples: [["sriovctl disable --dry-run", "what would be removed"]],
    load: async () => (await import("./commands/enable.ts")).disable,
  },
  {
    name: "decode",
    summary: "Explain PCI config space: lspci -xxxx text or a binary config file",
    operands: [
      ["<file...>", "dumps or config files; - reads standard input; or addresses on the host"],
    ],
    options: [],
    examples: [
      ["lspci -xxxx | sriovctl decode -", "every function of this machine (as root)"],
      ["sriovctl decode /sys/bus/pci/devices/0000:3b:00.0/config", "one function"],
      ["sriovctl decode 0000:3b:00.0", "the same, by its address"],
      ["sriovctl decode --json dump.txt | jq '.[].extendedCapabilities'", "for programs"],
    ],
    load: async () => (await import("./commands/decode.ts")).decode,
  },
  {
    name: "capture",
    summary: "Write all that is read of this host into one text file, to be looked at elsewhere",
    operands: [],
    options: [
      { flags: "-o, --out <file>", summary: "write it there instead of standard output" },
      {
        flags: "--raw",
        summary: "leave MACs, serials, host name, GUIDs and IP addresses as they are",
      },
    ],
    examples: [
      ["sriovctl capture -o host.capture", "as root it holds more"],
      ["sriovctl --host snapshot:host.capture list", "elsewhere: show, plan, drift as well"],
      ["sriovctl --host snapshot:raw.capture capture", "take the identifiers out of another one"],
    ],
    load: async () => (await import("./commands/capture.ts")).capture,
  },
  {
    name: "schema",
    summary: "Print the JSON Schema of the spec",
    operands: [],
    options: [],
    examples: [["sriovctl schema > sriovctl.schema.json", "for an editor"]],
    load: async () => (await import("./commands/schema.ts")).schema,
  },
  {
    name: "demo",
    summary: "Walk through the main job on an emulated machine, or set up your own",
    operands: [],
    options: [
      { flags: "--status", summary: "show the guests, lock model, faults and what is in flight" },
      { flags: "--reset", summary: "put the emulated machine back to its start, journals too" },
      { flags: "--reboot", summary: "start it as its profile says; VFs are gone, journals stay" },
      {
        flags: "--stop-guest <name>",
        summary: "shut a guest down (repeatable)",
        isRepeatable: true,
      },
      { flags: "--start-guest <name>", summary: "start it again (repeatable)", isRepeatable: true },
      {
        flags: "--firmware-vfs <pf=n>",
        summary: "VFs that the card's firmware gives from the next --reboot on (repeatable)",
        isRepeatable: true,
      },
      {
        flags: "--faults <file>",
        summary: "what shall go wrong, and when (docs/emulated.md); none takes it away",
      },
      {
        flags: "--lock-model <model>",
        summary: "global (one SR-IOV change at a time, as newer kernels) or per-pf",
        values: ["global", "per-pf"],
      },
    ],
    examples: [
      ["sriovctl demo", "inspect, plan, apply, verify, a refused resize, rollback"],
      ["sriovctl demo --faults examples/faults/hung-write.yaml", "let the next apply get stuck"],
      ["sriovctl demo --stop-guest web1", "a guest lets go of its VFs"],
      ["sriovctl --host emulated:igb-lab demo --reset", "another machine back to its start"],
    ],
    load: async () => (await import("./commands/demo.ts")).demo,
  },
  {
    name: "completion",
    summary: "Print the completion script of a shell",
    operands: [["<shell>", "bash, zsh or fish"]],
    options: [],
    examples: [
      ["source <(sriovctl completion bash)", "for this shell"],
      ["sriovctl completion fish > ~/.config/fish/completions/sriovctl.fish", "for every shell"],
    ],
    load: async () => (await import("./commands/completion.ts")).completion,
  },
];
