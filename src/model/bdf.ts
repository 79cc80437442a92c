// PCI addresses. A BDF names a function by domain, bus, device and function; the low 16 bits
// (bus, device, function) are its routing ID, the number that SR-IOV arithmetic works on.
//
//   routing ID   15        8 7      3 2    0
//               +-----------+--------+------+
//               |    bus    | device | func |   under ARI device and func are one 8-bit number
//               +-----------+--------+------+

/** Canonical text of a BDF, lower case, at least four domain digits: `0000:3b:00.0`. */
export type Address = string;

export type Bdf = {
  /** 0 to 0xffffffff: VMD and Hyper-V hand out domains above 16 bits. */
  readonly domain: number;
  /** bus << 8 | device << 3 | function. */
  readonly routingId: number;
};

const bdfPattern = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/i;

/** Parses `DDDD:BB:DD.F` or `BB:DD.F` (domain 0); null when the text is neither. */
export function parseBdf(text: string): Bdf | null {
  const match = bdfPattern.exec(text);
  if (match === null) return null;
  const [, domain = "0", bus = "", device = "", fn = ""] = match;
  return {
    domain: Number.parseInt(domain, 16),
    routingId: (Number.parseInt(bus, 16) << 8) | (Number.parseInt(device, 16) << 3) | Number(fn),
  };
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

export function formatBdf({ domain, routingId }: Bdf): Address {
  const device = hex((routingId >> 3) & 0x1f, 2);
  return `${hex(domain, 4)}:${hex(routingId >> 8, 2)}:${device}.${routingId & 7}`;
}

export const busOf = ({ routingId }: Bdf): number => routingId >> 8;

/** The slot, shared by all functions of one device: `0000:3b:00`. */
export const slotOf = (address: Address): string => address.slice(0, address.lastIndexOf("."));

/** Target of an action on VF `vfIndex`: `0000:3b:00.0/vf3`. */
export const vfTarget = (pf: Address, vfIndex: number): string => `${pf}/vf${vfIndex}`;

/** Orders addresses by domain, then routing ID. */
export function compareAddresses(left: Address, right: Address): number {
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}
