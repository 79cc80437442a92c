// Asserts that something is refused with a certain code, and hands the error on for a closer look.

import assert from "node:assert/strict";
import { SriovError, type ErrorCode } from "../../src/model/errors.ts";

export async function refused(code: ErrorCode, promise: Promise<unknown>): Promise<SriovError> {
  const error = await promise.then(
    () => assert.fail(`wanted ${code}, but it went through`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SriovError, String(error));
  assert.equal(error.code, code, error.message);
  return error;
}
