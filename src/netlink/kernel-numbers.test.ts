// Each of the kernel's numbers against the headers of this machine, where it has them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { headerAbsent, numbersOf } from "../../test/kernel-header.ts";
import {
  addressNumber,
  devlinkNumber,
  etherType,
  genericNumber,
  harmlessLinkAttribute,
  hardwareType,
  interfaceFlag,
  linkAttribute,
  linkInfoAttribute,
  netlinkNumber,
  rtnetlinkNumber,
  vfAttribute,
} from "./kernel-numbers.ts";

const tables: readonly (readonly [header: string, table: Readonly<Record<string, number>>])[] = [
  ["netlink.h", netlinkNumber],
  ["rtnetlink.h", rtnetlinkNumber],
  ["if_addr.h", addressNumber],
  ["if.h", interfaceFlag],
  ["if_link.h", linkAttribute],
  ["if_link.h", harmlessLinkAttribute],
  ["if_link.h", linkInfoAttribute],
  ["if_link.h", vfAttribute],
  ["genetlink.h", genericNumber],
  ["devlink.h", devlinkNumber],
  ["if_ether.h", etherType],
  ["if_arp.h", hardwareType],
];

for (const [header, table] of tables) {
  const skip = headerAbsent(header);
  test(`${Object.keys(table)[0]} and its like are what ${header} says`, { skip }, () => {
    const known = numbersOf(header);
    for (const [name, number] of Object.entries(table)) {
      assert.equal(known.get(name), number, `${name} in ${header}`);
    }
  });
}
