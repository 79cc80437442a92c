// What config space says, as data: the result of decode-function.ts and the input of everybody who
// asks a function what it can do. Problems are collected here with the offset of their evidence.

import type { Problem } from "../model/problem.ts";
import type { Report } from "./capability/capability-decoder.ts";
import type { ExtendedBody, StandardBody } from "./capability/capability-table.ts";
import type { Header } from "./header.ts";

type ConfigProblem = Problem & {
  /** In config space, where the evidence is. */
  readonly offset: number;
};

export type Entry<Body> = {
  readonly id: number;
  readonly name: string;
  readonly offset: number;
  /** From the header on: as long as the structure says, else up to the next capability. */
  readonly bytes: Uint8Array;
  /** null: not decoded here, or not all of it is visible. */
  readonly body: Body | null;
};

export type Capability = Entry<StandardBody>;
export type ExtendedCapability = Entry<ExtendedBody> & { readonly version: number };

export type FunctionConfig = {
  /** Visible bytes. */
  readonly length: number;
  /** null where not even these bytes are visible; 0xffff in a VF, whose PF has them. */
  readonly vendorId: number | null;
  readonly deviceId: number | null;
  readonly revision: number | null;
  /** 24 bits: base class, subclass, programming interface. */
  readonly classCode: number | null;
  /** Without the multi-function bit. */
  readonly headerType: number | null;
  /** null where fewer than 64 bytes are visible. */
  readonly header: Header | null;
  /** In list order. */
  readonly capabilities: readonly Capability[];
  readonly extendedCapabilities: readonly ExtendedCapability[];
  readonly problems: readonly ConfigProblem[];
};

export type Problems = {
  readonly found: ConfigProblem[];
  /** A reporter for offsets relative to `base`. */
  readonly from: (base: number) => Report;
};

export const hex = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`;

export function collectProblems(): Problems {
  const found: ConfigProblem[] = [];
  const from =
    (base: number): Report =>
    (code, at, message) => {
      found.push({ code, where: hex(base + at), message, offset: base + at });
    };
  return { found, from };
}

/** The body of the first capability of a kind, or null; the lookup that callers want most. */
export function findCapability<Kind extends StandardBody["kind"]>(
  config: FunctionConfig,
  kind: Kind,
): Extract<StandardBody, { kind: Kind }> | null {
  const body = config.capabilities.find((capability) => capability.body?.kind === kind)?.body;
  return isKind(body, kind) ? body : null;
}

export function findExtendedCapability<Kind extends ExtendedBody["kind"]>(
  config: FunctionConfig,
  kind: Kind,
): Extract<ExtendedBody, { kind: Kind }> | null {
  const found = config.extendedCapabilities.find((capability) => capability.body?.kind === kind);
  return isKind(found?.body, kind) ? found.body : null;
}

const isKind = <Body extends { kind: string }, Kind extends Body["kind"]>(
  body: Body | null | undefined,
  kind: Kind,
): body is Extract<Body, { kind: Kind }> => body?.kind === kind;
