// What people write into rc.local, interfaces(5), units and crontabs: `echo 8 > .../sriov_numvfs`
// and `ip link set eno1 vf 0 vlan 120`. Shell is not run here: a line that plainly names its PF
// is a claim, one that computes it is a claim of which nobody can say whose PF it means.

import { parseMac } from "../model/mac.ts";
import type { Claim, ClaimSetting, PfSelector } from "../model/claim.ts";
import type { PolicySpec } from "../model/spec.ts";
import { type ClaimReading, type ConfigFile, parseCount, parseSwitch } from "./config-file.ts";
import { settingOfWrite, targetOfPath } from "./sysfs-path.ts";

export const scriptFiles = ["/etc/rc.local", "/etc/network/interfaces", "/etc/crontab"];
export const scriptFolders = [
  "/etc/network/interfaces.d",
  "/etc/network/if-pre-up.d",
  "/etc/network/if-up.d",
  "/etc/networkd-dispatcher/routable.d",
  "/etc/NetworkManager/dispatcher.d",
  "/etc/systemd/system",
  "/etc/cron.d",
  "/var/spool/cron/crontabs",
];

export type ScriptLine = { readonly selector: PfSelector; readonly setting: ClaimSetting };

const redirect = /(?:>{1,2}\s*|\btee\s+(?:-a\s+)?)(["']?\/sys\/[^\s;|&)]*sriov_[a-z_]+["']?)/g;

function writesOf(line: string, where: string): ScriptLine[] {
  return [...line.matchAll(redirect)].flatMap((match): ScriptLine[] => {
    const target = targetOfPath(match[1] ?? "");
    if (target === null) return [];
    const before = line.slice(0, match.index);
    const echoed = /\b(?:echo|printf)\s+(?:-n\s+)?["']?([^\s"'|>]+)["']?\s*(?:\|\s*)?(?:sudo\s+)?$/;
    const value = echoed.exec(before)?.[1]?.replace(/\\n$/, "") ?? "?";
    const setting = settingOfWrite(target.attribute, value, where);
    return [{ selector: target.selector, setting }];
  });
}

/** Words after `vf N`, as iproute2 takes them. */
function policyOf(words: readonly string[]): PolicySpec {
  const after = (word: string): string => words[words.indexOf(word) + 1] ?? "";
  const has = (word: string): boolean => words.includes(word);
  const mac = has("mac") ? parseMac(after("mac")) : null;
  const id = has("vlan") ? parseCount(after("vlan"), 4095) : null;
  const qos = has("qos") ? parseCount(after("qos"), 7) : 0;
  const protocol = after("proto").toLowerCase() === "802.1ad" ? "802.1ad" : "802.1q";
  const switchOf = (word: string): boolean | null => (has(word) ? parseSwitch(after(word)) : null);
  const [spoofCheck, trust] = [switchOf("spoofchk"), switchOf("trust")];
  const rssQuery = switchOf("query_rss");
  const state = has("state") ? after("state") : "";
  const maxMbps = parseCount(has("max_tx_rate") ? after("max_tx_rate") : "", 999_999_999);
  const minMbps = parseCount(has("min_tx_rate") ? after("min_tx_rate") : "", 999_999_999);
  const rate = {
    ...(minMbps === null ? {} : { minMbps }),
    ...(maxMbps === null ? {} : { maxMbps }),
  };
  return {
    ...(mac === null ? {} : { mac }),
    ...(id === null || qos === null
      ? {}
      : { vlan: id + qos === 0 ? "none" : { id, qos, protocol } }),
    ...(Object.keys(rate).length === 0 ? {} : { rate }),
    ...(spoofCheck === null ? {} : { spoofCheck }),
    ...(trust === null ? {} : { trust }),
    ...(state === "auto" || state === "enable" || state === "disable" ? { linkState: state } : {}),
    ...(rssQuery === null ? {} : { rssQuery }),
  };
}

const linkSet =
  /\bip\s+(?:-\S+\s+)*l(?:ink)?\s+s(?:et)?\s+(?:dev\s+)?(\S+)\s+vf\s+(\S+)\s([^;&|]*)/g;

function linkSettings(line: string, where: string): ScriptLine[] {
  return [...line.matchAll(linkSet)].map(([text, name = "", index = "", rest = ""]): ScriptLine => {
    const vfIndex = parseCount(index, 65_534);
    const isPlain = vfIndex !== null && !/[$`]/.test(name);
    const selector = isPlain ? { names: [name], unjudged: [] } : { unjudged: [name.slice(0, 60)] };
    const policy = policyOf(rest.trim().split(/\s+/));
    const setting: ClaimSetting =
      vfIndex === null
        ? { kind: "other", words: text.trim().slice(0, 100), where }
        : { kind: "vf", vfIndex, policy, where };
    return { selector, setting };
  });
}

/** Every write to SR-IOV in one line of shell. */
export function scriptClaims(line: string, where: string): ScriptLine[] {
  // Nobody writes such a line by hand, and looking at it has to end.
  if (line.length > 4096) return [];
  return [...writesOf(line, where), ...linkSettings(line, where)];
}

export function readScripts(files: readonly ConfigFile[]): ClaimReading {
  const claims = files.flatMap(({ path, text }) => {
    if (!/sriov_|\bvf\s/.test(text)) return [];
    return text.split(/\r?\n/).flatMap((line, index): Claim[] => {
      if (line.trimStart().startsWith("#")) return [];
      return scriptClaims(line, `${path}:${index + 1}`).map(({ selector, setting }) => {
        return { manager: "script", selector, firstOf: null, settings: [setting] };
      });
    });
  });
  return { claims, problems: [] };
}
