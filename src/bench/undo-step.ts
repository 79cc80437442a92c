// What takes back a step of a measurement, as data: it is on disk before the step is made, so a run
// that is killed leaves a note by which the next one restores the host.

import * as z from "zod";

export const noteFormat = "sriovctl-bench-note/1";

export type UndoStep =
  /** Ends the processes in it first; links made for it go with it. */
  | { readonly kind: "drop-netns"; readonly netns: string }
  /** A netdev of the host that was lent to a namespace goes back, as it was. */
  | {
      readonly kind: "return-netdev";
      readonly netns: string;
      readonly name: string;
      readonly mtu: number;
      readonly isUp: boolean;
    }
  /** A function that was given to a guest goes back to its driver, and its netdev is as it was. */
  | {
      readonly kind: "rebind";
      readonly address: string;
      readonly driver: string | null;
      readonly override: string | null;
      readonly netdev: {
        readonly name: string;
        readonly mtu: number;
        readonly isUp: boolean;
        readonly mac: string | null;
      } | null;
    };

export type UndoNote = {
  readonly format: typeof noteFormat;
  /** Of the process that measured, and when it began: a number is given out again. */
  readonly pid: number;
  readonly startTicks: number;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** In the order of the steps: taken back from the end. */
  readonly undo: readonly UndoStep[];
};

/** A name of ours, or of a netdev: nothing that `ip` takes for an option or a path. */
const linkName = z.string().regex(/^(?![-.])[^\s/]{1,15}$/);
const driverName = z.string().regex(/^\w[\w-]{0,63}$/);
const netnsName = z.string().regex(/^sriovctl-bench-[a-z]$/);

const shape = z.strictObject({
  format: z.literal(noteFormat),
  pid: z.int().positive(),
  startTicks: z.int().nonnegative(),
  startedAt: z.string().max(100),
  undo: z
    .array(
      z.discriminatedUnion("kind", [
        z.strictObject({ kind: z.literal("drop-netns"), netns: netnsName }),
        z.strictObject({
          kind: z.literal("return-netdev"),
          netns: netnsName,
          name: linkName,
          mtu: z.int().min(68).max(65_535),
          isUp: z.boolean(),
        }),
        z.strictObject({
          kind: z.literal("rebind"),
          address: z.string().regex(/^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/),
          driver: driverName.nullable(),
          override: driverName.nullable(),
          netdev: z
            .strictObject({
              name: linkName,
              mtu: z.int().min(68).max(65_535),
              isUp: z.boolean(),
              mac: z
                .string()
                .regex(/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/)
                .nullable(),
            })
            .nullable(),
        }),
      ]),
    )
    .max(1000),
}) satisfies z.ZodType<UndoNote>;

/** null for what is no note. */
export function decodeNote(text: string): UndoNote | null {
  try {
    return shape.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
