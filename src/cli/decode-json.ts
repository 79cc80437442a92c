// The JSON of `sriovctl decode --json`: one array over all files, one object a function. Numbers
// are JSON numbers, also 64-bit addresses; what is unknown is null, and all fields are always
// there. Byte strings are pairs of hex digits.

import type { Bdf } from "../model/bdf.ts";
import { formatBdf } from "../model/bdf.ts";
import type { Sriov } from "../pci/capability/sriov.ts";
import type { Capability, ExtendedCapability } from "../pci/function-config.ts";
import { vfAddresses, vfBus } from "../pci/routing-id.ts";
import type { DecodedFile, DecodedFunction } from "./decode.ts";

type Json = unknown;

/** ES2026 JSON.rawJSON(), which the compiler's library does not declare yet. */
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => Json };

/** All digits of a 64-bit number: a JavaScript number would round above 2^53. */
const bigNumber = (value: bigint): Json =>
  value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : rawJSON(value.toString());

const hexBytes = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** Decoded fields as they are, bigints and bytes in JSON's terms. */
function toJson(value: unknown): Json {
  if (typeof value === "bigint") return bigNumber(value);
  if (value instanceof Uint8Array) return hexBytes(value);
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, toJson(field)]));
}

/** VFs that are on and that have a routing ID at all; null where the PF's address is not known. */
export function enabledVfAddresses(bdf: Bdf | null, body: Sriov): string[] | null {
  if (bdf === null) return null;
  if (!body.vfEnable) return [];
  let numVfs = body.numVfs;
  // Bytes may claim VFs beyond bus 255, where there is none.
  while (numVfs > 0 && vfBus(bdf.routingId, body, numVfs - 1) > 0xff) numVfs--;
  return vfAddresses(bdf, body, numVfs);
}

const sriovNames = [
  "capabilities",
  "control",
  "status",
  "vfEnable",
  "vfMse",
  "ariCapableHierarchy",
  "ariCapableHierarchyPreserved",
  "vf10BitTagRequester",
  "vfMigrationCapable",
  "initialVfs",
  "totalVfs",
  "numVfs",
  "functionDependencyLink",
  "firstVfOffset",
  "vfStride",
  "vfDeviceId",
  "supportedPageSizes",
  "systemPageSize",
] as const satisfies readonly (keyof Sriov)[];

function sriovJson(bdf: Bdf | null, body: Sriov | null): Json {
  const fields = sriovNames.map((name) => [name, body?.[name] ?? null]);
  return {
    ...Object.fromEntries(fields),
    vfBars: body === null ? null : toJson(body.vfBars),
    vfMigrationStateArrayOffset: body?.vfMigrationStateArrayOffset ?? null,
    vfAddresses: body === null ? null : enabledVfAddresses(bdf, body),
  };
}

/** Fields of a decoded body; of one that is not decoded, its bytes. */
function bodyJson({ bytes, body }: Capability | ExtendedCapability): Json {
  if (body === null) return { bytes: hexBytes(bytes) };
  const { kind: _kind, ...fields } = body;
  return toJson(fields);
}

function capabilityJson(capability: Capability): Json {
  const { id, name, offset } = capability;
  return { id, name, offset, ...Object(bodyJson(capability)) };
}

const sriovId = 0x10;

function extendedCapabilityJson(bdf: Bdf | null, capability: ExtendedCapability): Json {
  const { id, version, name, offset, body } = capability;
  const head = { id, version, name, offset };
  if (id !== sriovId) return { ...head, ...Object(bodyJson(capability)) };
  const sriov = body?.kind === "sriov" ? body : null;
  const bytes = sriov === null ? { bytes: hexBytes(capability.bytes) } : {};
  return { ...head, ...Object(sriovJson(bdf, sriov)), ...bytes };
}

function functionJson(file: string, { bdf, config, dumpProblems }: DecodedFunction): Json {
  return {
    file,
    address: bdf === null ? null : formatBdf(bdf),
    length: config.length,
    vendor: config.vendorId,
    device: config.deviceId,
    revision: config.revision,
    headerType: config.headerType,
    class: config.classCode,
    capabilities: config.capabilities.map(capabilityJson),
    extendedCapabilities: config.extendedCapabilities.map((capability) =>
      extendedCapabilityJson(bdf, capability),
    ),
    problems: [...dumpProblems, ...config.problems],
  };
}

/** A file without functions still has its place, so that its problems are not lost. */
const emptyFileJson = ({ file, problems }: DecodedFile): Json => ({
  file,
  address: null,
  length: 0,
  vendor: null,
  device: null,
  revision: null,
  headerType: null,
  class: null,
  capabilities: [],
  extendedCapabilities: [],
  problems,
});

export const decodeJson = (files: readonly DecodedFile[]): Json[] =>
  files.flatMap((decoded) =>
    decoded.functions.length === 0
      ? [emptyFileJson(decoded)]
      : decoded.functions.map((each) => functionJson(decoded.file, each)),
  );
