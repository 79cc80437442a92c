// Each of the kernel's numbers against the headers of this machine, where it has them.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import {
  addressNumber,
  devlinkNumber,
  etherType,
  genericNumber,
  hardwareType,
  interfaceFlag,
  linkAttribute,
  linkInfoAttribute,
  netlinkNumber,
  rtnetlinkNumber,
  vfAttribute,
} from "./kernel-numbers.ts";

const folder = "/usr/include/linux";

type Numbers = ReadonlyMap<string, number>;

/** A literal, a name seen before, or `1 << n`; null for anything else. */
function evaluate(expression: string, known: Numbers): number | null {
  const text = expression.trim().replaceAll(/^\(|\)$/g, "");
  const shift = /^1U?\s*<<\s*(\d+)$/.exec(text);
  if (shift !== null) return 2 ** Number(shift[1]);
  if (/^(?:0x[0-9a-f]+|\d+)U?$/i.test(text)) return Number(text.replace(/U$/, ""));
  return known.get(text) ?? null;
}

/** Names and values of the enums and simple #defines of a header. */
function numbersOf(header: string): Numbers {
  const text = readFileSync(header, "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  const known = new Map<string, number>();
  for (const [, name = "", value = ""] of text.matchAll(/^#define[ \t]+(\w+)[ \t]+(.+)$/gm)) {
    const number = evaluate(value, known);
    if (number !== null) known.set(name, number);
  }
  for (const [, body = ""] of text.matchAll(/\benum\b[^{;]*\{([^}]*)\}/g)) {
    let next: number | null = 0;
    for (const entry of body.replaceAll(/^#(?:.*\\\n)*.*$/gm, "").split(",")) {
      const [, name, , value] = /^\s*(\w+)\s*(=\s*([\s\S]+))?$/.exec(entry) ?? [];
      if (name === undefined) continue;
      if (value !== undefined) next = evaluate(value, known);
      if (next === null) continue;
      known.set(name, next);
      next++;
    }
  }
  return known;
}

const tables: readonly (readonly [header: string, table: Readonly<Record<string, number>>])[] = [
  ["netlink.h", netlinkNumber],
  ["rtnetlink.h", rtnetlinkNumber],
  ["if_addr.h", addressNumber],
  ["if.h", interfaceFlag],
  ["if_link.h", linkAttribute],
  ["if_link.h", linkInfoAttribute],
  ["if_link.h", vfAttribute],
  ["genetlink.h", genericNumber],
  ["devlink.h", devlinkNumber],
  ["if_ether.h", etherType],
  ["if_arp.h", hardwareType],
];

for (const [header, table] of tables) {
  const path = `${folder}/${header}`;
  const skip = existsSync(path) ? false : `no ${path} on this machine`;
  test(`${Object.keys(table)[0]} and its like are what ${header} says`, { skip }, () => {
    const known = numbersOf(path);
    for (const [name, number] of Object.entries(table)) {
      assert.equal(known.get(name), number, `${name} in ${header}`);
    }
  });
}
