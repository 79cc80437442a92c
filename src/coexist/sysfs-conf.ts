// sysfsutils (/etc/sysfs.conf: `class/net/eno1/device/sriov_numvfs = 8`) and systemd-tmpfiles
// (`w /sys/class/net/eno1/device/sriov_numvfs - - - - 8`): values written at boot.

import type { Claim, ManagerName } from "../model/claim.ts";
import type { ClaimReading, ConfigFile } from "./config-file.ts";
import { withoutShadowed } from "./config-file.ts";
import { settingOfWrite, targetOfPath } from "./sysfs-path.ts";

export const sysfsFolders = ["/etc/sysfs.d"];
export const sysfsFiles = ["/etc/sysfs.conf"];
export const tmpfilesFolders = [
  "/etc/tmpfiles.d",
  "/run/tmpfiles.d",
  "/usr/local/lib/tmpfiles.d",
  "/usr/lib/tmpfiles.d",
];

type Write = { readonly path: string; readonly value: string };

function claimsOf(
  manager: ManagerName,
  files: readonly ConfigFile[],
  writeOf: (line: string) => Write | null,
): Claim[] {
  return files.flatMap(({ path, text }) => {
    // Nearly all of these files are about something else.
    if (!text.includes("sriov_")) return [];
    return text.split(/\r?\n/).flatMap((line, index): Claim[] => {
      const write = line.trimStart().startsWith("#") ? null : writeOf(line.trim());
      const target = write === null ? null : targetOfPath(write.path);
      if (write === null || target === null) return [];
      const where = `${path}:${index + 1}`;
      const setting = settingOfWrite(target.attribute, write.value, where);
      return [{ manager, selector: target.selector, firstOf: null, settings: [setting] }];
    });
  });
}

/** `mode` and `owner` lines give a file's rights and write nothing. */
function sysfsWrite(line: string): Write | null {
  const equals = line.indexOf("=");
  const path = line.slice(0, equals).trim();
  if (equals <= 0 || /^(?:mode|owner)\s/.test(path)) return null;
  return { path, value: line.slice(equals + 1) };
}

function tmpfilesWrite(line: string): Write | null {
  const [type = "", path = "", , , , , ...value] = line.split(/\s+/);
  return /^[wf]/.test(type) ? { path, value: value.join(" ") } : null;
}

export function readSysfs(files: readonly ConfigFile[]): ClaimReading {
  return { claims: claimsOf("sysfs", files, sysfsWrite), problems: [] };
}

export function readTmpfiles(files: readonly ConfigFile[]): ClaimReading {
  const inForce = withoutShadowed(files, tmpfilesFolders);
  return { claims: claimsOf("tmpfiles", inForce, tmpfilesWrite), problems: [] };
}
