// Both of apt's source formats lead to the same backports source.

import assert from "node:assert/strict";
import { test } from "node:test";
import { backportsSource, parseIndexTargets, signedByAt } from "./apt-sources.ts";

const deb822 = `Types: deb
# A comment, as images have them
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb
URIs: http://archive.example/security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
`;

const oneLine = `# main
deb [arch=amd64 signed-by=/etc/keys/a.gpg] http://archive.example/debian bookworm main
deb http://archive.example/debian bookworm-updates main
`;

const signedByRows: readonly (readonly [text: string, line: number, expected: string | null])[] = [
  [deb822, 1, "/usr/share/keyrings/archive.gpg"],
  [deb822, 8, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc"],
  [oneLine, 2, "/etc/keys/a.gpg"],
  [oneLine, 3, null],
  ["", 7, null],
];

for (const [text, line, expected] of signedByRows) {
  test(`apt: the key at line ${line} of ${JSON.stringify(text.slice(0, 12))}`, () => {
    assert.equal(signedByAt(text, line), expected);
  });
}

const target = (origin: string, release: string): string => `Identifier: Packages
Origin: ${origin}
Component: main
Release: ${release}
Repo-URI: http://archive.example/debian/
Sourcesentry: /etc/apt/sources.list.d/debian.sources:1
`;

test("apt: backports come from the archive of the release, with its key", () => {
  const targets = parseIndexTargets(
    [target("Other", "bookworm"), target("Debian", "bookworm")].join("\n"),
  );
  const files: Record<string, string> = { "/etc/apt/sources.list.d/debian.sources": deb822 };
  assert.equal(
    backportsSource(targets, "bookworm", (path) => files[path] ?? ""),
    "Types: deb\nURIs: http://archive.example/debian/\nSuites: bookworm-backports\n" +
      "Components: main\nSigned-By: /usr/share/keyrings/archive.gpg\n",
  );
});

test("apt: no archive of the release, no backports", () => {
  const targets = parseIndexTargets(target("Ubuntu", "noble"));
  assert.equal(
    backportsSource(targets, "noble", () => ""),
    null,
  );
});
