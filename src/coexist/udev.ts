// udev rules that write VF counts, as `ATTR{device/sriov_numvfs}="8"` or in a RUN+= of shell
// (udev(7)). The rule's own conditions say of which PF; those that only a running udev can answer
// leave it open.

import type { Claim, ClaimSetting, PfSelector } from "../model/claim.ts";
import {
  type ClaimReading,
  Complaints,
  type ConfigFile,
  parseAnyMac,
  shown,
  withoutShadowed,
} from "./config-file.ts";
import { scriptClaims, type ScriptLine } from "./script.ts";
import { settingOfWrite } from "./sysfs-path.ts";

export const udevFolders = [
  "/etc/udev/rules.d",
  "/run/udev/rules.d",
  "/usr/local/lib/udev/rules.d",
  "/usr/lib/udev/rules.d",
  "/lib/udev/rules.d",
];

type Token = {
  readonly key: string;
  readonly attribute: string | null;
  readonly operator: string;
  readonly value: string;
};

type Rule = { readonly text: string; readonly where: string };

function rulesOf({ path, text }: ConfigFile): Rule[] {
  const rules: Rule[] = [];
  let open: Rule | null = null;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    if (open === null && raw.trimStart().startsWith("#")) continue;
    const goesOn = raw.endsWith("\\");
    const before: Rule = open ?? { text: "", where: `${path}:${index + 1}` };
    const rule: Rule = { ...before, text: before.text + (goesOn ? raw.slice(0, -1) : raw) };
    if (!goesOn) rules.push(rule);
    open = goesOn ? rule : null;
  }
  return rules;
}

const token =
  /\s*([A-Z]+)(?:\{([^}]*)\})?\s*(==|!=|\+=|-=|:=|=)\s*e?"((?:[^"\\]|\\.)*)"\s*(?:,|$)/y;

/** null when the text is no list of `KEY{attribute}OP"value"`. */
function tokensOf(text: string): Token[] | null {
  const tokens: Token[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < text.trimEnd().length) {
    const match = token.exec(text);
    if (match === null) return null;
    const [, key = "", attribute = null, operator = "", value = ""] = match;
    tokens.push({ key, attribute, operator, value: value.replaceAll('\\"', '"') });
  }
  return tokens;
}

/** udev's alternatives: `a|b`. */
const alternatives = (value: string): string[] => value.split("|");

const ignoredKeys = new Set(["ACTION", "SUBSYSTEM", "SUBSYSTEMS", "LABEL", "GOTO", "TEST", "TAG"]);

type FieldName = Exclude<keyof PfSelector, "unjudged">;

function fieldOf({ key, attribute }: Token, isNet: boolean): FieldName | null {
  if (key === "NAME" || (key === "KERNEL" && isNet)) return "names";
  if (key === "KERNELS" || key === "KERNEL") return "addresses";
  if (key === "DRIVERS" || key === "DRIVER") return "drivers";
  if (key === "ATTR" && attribute === "address") return "macs";
  if (key === "ENV" && attribute === "ID_NET_DRIVER") return "drivers";
  if (key === "ENV" && attribute === "ID_PATH") return "paths";
  if (key === "ENV" && attribute === "INTERFACE") return "names";
  return null;
}

const isId = ({ key, attribute }: Token): boolean =>
  /^ATTRS?$/.test(key) && /^(?:device\/)?(?:vendor|device)$/.test(attribute ?? "");

/** `ATTRS{vendor}=="0x8086", ATTRS{device}=="0x10fb"` as `8086:10fb`. */
function idsOf(tokens: readonly Token[]): string[] {
  const valueOf = (name: string): string | null =>
    tokens.find((each) => isId(each) && each.attribute?.endsWith(name))?.value ?? null;
  const plain = (value: string | null): string =>
    value === null ? "????" : value.replace(/^0x/, "").toLowerCase();
  const [vendor, device] = [valueOf("vendor"), valueOf("device")];
  if (vendor === null && device === null) return [];
  return [`${plain(vendor)}:${plain(device)}`];
}

function selectorOf(tokens: readonly Token[]): PfSelector {
  const fields: Partial<Record<FieldName, string[]>> = {};
  const unjudged: string[] = [];
  const isNet = tokens.some(({ key, value }) => key === "SUBSYSTEM" && value === "net");
  for (const each of tokens) {
    const { key, attribute, operator, value } = each;
    if ((operator !== "==" && operator !== "!=") || ignoredKeys.has(key) || isId(each)) continue;
    const field = fieldOf(each, isNet);
    if (field === null) {
      const words = `${key}${attribute === null ? "" : `{${attribute}}`}${operator}${value}`;
      // Whether there are VFs or room for them does not say whose PF it is.
      if (!/sriov_/.test(attribute ?? "")) unjudged.push(words.slice(0, 100));
      continue;
    }
    const values = alternatives(value).map((text) => {
      const isMac = field === "macs";
      return `${operator === "!=" ? "!" : ""}${isMac ? (parseAnyMac(text) ?? text) : text}`;
    });
    fields[field] = [...(fields[field] ?? []), ...values];
  }
  const ids = idsOf(tokens);
  return { ...fields, ...(ids.length === 0 ? {} : { ids }), unjudged };
}

const attributeNames = /^(?:device\/)?(sriov_numvfs|sriov_drivers_autoprobe)$/;

type Ruled = { readonly own: ClaimSetting[]; readonly others: ScriptLine[] };

function settingsOf(tokens: readonly Token[], where: string): Ruled {
  const own: ClaimSetting[] = [];
  const others: ScriptLine[] = [];
  for (const { key, attribute, operator, value } of tokens) {
    if (operator === "==" || operator === "!=") continue;
    const written = key === "ATTR" ? attributeNames.exec(attribute ?? "")?.[1] : undefined;
    if (written !== undefined) own.push(settingOfWrite(written, value, where));
    if (key !== "RUN" && key !== "PROGRAM") continue;
    for (const line of scriptClaims(value, where)) {
      // %k, $name, $env{INTERFACE}, %p: the netdev that the rule is about.
      const isOwn = line.selector.unjudged.some((text) => /^[%$]|%p|\$devpath/.test(text));
      if (isOwn) own.push(line.setting);
      else others.push(line);
    }
  }
  return { own, others };
}

export function readUdev(files: readonly ConfigFile[]): ClaimReading {
  const complaints = new Complaints();
  const claims = withoutShadowed(files, udevFolders).flatMap((file) => {
    // Of the hundred files that come with a distribution none is about SR-IOV.
    if (!/sriov_|\bvf\s/.test(file.text)) return [];
    return rulesOf(file).flatMap(({ text, where }): Claim[] => {
      if (!/sriov_|\bvf\s/.test(text)) return [];
      const tokens = tokensOf(text.trim());
      if (tokens === null) {
        complaints.add(where, `Cannot use rule ${shown(text.trim())}: wanted KEY=="value", ...`);
        return [];
      }
      const { own, others } = settingsOf(tokens, where);
      const claim = (selector: PfSelector, settings: readonly ClaimSetting[]): Claim => {
        return { manager: "udev", selector, firstOf: null, settings };
      };
      return [
        ...(own.length === 0 ? [] : [claim(selectorOf(tokens), own)]),
        ...others.map(({ selector, setting }) => claim(selector, [setting])),
      ];
    });
  });
  return { claims, problems: complaints.problems };
}
