// The shape of a fault plan's file as one zod schema: which keys there are and what each may hold.
// It is read as a spec is (model/spec/read.ts), so its problems have places too. Rules between keys
// are in fault-plan.ts; docs/emulated.md explains every key.

import * as z from "zod";
import { formatBdf, parseBdf } from "../../model/bdf.ts";
import { count, wanted } from "../../model/spec/shape.ts";
import type { VfAttributeName } from "../../model/vf-attribute.ts";
import type { FaultMoment } from "./faults.ts";
import { errnos } from "./state.ts";

const faultPlanFormat = "sriovctl-faults/1";

/** What the target of each operation may be. */
export const targetsOf = {
  setNumVfs: "a PF",
  setDriversAutoprobe: "a PF",
  setDriverOverride: "a PF or a VF",
  unbind: "a PF or a VF",
  probe: "a PF or a VF",
  loadModule: "nothing",
  setVf: "a PF or a VF",
  setAltName: "a PF or a VF",
  setEswitchMode: "a PF",
  setMtu: "a PF",
  setAdminState: "a PF",
  setMsixCount: "a VF",
  reset: "a PF or a VF",
  inventory: "nothing",
  vfList: "a PF",
  plug: "a VF",
  unplug: "a VF",
} as const satisfies Record<FaultMoment, string>;

const attributes = {
  mac: true,
  vlan: true,
  rate: true,
  spoofCheck: true,
  trust: true,
  linkState: true,
  rssQuery: true,
  nodeGuid: true,
  portGuid: true,
} as const satisfies Record<VfAttributeName, true>;

const wordOf = <Words extends Readonly<Record<string, unknown>>>(words: Words) => {
  const names = Object.keys(words) as [keyof Words & string, ...(keyof Words & string)[]];
  return wanted(`one of ${names.join(", ")}`, z.enum(names));
};

const functionPattern =
  /^(?:[0-9A-Fa-f]{4,8}:)?[0-9A-Fa-f]{2}:[01][0-9A-Fa-f]\.[0-7](?:\/vf(?:0|[1-9][0-9]{0,4}))?$/;

const functionName = wanted(
  "a PCI address like 0000:3b:00.0, or a VF like 0000:3b:00.0/vf3",
  z
    .string()
    .regex(functionPattern)
    .transform((text) => {
      const [address = "", ...vf] = text.split("/");
      return [formatBdf(parseBdf(address) ?? { domain: 0, routingId: 0 }), ...vf].join("/");
    }),
);

/** Linux IFNAMSIZ, less the zero byte. */
const netdevName = wanted(
  "a name of 1 to 15 characters without slash or space",
  z.string().regex(/^(?!\.{1,2}$)[!-.0-9;-~]{1,15}$/),
);

const guestName = wanted("the name of a guest", z.string().regex(/^[!-~]{1,64}$/));

const vfIndexes = wanted(
  "a list of VF indexes, like [0, 3]",
  z.array(count(0, 65_534, "a VF index")).min(1),
);

const guestAndVf = z.strictObject({ guest: guestName, vf: functionName });

const effects = z.strictObject({
  refuse: wanted(`one of ${errnos.join(", ")}`, z.enum(errnos)).optional(),
  shortCount: count(0, 65_534, "a number of VFs").optional(),
  noNetdev: vfIndexes.optional(),
  slowProbe: z
    .strictObject({ vfs: vfIndexes, delayMs: count(1, 3_600_000, "milliseconds") })
    .optional(),
  failedProbe: vfIndexes.optional(),
  truncatedList: count(0, 65_534, "a number of VFs").optional(),
  guestOpens: guestAndVf.optional(),
  guestCloses: guestAndVf.optional(),
  guestEnds: guestName.optional(),
  guestStarts: guestName.optional(),
  namespaceEnds: wanted(
    "a namespace of the machine, like netns:ci",
    z.string().regex(/^[a-z]+:[!-~]{1,64}$/),
  ).optional(),
  netdevRenamed: z.strictObject({ pf: functionName, name: netdevName }).optional(),
  pfVanishes: functionName.optional(),
});

const effectKeys = Object.keys(effects.shape);

const effectWords = z.enum(["hang", "rescan"]);

const most = 1_000_000;

export const faultPlanShape = z.strictObject({
  format: wanted(faultPlanFormat, z.literal(faultPlanFormat)),
  faults: z
    .array(
      z.strictObject({
        on: z.strictObject({
          operation: wordOf(targetsOf),
          target: functionName.optional(),
          attribute: wordOf(attributes).optional(),
          skip: count(0, most, "how many to let pass").optional(),
          times: count(1, most, "how many to hit").optional(),
        }),
        effect: wanted(
          `${effectWords.options.join(", ")}, or a mapping of one of ${effectKeys.join(", ")}`,
          z.union([effectWords, effects]),
        ),
      }),
    )
    .min(1),
});

export type FaultText = z.output<typeof faultPlanShape>["faults"][number];
export type EffectText = z.output<typeof effects>;
export type EffectKey = keyof EffectText;
