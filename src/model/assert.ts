// Assertions state what must hold whatever the input was. A failed one is a bug in sriovctl:
// the process stops, and the journal makes that safe.

export function assert(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new Error(`Assertion failed: ${sentence}`);
}

/** Makes the compiler point at a switch that misses a case. */
export function assertNever(value: never): never {
  throw new Error(`Assertion failed: unexpected ${JSON.stringify(value)}`);
}
