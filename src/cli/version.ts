// Which sriovctl this is: version, how it was built, from which commit, under which Node. A build
// puts its facts in place of SRIOVCTL_BUILD; a checkout asks git, and only when it is asked itself.

import packageJson from "../../package.json" with { type: "json" };

export const { version } = packageJson;

const versionFormat = "sriovctl-version/1";

export type BuildFacts = {
  /** 40 hexadecimal digits, with `+` when files were changed after it; null: not known. */
  readonly commit: string | null;
  /** Of the commit, so that two builds of it are the same: `2026-11-21`. */
  readonly date: string | null;
};

/** How the program came here. */
type BuildKind = "checkout" | "package" | "executable";

declare const SRIOVCTL_BUILD: BuildFacts | undefined;

/** null in a checkout. */
export const builtFacts: BuildFacts | null =
  typeof SRIOVCTL_BUILD === "undefined" ? null : SRIOVCTL_BUILD;

export type VersionFacts = BuildFacts & {
  readonly kind: BuildKind;
  readonly platform: string;
  readonly node: string;
};

const kindNames: Readonly<Record<BuildKind, string>> = {
  checkout: "checkout",
  package: "npm package",
  executable: "single executable",
};

export const versionText = ({ kind, platform, date, commit, node }: VersionFacts): string =>
  [
    `sriovctl ${version}`,
    `build   ${kindNames[kind]} for ${platform}${date === null ? "" : `, ${date}`}`,
    `commit  ${commit ?? "unknown"}`,
    `Node    ${node}`,
  ].join("\n");

export const versionJson = ({ kind, platform, date, commit, node }: VersionFacts): object => ({
  format: versionFormat,
  version,
  build: { kind, platform, date },
  commit,
  node,
});
