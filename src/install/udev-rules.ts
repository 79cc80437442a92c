// The udev rules. One starts the template unit when a driver takes a PF: late, hot-plugged or
// reloaded; one the unit for VFs that come back from a namespace. The others mark netdevs of VFs that are nobody's on this host, so that network
// managers leave them alone.

import type { Address } from "../model/bdf.ts";
import { returnedUnitName } from "./apply-units.ts";
import { withHeader } from "./own-file.ts";

/** Where the early unit leaves word that it looks no more: from then on udev tells of PFs. */
export const bootMark = (runDir: string): string => `${runDir}/boot-applied`;

/** Where the VFs of this host that are in other network namespaces are marked. */
export const awayFolder = (runDir: string): string => `${runDir}/linux/away`;

/** The property that NetworkManager knows, and one of our own for networkd. */
export const leaveAloneProperty = "SRIOVCTL_LEAVE_ALONE";

/**
 * `bind` comes when a driver took the PF, so VFs can be made. Making VFs rebinds no PF: our own
 * work starts nothing. During boot the mark is not there, and the early unit sees the PF itself.
 * A netdev whose namespace ends is moved to the host's, which hears of it as `add` (net/core/dev.c
 * __dev_change_net_namespace()); those of VFs that are made, or that we take out, have no mark.
 */
export const lateRules = (runDir: string): string =>
  withHeader([
    [
      'ACTION=="bind"',
      'SUBSYSTEM=="pci"',
      'ATTR{sriov_totalvfs}=="[1-9]*"',
      `TEST=="${bootMark(runDir)}"`,
      'TAG+="systemd"',
      'ENV{SYSTEMD_WANTS}+="sriovctl-apply@$kernel.service"',
    ].join(", "),
    [
      'ACTION=="add"',
      'SUBSYSTEM=="net"',
      'TEST=="device/physfn"',
      'SUBSYSTEMS=="pci"',
      `TEST=="${awayFolder(runDir)}/$id"`,
      `TEST=="${bootMark(runDir)}"`,
      'TAG+="systemd"',
      `ENV{SYSTEMD_WANTS}+="${returnedUnitName}"`,
    ].join(", "),
  ]);

type LeftAlone = { readonly pf: Address; readonly vfIndexes: readonly number[] };

/** A netdev is VF 3 of a PF exactly when it is found there; its name and address may be anything. */
export const leaveAloneRules = (pfs: readonly LeftAlone[]): string =>
  withHeader([
    'SUBSYSTEM!="net", GOTO="sriovctl_end"',
    'ACTION=="remove", GOTO="sriovctl_end"',
    'TEST!="device/physfn", GOTO="sriovctl_end"',
    ...pfs.flatMap(({ pf, vfIndexes }) =>
      vfIndexes.map(
        (vfIndex) =>
          `TEST=="/sys/bus/pci/devices/${pf}/virtfn${vfIndex}/net/$kernel", GOTO="sriovctl_vf"`,
      ),
    ),
    'GOTO="sriovctl_end"',
    'LABEL="sriovctl_vf"',
    `ENV{NM_UNMANAGED}="1", ENV{${leaveAloneProperty}}="1"`,
    'LABEL="sriovctl_end"',
  ]);
