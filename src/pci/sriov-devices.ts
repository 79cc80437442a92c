// Network cards whose makers gave them SR-IOV, by vendor and device of their PFs. One that shows no
// SR-IOV capability has it turned off in its own setup, or stands in a guest whose hypervisor hides
// it. Only PFs: what has the number of a VF has no SR-IOV to show. The numbers are those of the
// drivers' id tables below drivers/net/ethernet.

type Ids = readonly (number | readonly [first: number, last: number])[];

const devices: Readonly<Record<number, Ids>> = {
  // igb (82576, I350), ixgbe, i40e, ice.
  0x8086: [
    0x10c9,
    [0x10e6, 0x10e8],
    0x150a,
    0x150d,
    0x1518,
    [0x1521, 0x1524],
    0x1526,
    [0x10fb, 0x10fc],
    0x1528,
    0x154d,
    [0x1557, 0x1558],
    0x1560,
    0x1563,
    [0x15ac, 0x15ad],
    0x1572,
    [0x1580, 0x1581],
    [0x1583, 0x158b],
    [0x37ce, 0x37d3],
    [0x1591, 0x1593],
    [0x1599, 0x159b],
  ],
  // mlx4, mlx5. From ConnectX-4 on a VF has the even number after its PF's.
  0x15b3: [
    0x1003, 0x1007, 0x1013, 0x1015, 0x1017, 0x1019, 0x101b, 0x101d, 0x101f, 0x1021, 0x1023, 0xa2d2,
    0xa2d6, 0xa2dc,
  ],
  // bnxt_en.
  0x14e4: [0x16c9, 0x16ca, [0x16d6, 0x16d8], [0x1750, 0x1752], 0x1760],
  // qede.
  0x1077: [0x1634, 0x1644, 0x1654, 0x1656, 0x8070],
};

export const isMadeForSriov = (vendorId: number, deviceId: number): boolean =>
  (devices[vendorId] ?? []).some((entry) =>
    typeof entry === "number" ? deviceId === entry : deviceId >= entry[0] && deviceId <= entry[1],
  );
