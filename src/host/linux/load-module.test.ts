// What is handed to modprobe at all. Loading itself is for a machine of the lab.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoadable } from "./load-module.ts";

test("a module is named by its name or by a PCI alias, and by nothing else", () => {
  const alias = "pci:v00008086d000010CAsv00008086sd0000A03Cbc02sc00i00";
  for (const name of ["vfio-pci", "vfio_pci", "8021q", alias]) assert.ok(isLoadable(name), name);
  const others = [
    "",
    "-r",
    "vfio pci",
    "../evil",
    "usb:v1D6Bp0002",
    "pci:*",
    alias.toLowerCase(),
    `${alias} igb`,
    alias.replace("sv", "sv*"),
  ];
  for (const name of others) assert.ok(!isLoadable(name), name);
});
