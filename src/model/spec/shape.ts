// The shape of a spec as one zod schema: the only place that knows which keys there are, what
// each may hold and what it means. read.ts walks a file along it, spec-schema.ts exports it as
// JSON Schema, and docs/spec.md is tested against it. Rules between keys are in check.ts.

import * as z from "zod";
import {
  type AssignTarget,
  formOfTarget,
  parseAssignTarget,
  targetForms,
} from "../assign-target.ts";
import { formatBdf, parseBdf } from "../bdf.ts";
import { isMulticastMac, parseMac, zeroMac } from "../mac.ts";
import { maxRateMbps, parseRate, ratePattern } from "../rate.ts";
import type { DriverChoice } from "../spec.ts";
import type { VlanProtocol } from "../vf-attribute.ts";
import { labelPattern, parseVfRanges, type VfRanges, vfRangesPattern } from "../vf-range.ts";

type Wanted = More & { readonly wanted: string };
type More = {
  /** Says it more closely where the value tells what was meant. */
  readonly narrow?: (text: string) => string | null;
  readonly hint?: string;
};

/** What a value has to be, as the end of the sentence "numVfs is x: wanted ...". */
export const wantedTexts = z.registry<Wanted>();

/** For the commonest slip with VF sets: `[p0/0-7,9]` is two entries in YAML. */
export const commaHint = "A comma ends an entry inside [ ] and { }: put the VF set in quotes";

export function wanted<S extends z.ZodType>(text: string, schema: S, more: More = {}): S {
  wantedTexts.add(schema, { wanted: text, ...more });
  return schema;
}

/** A text whose pattern is checked first and whose meaning `parse` then finds, or a reason. */
function parsed<T>(pattern: RegExp, parse: (text: string) => T | string) {
  return z
    .string()
    .regex(pattern)
    .transform((text, context) => {
      const result = parse(text);
      if (typeof result !== "string") return result;
      context.issues.push({ code: "custom", message: result, input: text });
      return z.NEVER;
    });
}

const patternOf = (...patterns: readonly RegExp[]): RegExp =>
  new RegExp(patterns.map(({ source }) => `(?:${source})`).join("|"));

export const count = (min: number, max: number, unit: string) =>
  wanted(`${unit}, ${min} to ${max}`, z.int().min(min).max(max));

const label = wanted(
  "a label: a letter, then letters, digits, dot, dash or underscore",
  z.string().regex(labelPattern),
);

/** Digits in a serial or a user ID read as a number; they are text all the same. */
const textual = (text: string, pattern: RegExp) =>
  wanted(text, z.union([z.string().regex(pattern), z.int().min(0).transform(String)]));

const orDefault = <S extends z.ZodType>(schema: S) => z.union([schema, z.literal("default")]);

const onOff = z.union([z.boolean(), z.enum(["on", "off"]).transform((word) => word === "on")]);

const macPattern = /^[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})$/;

/** Wrapped, because a bare text would be taken for a reason. */
const macText = parsed(macPattern, (text): { readonly mac: string } | string => {
  const mac = parseMac(text) ?? zeroMac;
  if (mac === zeroMac) return "which is all zero and names no station";
  return isMulticastMac(mac) ? "which is multicast" : { mac };
}).transform(({ mac }) => mac);

const guid = wanted(
  "a GUID of eight hex pairs with colons, or default",
  orDefault(
    z
      .string()
      .regex(/^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){7}$/)
      .transform((text) => text.toLowerCase()),
  ),
);

const bdfText = /^(?:[0-9A-Fa-f]{4,8}:)?[0-9A-Fa-f]{2}:[01][0-9A-Fa-f]\.[0-7]$/;
const address = wanted(
  "a PCI address like 0000:3b:00.0",
  z
    .string()
    .regex(bdfText)
    .transform((text) => formatBdf(parseBdf(text) ?? { domain: 0, routingId: 0 })),
);

const permanentMac = wanted("a unicast MAC address like b4:96:91:00:00:10", macText);
const serial = textual("a serial number as text", /^[!-~](?:[ -~]{0,126}[!-~])?$/);

const notDrivers = new Set(["default", "auto", "on", "off", "yes", "no", "all"]);
const driver = wanted(
  "none, kernel, vfio-pci or the name of a driver",
  parsed(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, (text): { driver: DriverChoice } | string => {
    if (text === "none" || text === "kernel" || text === "vfio-pci") return { driver: text };
    return notDrivers.has(text) ? "which names no driver" : { driver: { name: text } };
  }).transform((choice) => choice.driver),
);

const rate = wanted(
  "a rate like 2Gbit, 500Mbit or a number of Mbit/s",
  z.union([
    z.int().min(0).max(maxRateMbps),
    parsed(ratePattern, (text): { mbps: number } | string => {
      const mbps = parseRate(text);
      return typeof mbps === "string" ? mbps : { mbps };
    }).transform(({ mbps }) => mbps),
  ]),
);

const vlanId = "a VLAN ID, 1 to 4094";
const vlanShape = z.strictObject({
  id: count(0, 4094, "a VLAN ID").describe("VLAN ID; 0 only with a qos: priority tags"),
  qos: count(0, 7, "a priority").optional().describe("802.1p priority, 0 unless given"),
  protocol: wanted(
    "802.1q or 802.1ad",
    z
      .enum(["802.1q", "802.1ad", "802.1Q", "802.1AD"])
      .transform((text): VlanProtocol => (/ad$/i.test(text) ? "802.1ad" : "802.1q")),
  )
    .optional()
    .describe("Kind of the outer tag, 802.1q unless given"),
});

const rateShape = z.strictObject({
  min: rate.optional().describe("Guaranteed transmit rate; 0 is none"),
  max: rate.optional().describe("Limit of the transmit rate; 0 is none"),
});

const waiveShape = z.strictObject({
  reason: wanted("a reason", z.string().regex(/\S/).max(500)).describe("Why it is accepted"),
  until: wanted("a date, YYYY-MM-DD", z.iso.date()).describe("Last day on which it is"),
});

const switchWord = (meaning: string) =>
  wanted("on, off or default", orDefault(onOff)).optional().describe(meaning);

const policyKeys = {
  mac: wanted(
    "a unicast MAC address, auto or default",
    z.union([z.enum(["auto", "default"]), macText]),
  )
    .optional()
    .describe("Administrative MAC; auto is a stable locally administered one"),
  vlan: wanted(
    `${vlanId}, { id, qos, protocol }, none or default`,
    z.union([z.enum(["none", "default"]), z.int().min(1).max(4094), vlanShape]),
  )
    .optional()
    .describe("Port VLAN; none lets the guest tag"),
  rate: wanted("{ min, max } or default", z.union([z.literal("default"), rateShape]))
    .optional()
    .describe("Transmit rates"),
  spoofCheck: switchWord("Drop frames whose source MAC is not the VF's"),
  trust: switchWord("Let the guest change its MAC and become promiscuous"),
  linkState: wanted(
    "auto, enable, disable or default",
    z.enum(["auto", "enable", "disable", "default"]),
  )
    .optional()
    .describe("Link that the VF sees: the PF's, always up, always down"),
  rssQuery: switchWord("Let the guest read the RSS configuration"),
  nodeGuid: guid.optional().describe("InfiniBand node GUID"),
  portGuid: guid.optional().describe("InfiniBand port GUID"),
  msix: wanted(
    "a number of MSI-X vectors, 1 to 2048, or default",
    orDefault(z.int().min(1).max(2048)),
  )
    .optional()
    .describe("MSI-X vectors of the VF"),
  waive: waiveShape.optional().describe("Accepts what the isolation audit finds here, for a time"),
};

const vfRanges = wanted(
  "VFs of one PF, like p0/0-7,9",
  parsed<VfRanges>(vfRangesPattern, parseVfRanges),
  { hint: commaHint },
);
const vfSets = wanted(
  "VFs like p0/0-7,9, or a list of such",
  z.union([vfRanges, z.array(vfRanges).min(1)]),
);

const profileName = label.optional().describe("Profile whose keys apply where none is given here");

export const shapes = {
  defaults: z.strictObject({
    unassigned: driver
      .optional()
      .describe("Driver of VFs that nobody claims; without it theirs is left alone"),
    altNames: wanted("on or off", onOff)
      .optional()
      .describe("Alternative names p0-vf3 for VF netdevs, of PF label and index"),
  }),
  adapter: z.strictObject({
    name: label.optional().describe("Label of the card"),
    match: z
      .strictObject({ serial: serial.optional().describe("Device serial number or VPD serial") })
      .optional()
      .describe("What identifies the card"),
    eswitchMode: wanted("legacy or switchdev", z.enum(["legacy", "switchdev"]))
      .optional()
      .describe("Mode of the embedded switch, of all PFs of the card"),
    physicalFunctions: z
      .array(
        z.strictObject({
          name: label.describe("Label of the PF: VF sets, messages and leases use it"),
          match: z
            .strictObject({
              permanentMac: permanentMac.optional().describe("MAC that the hardware came with"),
              serial: serial.optional().describe("Device serial number or VPD serial"),
              port: textual("a port name or number", /^[!-~]{1,32}$/)
                .optional()
                .describe("Port name or number on the card, with a serial"),
              address: address.optional().describe("PCI address"),
            })
            .optional()
            .describe("What identifies the PF: all keys given must agree"),
          addressHint: address
            .optional()
            .describe("Where the PF was last seen; only warns when it is elsewhere"),
          protect: z
            .array(wanted("a word in lower case", z.string().regex(/^[a-z][a-z0-9-]{0,31}$/)))
            .optional()
            .describe("Words that consent to disrupting this PF must name too"),
          numVfs: count(0, 65_535, "a whole number")
            .optional()
            .describe("How many VFs the PF shall have; without it the number is left alone"),
          adminState: wanted("up or down", z.enum(["up", "down"]))
            .optional()
            .describe("Administrative state of the PF's netdev"),
          mtu: count(68, 65_535, "a number of bytes").optional().describe("MTU of the PF's netdev"),
        }),
      )
      .min(1)
      .describe("The PFs of the card that the spec speaks of"),
  }),
  profile: z.strictObject(policyKeys),
  pool: z.strictObject({
    name: label.describe("Name that assign and leases use"),
    vfs: vfSets.describe("VFs of the pool"),
    driver: driver.optional().describe("Driver of the pool's VFs"),
    profile: profileName,
    ...policyKeys,
  }),
  virtualFunction: z.strictObject({
    vfs: vfSets.describe("VFs that this entry is about"),
    driver: driver.optional().describe("Driver of the VFs"),
    profile: profileName,
    ...policyKeys,
  }),
  assign: z.strictObject({
    to: wanted(
      `KIND:NAME/DEVICE with one of the kinds ${Object.keys(targetForms).join(", ")}`,
      parsed(
        patternOf(...Object.values(targetForms).map(({ pattern }) => pattern)),
        (text): { text: string; target: AssignTarget } | string => {
          const target = parseAssignTarget(text);
          return target === null ? "which names no consumer" : { text, target };
        },
      ),
      { narrow: formOfTarget },
    ).describe("The consumer"),
    pool: label.optional().describe("Pool that a VF is taken from"),
    vf: vfRanges.optional().describe("The one VF, like p0/8, instead of a pool"),
    driver: driver.optional().describe("Driver of the VF"),
    user: textual("a user name or ID", /^(?:[a-z_][a-z0-9_-]{0,31}|[0-9]{1,10})$/)
      .optional()
      .describe("User that may open the VF's vfio group; dpdk and qemu only"),
    profile: profileName,
    ...policyKeys,
  }),
};

export const specShape = z.strictObject({
  apiVersion: wanted("sriovctl/v1", z.literal("sriovctl/v1")).describe("Version of this format"),
  defaults: shapes.defaults.optional().describe("What holds where nothing else is said"),
  adapters: z.array(shapes.adapter).optional().describe("Cards and their PFs"),
  profiles: z.record(label, shapes.profile).optional().describe("Named policies"),
  pools: z.array(shapes.pool).optional().describe("Sets of equal VFs to take from"),
  virtualFunctions: z
    .array(shapes.virtualFunction)
    .optional()
    .describe("Policy of VFs without a consumer"),
  assign: z.array(shapes.assign).optional().describe("Which consumer gets which VF"),
});

export type SpecText = z.output<typeof specShape>;
