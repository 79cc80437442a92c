// Where configuration lies that reserves functions. Apart from the readers, so that a host that has
// none of these folders pays for a look at the folders and for nothing else.

export type WishPlace = {
  readonly folder: string;
  /** Names of files in it that count. */
  readonly names: RegExp;
  /** The files are one folder further down, each in one of its own. */
  readonly isNested?: true;
  /** What runs, beside what is configured: costs time, and processes tell it as well. */
  readonly isLive?: true;
  /** Who sets interfaces up, beside whose guests they are. */
  readonly isManagement?: true;
  /** Every host has it: it helps to read the others and is no reason to. */
  readonly isAside?: true;
};

const xml = /^[^.].*\.xml$/;

export const wishPlaces = {
  libvirt: [
    { folder: "/etc/libvirt/qemu", names: xml },
    { folder: "/etc/libvirt/libxl", names: xml },
    { folder: "/etc/libvirt/qemu/networks", names: xml },
    { folder: "/run/libvirt/qemu", names: xml, isLive: true },
    { folder: "/run/libvirt/libxl", names: xml, isLive: true },
    { folder: "/run/libvirt/network", names: xml, isLive: true },
  ],
  proxmox: [
    { folder: "/etc/pve/qemu-server", names: /^[0-9]+\.conf$/ },
    { folder: "/etc/pve/mapping", names: /^pci\.cfg$/ },
    { folder: "/etc", names: /^hostname$/, isAside: true },
  ],
  lxc: [
    { folder: "/etc/pve/lxc", names: /^[0-9]+\.conf$/ },
    { folder: "/var/lib/lxc", names: /^config$/, isNested: true },
  ],
  incus: ["/var/lib/incus", "/var/lib/lxd", "/var/snap/lxd/common/lxd"].flatMap((folder) =>
    ["containers", "virtual-machines"].map((kind) => ({
      folder: `${folder}/${kind}`,
      names: /^backup\.yaml$/,
      isNested: true as const,
    })),
  ),
  management: [
    { folder: "/run/NetworkManager/devices", names: /^[0-9]{1,9}$/, isManagement: true },
    { folder: "/run/systemd/netif/links", names: /^[0-9]{1,9}$/, isManagement: true },
  ],
} as const satisfies Record<string, readonly WishPlace[]>;

export type WishManager = keyof typeof wishPlaces;
