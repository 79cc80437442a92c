// What `decode` says to people about each capability: one to a few short lines of what matters,
// flags that are off left out. Everything else is in --json. One row per kind, so that the compiler
// points here when a capability is added.

import type { ExtendedBody, StandardBody } from "../pci/capability/capability-table.ts";
import type { MsixLocation } from "../pci/capability/interrupts.ts";
import type { Pcie } from "../pci/capability/pcie.ts";
import { linkSpeedGtps, payloadBytes, portTypeName } from "../pci/capability/pcie.ts";

type Body = StandardBody | ExtendedBody;

type Lines = { readonly [Kind in Exclude<Body["kind"], "sriov">]: LinesOf<Kind> };
type LinesOf<Kind> = (body: Extract<Body, { kind: Kind }>) => readonly string[];

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

const joined = (...parts: readonly (string | false | null)[]): string =>
  parts.filter((part) => part !== false && part !== null && part !== "").join(", ");

/** Names of the flags that are set, in words: `sourceValidation` is `source validation`. */
function flagWords(flags: object): string {
  const names = Object.entries(flags).filter(([, value]) => value === true);
  const words = names.map(([name]) => name.replaceAll(/[A-Z]/g, (at) => ` ${at.toLowerCase()}`));
  return words.join(", ");
}

const onOff = (isOn: boolean): string => (isOn ? "on" : "off");

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

const units = ["", "K", "M", "G", "T", "P", "E"];

/** `64K`, `4M`: sizes that are powers of two. */
export function sizeText(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && size % 1024 === 0 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${size}${units[unit] ?? ""}`;
}

const at = ({ bar, offset }: MsixLocation): string => `BAR ${bar} + ${hex(offset)}`;

const nanoseconds = (value: number | null): string =>
  value === null ? "reserved scale" : `${value} ns`;

const microseconds = (value: number | null): string =>
  value === null ? "reserved scale" : `${value} us`;

function speedText(code: number): string {
  const speed = linkSpeedGtps(code);
  return speed === null ? `speed code ${code}` : `${speed} GT/s`;
}

function linkLine({ link }: Pcie): string {
  if (link === null) return "";
  const now = `${speedText(link.status.speedCode)} x${link.status.width}`;
  const most = `${speedText(link.capabilities.maxSpeedCode)} x${link.capabilities.maxWidth}`;
  return `link ${now}${now === most ? "" : ` of ${most}`}, port ${link.capabilities.portNumber}`;
}

function pcieLines(body: Pcie): string[] {
  const { deviceCapabilities, deviceControl, deviceStatus, device2, slot } = body;
  const payload = payloadBytes(deviceControl.maxPayloadSizeCode);
  const payloadMost = payloadBytes(deviceCapabilities.maxPayloadSizeCode);
  const read = payloadBytes(deviceControl.maxReadRequestSizeCode);
  const ari = device2?.capabilities.ariForwarding === true;
  return [
    joined(
      `version ${body.version}`,
      portTypeName(body.portType),
      deviceCapabilities.functionLevelReset && "function-level reset",
    ),
    linkLine(body),
    `payload ${payload} of ${payloadMost} bytes, read requests ${read} bytes`,
    ari ? `ARI forwarding ${onOff(device2.control.ariForwarding)}` : "",
    slot === null ? "" : `slot ${slot.capabilities.physicalSlotNumber}`,
    prefixed("status: ", flagWords(deviceStatus)),
  ].filter((line) => line !== "");
}

const prefixed = (prefix: string, text: string): string => (text === "" ? "" : prefix + text);

/** Flags that could be on and are not. */
const onlyOff = (supported: object, enabled: Readonly<Record<string, unknown>>): object =>
  Object.fromEntries(Object.entries(supported).filter(([name]) => enabled[name] !== true));

const powerStates = ["D0", "D1", "D2", "D3hot"];

const lines: Lines = {
  powerManagement: ({ version, powerState, pmeEnable, noSoftReset }) => [
    joined(
      `version ${version}`,
      powerStates[powerState] ?? "",
      noSoftReset && "keeps its state over D3hot",
      pmeEnable && "PME on",
    ),
  ],
  msi: ({ enable, vectorsEnabled, vectorsCapable, is64Bit, perVectorMasking }) => [
    joined(
      onOff(enable),
      `${vectorsEnabled} of ${plural(vectorsCapable, "vector")}`,
      is64Bit ? "64-bit" : "32-bit",
      perVectorMasking && "maskable",
    ),
  ],
  msix: ({ enable, functionMask, tableSize, table, pendingBitArray }) => [
    joined(onOff(enable), functionMask && "all masked", plural(tableSize, "vector")),
    `table at ${at(table)}, pending bits at ${at(pendingBitArray)}`,
  ],
  pcie: pcieLines,
  vitalProductData: ({ address }) => [`address ${hex(address)}`],
  vendorSpecific: ({ lengthBytes }) => [plural(lengthBytes, "byte")],
  enhancedAllocation: ({ entries }) =>
    entries.map(({ equivalent, properties, enable, base, maxOffset }) => {
      const range =
        base === null || maxOffset === null ? "range cut" : `${hex(base)} + ${hex(maxOffset)}`;
      return joined(`${equivalent}: ${range}`, properties, !enable && "off");
    }),
  advancedErrorReporting: ({ uncorrectableStatus, correctableStatus, root }) => {
    const bad = flagWords(uncorrectableStatus);
    const corrected = flagWords(correctableStatus);
    return [
      prefixed("uncorrectable: ", bad),
      prefixed("correctable: ", corrected),
      bad === "" && corrected === "" ? "no errors" : "",
      root === null ? "" : prefixed("root: ", flagWords(root.status)),
    ].filter((line) => line !== "");
  },
  deviceSerialNumber: ({ serial }) => [serial],
  acs: ({ supported, enabled }) =>
    [
      `on: ${flagWords(enabled) || "nothing"}`,
      prefixed("off: ", flagWords(onlyOff(supported, enabled))),
    ].filter((line) => line !== ""),
  ari: ({ nextFunction, functionGroup }) => [
    joined(
      nextFunction === 0 ? "no next function" : `next function ${nextFunction}`,
      functionGroup !== 0 && `function group ${functionGroup}`,
    ),
  ],
  addressTranslationServices: (body) => [
    joined(
      onOff(body.enable),
      `queue of ${body.invalidateQueueDepth}`,
      `smallest unit ${sizeText(body.smallestTranslationUnitBytes)}`,
    ),
  ],
  pageRequestInterface: ({ enable, stopped, capacity, allocation, responseFailure }) => [
    joined(
      onOff(enable),
      `${allocation} of ${capacity} requests`,
      stopped && "stopped",
      responseFailure && "response failure",
    ),
  ],
  processAddressSpaceId: (body) => [
    joined(
      onOff(body.enable),
      `up to ${body.maxWidth} bits`,
      body.executePermission && "execute permission",
      body.privilegedMode && "privileged mode",
    ),
  ],
  latencyToleranceReporting: ({ maxSnoopLatencyNs, maxNoSnoopLatencyNs }) => [
    `snoop ${nanoseconds(maxSnoopLatencyNs)}, no snoop ${nanoseconds(maxNoSnoopLatencyNs)}`,
  ],
  l1PmSubstates: ({ supported, enabled }) => {
    const { pciPmL12, pciPmL11, aspmL12, aspmL11 } = enabled;
    const on = flagWords({ pciPmL12, pciPmL11, aspmL12, aspmL11 });
    return [`on: ${on || "nothing"}`, `power on in ${microseconds(supported.powerOnUs)}`];
  },
  resizableBar: ({ entries }) => entries.map(resizableLine("BAR")),
  vfResizableBar: ({ entries }) => entries.map(resizableLine("VF BAR")),
  vendorSpecificExtended: ({ vendorSpecificId, revision, lengthBytes }) => [
    `ID ${hex(vendorSpecificId)}, revision ${revision}, ${plural(lengthBytes, "byte")}`,
  ],
  designatedVendorSpecific: ({ dvsecVendorId, dvsecId, revision, lengthBytes }) => [
    joined(
      `vendor ${hex(dvsecVendorId)}`,
      `ID ${hex(dvsecId)}`,
      `revision ${revision}`,
      plural(lengthBytes, "byte"),
    ),
  ],
};

function resizableLine(noun: string) {
  return (entry: { bar: number; sizeBytes: number; supportedSizesBytes: readonly number[] }) => {
    const sizes = entry.supportedSizesBytes.map(sizeText).join(" ");
    return `${noun} ${entry.bar}: ${sizeText(entry.sizeBytes)} of ${sizes || "no size"}`;
  };
}

/** Lines about one decoded capability; SR-IOV has its own file. */
export function capabilityLines(body: Exclude<Body, { kind: "sriov" }>): readonly string[] {
  // The row is of the body's own kind.
  const row = lines[body.kind] as (body: Body) => readonly string[];
  return row(body);
}
