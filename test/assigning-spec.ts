// A spec for the machine demo that assigns VFs: one of a pool, one by its index, and one to nobody who is there.

export const assigning = `apiVersion: sriovctl/v1
adapters:
  - physicalFunctions: [{ name: p0, match: { address: "0000:3b:00.1" }, numVfs: 6 }]
pools:
  - { name: few, vfs: [p0/0-3], driver: vfio-pci, vlan: none }
assign:
  - { to: "libvirt:web2/net1", pool: few, mac: auto, vlan: 120 }
  - { to: "netns:ci/eth1", vf: p0/5, driver: kernel, vlan: 7 }
  - { to: "libvirt:nobody/net1", pool: few }
`;
