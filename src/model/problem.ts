// A Problem is an expected finding about input or inventory: data, never thrown, and always
// returned in a list that holds all of them. `where` says where to look: `file:line:column` for
// a spec, a BDF or `BDF/vfN` for a host, a path for a captured tree.

export type Problem = {
  /** Stable kebab-case word that programs match on, for example `would-disrupt`. */
  readonly code: string;
  readonly where: string;
  /** One sentence: what is there, colon, what was wanted. No final period. */
  readonly message: string;
  /** What the operator can do about it. */
  readonly hint?: string;
};
