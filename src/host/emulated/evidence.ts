// The machine as a capture of it would be: its tree of files, and what netlink, the census, ethtool
// and the kernel log would answer. It may hold more than a reader asks for.

import {
  encodeLog,
  encodeProgram,
  encodeRows,
  netdevRow,
  wishRows,
} from "../../capture/answers.ts";
import type { CaptureHeader, Evidence, FileAnswer } from "../../capture/evidence.ts";
import { firmwareQuestion, question } from "../../capture/questions.ts";
import type { Pf } from "../../model/inventory.ts";
import { fullInventory } from "../host.ts";
import { factsOf } from "./host-facts.ts";
import { inventoryOf } from "./inventory.ts";
import type { Machine } from "./machine.ts";
import { wishesOf } from "./owners.ts";
import type { SysfsEntry } from "./sysfs-attributes.ts";
import { sysfsTree } from "./sysfs-tree.ts";

function answerOf(entry: SysfsEntry): FileAnswer {
  switch (entry.kind) {
    case "link":
      return { kind: "link", target: `/${entry.to}` };
    case "bytes":
      return { kind: "bytes", bytes: entry.bytes() };
    case "file":
      return entry.text === null
        ? { kind: "failed", errno: "EACCES" }
        : { kind: "text", text: entry.text };
  }
}

function filesOf(machine: Machine): Map<string, FileAnswer> {
  const files = new Map<string, FileAnswer>();
  const folders = new Map<string, Set<string>>();
  for (const [place, entry] of sysfsTree(machine)) {
    const path = `/${place}`;
    files.set(path, answerOf(entry));
    for (let end = path.length; end > 0;) {
      const start = path.lastIndexOf("/", end - 1);
      const folder = path.slice(0, Math.max(1, start));
      const names = folders.get(folder) ?? new Set();
      folders.set(folder, names.add(path.slice(start + 1, end)));
      end = start;
    }
  }
  for (const [folder, names] of folders) {
    files.set(folder, { kind: "names", names: [...names].toSorted() });
  }
  return files;
}

const pfRows = ({ address, eswitchMode, netdevs: [netdev], virtualFunctions }: Pf) => {
  const vfs = virtualFunctions.flatMap(({ vfIndex, policy }) =>
    policy === null ? [] : [[vfIndex, policy] as [number, typeof policy]],
  );
  const isNic = netdev !== undefined && virtualFunctions.every(({ policy }) => policy !== null);
  return [
    ...(isNic ? [{ pfNetdev: netdev.name, vfs }] : []),
    ...(eswitchMode === null ? [] : [{ pf: address, eswitchMode }]),
  ];
};

export function evidenceOf(machine: Machine, header: CaptureHeader): Evidence {
  const { physicalFunctions: pfs, problems } = inventoryOf(machine, fullInventory);
  const { kernelLog, nics } = factsOf(machine, inventoryOf(machine, fullInventory));
  const functions = pfs.flatMap((pf) => [pf, ...pf.virtualFunctions]);
  const netlink = [
    ...functions.flatMap(({ netdevs }) => netdevs.map(netdevRow)),
    ...pfs.flatMap(pfRows),
    // The others are told by the files.
    ...problems.filter(({ code }) => code.startsWith("vf-list")).map((problem) => ({ problem })),
  ];
  const owners = functions.flatMap(({ address, owners: list }) =>
    list.map((owner) => ({ address, owner })),
  );
  const answers = new Map<string, readonly string[]>([
    [question.netlink, encodeRows(netlink)],
    [question.census, encodeRows(owners)],
    [
      question.reservations,
      encodeRows(wishRows({ wishes: wishesOf(machine), problems: [], hasProcesses: true })),
    ],
    [question.changing, pfs.filter(({ isChanging }) => isChanging).map(({ address }) => address)],
    [question.kernelLog, encodeLog(kernelLog ?? "an emulated machine always has one")],
  ]);
  const tell = (words: readonly string[], stdout: string): void => {
    answers.set(question.run(words), encodeProgram({ end: "exit 0", stdout, stderr: "" }));
  };
  for (const { pf, netdev, driverVersion, firmwareVfs } of nics) {
    tell(["ethtool", "-i", netdev], `version: ${driverVersion}\nfirmware-version: \n`);
    if (firmwareVfs === null) continue;
    const { now, nextBoot } = firmwareVfs;
    tell(firmwareQuestion(pf), `NUM_OF_VFS ${now} ${now} ${nextBoot}\n`);
  }
  return { header, files: filesOf(machine), answers };
}
