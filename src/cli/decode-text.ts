// `sriovctl decode` for people: a heading per function, its header in a few lines, then one line
// or a few per capability in list order, then what is wrong with the bytes.

import type { Problem } from "../model/problem.ts";
import type { BaseAddress } from "../pci/base-address.ts";
import { shortCapabilityName } from "../pci/capability-names.ts";
import type { Capability, ExtendedCapability, FunctionConfig } from "../pci/function-config.ts";
import type { BridgeWindow, Header } from "../pci/header.ts";
import { capabilityLines } from "./decode-capability-text.ts";
import { addressText, sriovLines } from "./decode-sriov-text.ts";
import type { DecodedFile, DecodedFunction } from "./decode.ts";
import { className, deviceName, idsOf } from "./device-names.ts";
import { clean, type Style } from "./style.ts";
import { alignRows, type Row } from "./table.ts";

const hex = (value: number | bigint, digits: number): string =>
  value.toString(16).padStart(digits, "0");

function headingLine({ bdf, config }: DecodedFunction, style: Style): string {
  const { vendorId, deviceId, revision, classCode, length, header } = config;
  // A VF answers, but not for its identity: that is in its PF.
  const isVf = vendorId === 0xffff && header !== null;
  const isKnown = vendorId !== null && deviceId !== null && vendorId !== 0xffff;
  const name = isVf ? "VF," : isKnown ? deviceName(vendorId, deviceId) : "";
  const kind = header === null || classCode === null ? "" : className(classCode);
  const words = name.endsWith(kind) ? name : `${name} ${kind}`.trim();
  const details = [
    isKnown ? idsOf(vendorId, deviceId) : "",
    revision === null ? "" : `rev ${hex(revision, 2)}`,
    `${length} bytes`,
  ].filter((word) => word !== "");
  const address = style("strong", addressText(bdf));
  return [address, words, style("dim", details.join(", "))]
    .filter((part) => part !== "")
    .join("  ");
}

function barText({ kind, address, width, prefetchable }: BaseAddress): string {
  const type = kind === "io" ? "I/O" : `${width}-bit memory${prefetchable ? ", prefetchable" : ""}`;
  return `${hex(address, kind === "io" ? 4 : 8)}, ${type}`;
}

const windowText = ({ base, limit }: BridgeWindow, digits: number): string =>
  base > limit ? "closed" : `${hex(base, digits)} to ${hex(limit, digits)}`;

function commandText({ command }: Header): string {
  const words = [
    command.ioSpace ? "I/O" : "",
    command.memorySpace ? "memory" : "",
    command.busMaster ? "bus master" : "",
  ].filter((word) => word !== "");
  return words.length === 0 ? "nothing on" : `${words.join(", ")} on`;
}

function headerRows(header: Header): Row[] {
  const { layout, isMultifunction, interruptPin } = header;
  const pin = interruptPin >= 1 && interruptPin <= 4 ? `INT${"ABCD"[interruptPin - 1]}` : "";
  const common = [isMultifunction ? "multi-function" : "", commandText(header), pin];
  const first = (kind: string, ...rest: readonly string[]): Row => [
    "header",
    [kind, ...common, ...rest].filter((word) => word !== "").join(", "),
  ];
  switch (layout.type) {
    case "endpoint": {
      const subsystem = idsOf(layout.subsystemVendorId, layout.subsystemDeviceId);
      return [
        first("endpoint", `subsystem ${subsystem}`),
        ...layout.bars.map((bar): Row => [`BAR ${bar.index}`, barText(bar)]),
      ];
    }
    case "bridge":
      return [
        first("bridge"),
        ...layout.bars.map((bar): Row => [`BAR ${bar.index}`, barText(bar)]),
        ["buses", busesText(layout.primaryBus, layout.secondaryBus, layout.subordinateBus)],
        ["memory", windowText(layout.memoryWindow, 8)],
        ["prefetchable", windowText(layout.prefetchableWindow, 8)],
        ["I/O", windowText(layout.ioWindow, 4)],
      ];
    case "cardbus":
      return [
        first("CardBus bridge"),
        ["buses", busesText(layout.primaryBus, layout.cardBusBus, layout.subordinateBus)],
      ];
    case "unknown":
      return [first("unknown type")];
  }
}

const busesText = (primary: number, secondary: number, subordinate: number): string =>
  `from ${hex(primary, 2)} to ${hex(secondary, 2)}-${hex(subordinate, 2)}`;

/** Bytes of what is not decoded are shown up to here. */
const bytesShown = 16;

function bytesText(bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, bytesShown), (byte) => hex(byte, 2)).join(" ");
  return bytes.length > bytesShown ? `${shown} ... (${bytes.length} bytes)` : shown;
}

function capabilityText(
  { bdf }: DecodedFunction,
  { bytes, body }: Capability | ExtendedCapability,
): readonly string[] {
  if (body === null) return [bytesText(bytes)];
  return body.kind === "sriov" ? sriovLines(bdf, body) : capabilityLines(body);
}

function capabilityRows(decoded: DecodedFunction, style: Style): Row[] {
  const { capabilities, extendedCapabilities } = decoded.config;
  const rows = (place: string, capability: Capability | ExtendedCapability): Row[] => {
    const [first = "", ...rest] = capabilityText(decoded, capability);
    const tone = capability.body?.kind === "sriov" ? "name" : "strong";
    const short = shortCapabilityName(capability.name);
    const name = capability.body === null ? short : style(tone, short);
    return [[style("dim", place), name, first], ...rest.map((line): Row => ["", "", line])];
  };
  return [
    ...capabilities.flatMap((each) => rows(` ${hex(each.offset, 2)}`, each)),
    ...extendedCapabilities.flatMap((each) =>
      rows(`${hex(each.offset, 3)} v${each.version}`, each),
    ),
  ];
}

const indented = (rows: readonly Row[]): string[] => alignRows(rows).map((line) => `  ${line}`);

const problemLine = ({ code, where, message }: Problem, style: Style): string =>
  `  ${style("warn", "!")} ${clean(`${code} at ${where}: ${message}`)}`;

function functionText(decoded: DecodedFunction, style: Style): string[] {
  const { config, dumpProblems } = decoded;
  const header = config.header === null ? [] : headerRows(config.header);
  return [
    headingLine(decoded, style),
    ...indented(header.map(([name = "", value = ""]) => [style("dim", name), value])),
    ...indented(capabilityRows(decoded, style)),
    ...noCapabilitiesLine(config),
    ...[...config.problems, ...dumpProblems].map((problem) => problemLine(problem, style)),
  ];
}

function noCapabilitiesLine(config: FunctionConfig): string[] {
  const { header, capabilities, extendedCapabilities, problems } = config;
  const isEmpty = capabilities.length + extendedCapabilities.length === 0;
  return header !== null && isEmpty && problems.length === 0 ? ["  no capabilities"] : [];
}

/** Files one after another; each is named where there are several. A file without functions is an
 * error, which is not text of what was decoded. */
export function decodeText(files: readonly DecodedFile[], style: Style): string[] {
  return files.flatMap(({ file, functions }, index) => [
    ...(files.length > 1 ? [...(index > 0 ? [""] : []), style("link", clean(file)), ""] : []),
    ...functions.flatMap((each, at) => [...(at > 0 ? [""] : []), ...functionText(each, style)]),
  ]);
}
