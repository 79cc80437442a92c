// The signature of a release: Ed25519 over the bytes of SHA256SUMS, in a file of 64 bytes, as
// `openssl pkeyutl` makes and verifies it. The key is the releaser's and never in the checkout.

import { createPrivateKey, createPublicKey, sign, type KeyObject } from "node:crypto";
import { readFileSync, realpathSync, statSync } from "node:fs";
import { join, relative } from "node:path";

const checkout = realpathSync(join(import.meta.dirname, ".."));

type Signed = {
  readonly signature: Uint8Array;
  /** SubjectPublicKeyInfo in PEM: what users verify with. */
  readonly publicKey: string;
};

function privateKeyOf(path: string): KeyObject {
  const refuse = (words: string, cause?: unknown): Error =>
    new Error(`Cannot sign with ${path}: ${words}`, { cause });
  let key: KeyObject;
  try {
    const place = realpathSync(path);
    if (!relative(checkout, place).startsWith("..")) throw refuse("it is inside the checkout");
    if ((statSync(place).mode & 0o077) !== 0) throw refuse("others may read it, wanted mode 600");
    key = createPrivateKey(readFileSync(place));
  } catch (cause) {
    if (cause instanceof Error && cause.message.startsWith("Cannot sign")) throw cause;
    throw refuse(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const { asymmetricKeyType: type } = key;
  if (type !== "ed25519") throw refuse(`it is a key for ${type}, wanted Ed25519`);
  return key;
}

/** @param path PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it. */
export function signed(text: Uint8Array, path: string): Signed {
  const key = privateKeyOf(path);
  const publicKey = createPublicKey(key).export({ type: "spki", format: "pem" });
  return { signature: sign(null, text, key), publicKey: publicKey.toString() };
}
