// What the booted machine has of the suite's own: the agent that runs commands, a probe that notes
// what network managers find, and words on the console that tell how far the early unit has come.

const left = "0000:01:00.0";
const right = "0000:02:00.0";
const devices = "/sys/bus/pci/devices";

/** PCI addresses, MACs and folders of the PFs that the specs of the suite name. */
export const pfs = {
  left: { address: left, mac: "52:54:00:aa:00:00", folder: `${devices}/${left}` },
  right: { address: right, mac: "52:54:00:aa:00:10", folder: `${devices}/${right}` },
  nvme: { address: "0000:03:00.0", folder: `${devices}/0000:03:00.0` },
  third: { mac: "52:54:00:aa:00:20", folder: `${devices}/0000:04:00.0` },
} as const;

/** Prints how many VFs the two have. */
export const counts = `cat ${pfs.left.folder}/sriov_numvfs ${pfs.right.folder}/sriov_numvfs 2> /dev/null | xargs`;

/** Said on the console. */
export const marks = {
  applyBegins: "lab: apply begins",
  journalBegins: "lab: journal begins",
  applyEnded: "lab: apply ended",
} as const;

const say = (mark: string): string => `/bin/sh -c "echo ${mark} > /dev/ttyS0"`;

const unit = (...sections: readonly string[]): string => sections.join("\n");

const agentUnit = unit(
  "[Unit]\nDefaultDependencies=no\nAfter=local-fs.target",
  "[Service]\nExecStart=/usr/local/lib/lab/agent\nKillMode=process",
  "[Install]\nWantedBy=sysinit.target\n",
);

/** Between network-pre.target and the network managers. */
const probeUnit = unit(
  "[Unit]\nDefaultDependencies=no\nAfter=network-pre.target",
  "Before=network.target systemd-networkd.service NetworkManager.service",
  `[Service]\nType=oneshot\nExecStart=/bin/sh -c '${counts} > /run/probe'`,
  "[Install]\nWantedBy=multi-user.target\n",
);

/** Looks for the journal of this boot's apply without starting a process each time. */
const watchScript = `#!/bin/bash
shopt -s nullglob
exec {never}<> <(:)
before=(/var/lib/sriovctl/linux/journal/*)
now=("\${before[@]}")
while [ "\${#now[@]}" = "\${#before[@]}" ]; do
  read -r -t 0.05 -u $never
  now=(/var/lib/sriovctl/linux/journal/*)
done
echo ${marks.journalBegins} > /dev/ttyS0
`;

const watchUnit = unit(
  "[Unit]\nDefaultDependencies=no\nAfter=local-fs.target\nBefore=sriovctl-apply.service",
  "[Service]\nExecStart=/usr/local/lib/lab/watch",
  "[Install]\nWantedBy=multi-user.target\n",
);

const applyDropIn = unit(
  "[Service]",
  `ExecStartPre=${say(marks.applyBegins)}`,
  `ExecStartPost=${say(marks.applyEnded)}\n`,
);

/** Nothing that somebody's session has started outlives it, root's neither. */
const logind = "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n";

/** By path in the machine; what is below `lib/lab` is to be executed. */
export const labFiles: Readonly<Record<string, string>> = {
  "/etc/systemd/system/lab-agent.service": agentUnit,
  "/etc/systemd/system/lab-probe.service": probeUnit,
  "/etc/systemd/system/lab-watch.service": watchUnit,
  "/usr/local/lib/lab/watch": watchScript,
  "/etc/systemd/system/sriovctl-apply.service.d/lab.conf": applyDropIn,
  "/etc/systemd/logind.conf.d/lab.conf": logind,
};

export const labUnits = ["lab-agent.service", "lab-probe.service", "lab-watch.service"];
