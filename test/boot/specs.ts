// What the hosts of this suite shall be, and how a test looks whether they are.

import { pfs } from "./lab-units.ts";
import type { Machine } from "./machine.ts";

const { left, right } = pfs;

/** Of the left card one VF is a guest's, one the host's own, one in a pool: nobody's. */
export const spec = `apiVersion: sriovctl/v1
defaults: { unassigned: none }
adapters:
  - name: left
    physicalFunctions:
      - { name: left, match: { permanentMac: "${left.mac}" }, numVfs: 3 }
  - name: right
    physicalFunctions:
      - { name: right, match: { permanentMac: "${right.mac}" }, numVfs: 2 }
pools: [{ name: guests, vfs: left/2, driver: kernel }]
virtualFunctions:
  - { vfs: left/0, driver: vfio-pci, mac: "52:54:00:bb:00:01", vlan: 100 }
  - { vfs: left/1, driver: kernel, mac: "52:54:00:bb:00:02", vlan: 120 }
  - { vfs: right/0-1, driver: vfio-pci, spoofCheck: on }
`;

export const policy = `ip link show dev $(ls ${left.folder}/net) | grep -o 'vf [01] .*vlan [0-9]*' |
  sed 's/link.ether //; s/ brd [^,]*//'`;
export const wantedPolicy = `vf 0     52:54:00:bb:00:01, vlan 100
vf 1     52:54:00:bb:00:02, vlan 120`;

/** How the early unit of this boot ended, and what it said. */
export const applied = "systemctl show -p Result --value sriovctl-apply.service";
export const journal = "journalctl -b -u sriovctl-apply.service -o cat --no-pager";
/** The same of the units that udev started. */
export const lateJournal = "journalctl -b -o cat --no-pager -u 'sriovctl-apply@*'";

/** State by PF. */
export async function unattended(machine: Machine): Promise<Record<string, string>> {
  const result = await machine.json("cat /var/lib/sriovctl/linux/unattended.json");
  const all: { name: string; state: string }[] = result.physicalFunctions;
  return Object.fromEntries(all.map(({ name, state }) => [name, state]));
}
