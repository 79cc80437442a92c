// The signature of a release against OpenSSL, which is what users have: the same bytes as it makes,
// and the command of docs/install.md takes them and nothing else.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { signed } from "./dist-signature.ts";

const folder = mkdtempSync(join(tmpdir(), "sriovctl-signature-"));
after(() => rmSync(folder, { recursive: true }));

const pem = { type: "pkcs8", format: "pem" } as const;

function keyFile(name: string, text: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const ed25519 = keyFile("key.pem", generateKeyPairSync("ed25519").privateKey.export(pem));
const sums = "0".repeat(64) + "  sriovctl\n";

/** The lines of the first code block after a heading. */
function commandsUnder(heading: string): string {
  const text = readFileSync(join(import.meta.dirname, "..", "docs", "install.md"), "utf8");
  return /```\n(.*?)```/s.exec(text.slice(text.indexOf(`## ${heading}\n`)))?.[1] ?? "";
}

test("the documented command takes what was signed, and nothing else", (context) => {
  if (spawnSync("openssl", ["version"]).error !== undefined) {
    return context.skip("openssl is not installed");
  }
  const { signature, publicKey } = signed(Buffer.from(sums), ed25519);
  writeFileSync(join(folder, "SHA256SUMS.sig"), signature);
  writeFileSync(join(folder, "sriovctl.pub"), publicKey);
  const [command = ""] = commandsUnder("Verify").split("\n");
  const verify = (text: string) => {
    writeFileSync(join(folder, "SHA256SUMS"), text);
    return spawnSync("sh", ["-c", command], { cwd: folder, encoding: "utf8" });
  };
  const good = verify(sums);
  assert.equal(good.status, 0, `${command}\n${good.stdout}${good.stderr}`);
  assert.notEqual(verify(sums.replace("0", "1")).status, 0);
  const words = ["pkeyutl", "-sign", "-inkey", ed25519, "-rawin", "-in", "SHA256SUMS"];
  verify(sums);
  assert.deepEqual(spawnSync("openssl", words, { cwd: folder }).stdout, Buffer.from(signature));
});

test("a key that is no key for this, or nobody's secret, is refused", () => {
  const refuses = (path: string, words: RegExp): void => {
    assert.throws(() => signed(Buffer.from(sums), path), words);
  };
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export(pem);
  refuses(keyFile("rsa.pem", rsa), /it is a key for rsa, wanted Ed25519/);
  refuses(keyFile("text.pem", "no key"), /Cannot sign with .*text\.pem: /);
  refuses(join(folder, "none.pem"), /ENOENT/);
  refuses(join(import.meta.dirname, "dist.ts"), /inside the checkout/);
  chmodSync(ed25519, 0o644);
  refuses(ed25519, /others may read it/);
  chmodSync(ed25519, 0o600);
});
